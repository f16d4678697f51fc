"""The pickle inside a checkpoint, interpreted without running code: it can only name tensors.

Of all that pickles can do, the machine below supports only what ``torch.save`` uses for plain
tensors: texts, whole numbers, tuples, dicts, six global names, and calls of three of them. A call
is only recorded: no name is ever looked up or imported. The opcodes are those of pickle protocol 2
(PEP 307, pickletools.py).
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ohmbench.errors import FileError
from ohmbench.files.opening import damaged, read_exactly
from ohmbench.files.schema import FIELD

SAVE_AGAIN = "save the state dict again with torch.save, where its source is trusted"

_MAX_OPCODES = 100_000  # 0.2 s; a tensor takes about 40
_MAX_DIMENSIONS = 16
_MAX_NUMEL = 1 << 40  # only keeps products of sizes small; the data present set the real limit

_ORDERED_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_STORAGES = {
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.LongStorage": "int64",
}
_CALLED = (_ORDERED_DICT, _TENSOR, _PARAMETER)


@dataclass(frozen=True)
class StoredBytes:
    """A storage: which member holds its bytes, and how many elements of which numpy type."""

    key: str
    dtype: str
    numel: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of ``size`` in ``storage``: its first element is element ``offset`` of the storage,
    and a step along each dimension moves on by ``stride`` elements, never outside the storage.
    """

    storage: StoredBytes
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.size)

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take, 4 or 8 each."""
        return self.numel * (4 if self.storage.dtype == "float32" else 8)


@dataclass(frozen=True)
class _Name:
    """A global, by name only."""

    name: str


# Opcode -> its name, and the width of the number that follows it.
_NUMBERED = {
    b"\x80": ("PROTO", 1),
    b"J": ("BININT", 4),
    b"K": ("BININT1", 1),
    b"M": ("BININT2", 2),
    b"q": ("BINPUT", 1),
    b"r": ("LONG_BINPUT", 4),
    b"h": ("BINGET", 1),
    b"j": ("LONG_BINGET", 4),
}
_BARE = {
    b"(": "MARK",
    b")": "EMPTY_TUPLE",
    b"t": "TUPLE",
    b"\x85": "TUPLE1",
    b"\x86": "TUPLE2",
    b"\x87": "TUPLE3",
    b"}": "EMPTY_DICT",
    b"s": "SETITEM",
    b"u": "SETITEMS",
    b"\x88": "NEWTRUE",
    b"\x89": "NEWFALSE",
    b"Q": "BINPERSID",
    b"R": "REDUCE",
    b"b": "BUILD",
    b".": "STOP",
}


class _Odd(Exception):
    """The error for something that torch.save does not write for plain tensors."""


_MARK = object()


def check_key(key: str) -> bool:
    """Whether ``key`` is an allowed tensor name: letters, digits, ``_.+-``, at most 128."""
    return FIELD.fullmatch(key) is not None


def _is_count(value: Any, high: int = _MAX_NUMEL) -> bool:
    return type(value) is int and 0 <= value <= high


def _storage(value: Any) -> StoredBytes:
    match value:
        case ("storage", _Name(name=kind), str(key), str(_), int(numel)):
            pass
        case _:
            raise _Odd("a reference that is not a storage")
    if kind not in _STORAGES:
        raise _Odd(f"a storage of {kind}")
    if not (key.isascii() and key.isdecimal()) or not _is_count(numel):
        raise _Odd("a storage without a sensible key and size")
    return StoredBytes(key, _STORAGES[kind], numel)


def _tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    match arguments:
        # The last two: requires_grad, which is up to the reader, and hooks, of which none are
        # allowed.
        case (StoredBytes() as s, int(offset), tuple(size), tuple(stride), bool(_), {**hooks}) if (
            not hooks
        ):
            storage = s
        case _:
            raise _Odd("a tensor described in an unknown way")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise _Odd(f"a tensor of {len(size)} dimensions with {len(stride)} strides")
    if not _is_count(offset) or not all(map(_is_count, (*size, *stride))):
        raise _Odd("a tensor whose sizes are not counts")
    if 0 in size:
        raise _Odd("a tensor without elements")
    if math.prod(size) > _MAX_NUMEL:
        raise _Odd("a tensor larger than any file")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= storage.numel:
        raise _Odd(f"a tensor whose last element is element {last} of {storage.numel}")
    return StoredTensor(storage, offset, size, stride)


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise _Odd("a call of something that is not a name")
    if function.name == _ORDERED_DICT and not arguments:
        return {}
    if function.name == _TENSOR:
        return _tensor(arguments)
    if function.name == _PARAMETER:
        match arguments:
            case (StoredTensor() as tensor, bool(_), {**hooks}) if not hooks:
                return tensor
    raise _Odd(f"a call of {function.name} with {len(arguments)} arguments")


def _line(stream: io.BytesIO) -> str:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("its data end too early")
    return line[:-1].decode("utf-8", "backslashreplace")


def _operations(pickled: bytes) -> Iterator[tuple[str, Any]]:
    """Name and operand of each opcode up to STOP, which must be the last byte."""
    stream = io.BytesIO(pickled)
    for _ in range(_MAX_OPCODES):
        code = read_exactly(stream, 1)
        if code in _BARE:
            yield _BARE[code], None
            if code == b".":
                if stream.read(1):
                    raise _Odd("something behind its end")
                return
        elif code in _NUMBERED:
            operation, width = _NUMBERED[code]
            raw = read_exactly(stream, width)
            yield operation, int.from_bytes(raw, "little", signed=operation == "BININT")
        elif code == b"\x8a":
            raw = read_exactly(stream, read_exactly(stream, 1)[0])
            yield "LONG1", int.from_bytes(raw, "little", signed=True)
        elif code == b"X":
            length = int.from_bytes(read_exactly(stream, 4), "little")
            yield "BINUNICODE", read_exactly(stream, length).decode("utf-8")
        elif code in (b"c", b"i"):
            yield "GLOBAL" if code == b"c" else "INST", f"{_line(stream)}.{_line(stream)}"
        else:
            names = [op.name for op in pickletools.opcodes if op.code == code.decode("latin-1")]
            raise _Odd(f"the operation {names[0] if names else code.hex()}")
    raise _Odd(f"more than {_MAX_OPCODES} operations")


class _Machine:
    """Pickle's stack and memo; `run` returns what the pickle describes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _Odd("an operation without operands")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        items = []
        while self.stack and self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        if not self.stack:
            raise _Odd("an end without a beginning")
        self.stack.pop()
        return items[::-1]

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1] if self.stack else None
        if not isinstance(target, dict) or len(pairs) % 2:
            raise _Odd("items for something that is not a mapping")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str):
                raise _Odd("a key that is not text")
            if key in target:
                raise FileError(self.name, "occurs twice", field=key, remedy=SAVE_AGAIN)
            target[key] = value

    def key(self) -> str | None:
        """The key of the tensor being described: the text that waits for it on the stack."""
        texts = (item for item in reversed(self.stack) if isinstance(item, str))
        return next((text for text in texts if text != "storage"), None)

    def keyed(self, describe: Callable[..., Any], *operands: Any) -> Any:
        try:
            return describe(*operands)
        except _Odd as error:
            key = self.key()
            if key is None:
                raise
            raise FileError(self.name, str(error), field=key, remedy=SAVE_AGAIN) from error

    def push_name(self, name: str) -> None:
        if name.startswith("torch.") and name.endswith("Storage") and name not in _STORAGES:
            raise FileError(
                self.name,
                f"elements of {name}, expected {', '.join(_STORAGES)}",
                field=self.key() or "data.pkl",
                remedy="convert the tensors to float32, float64 or int64 and save them again",
            )
        if name not in _STORAGES and name not in _CALLED:
            raise FileError(
                self.name,
                f"holds code ({name})",
                field="data.pkl",
                remedy=f"do not load it with torch.load; {SAVE_AGAIN}",
            )
        self.stack.append(_Name(name))

    def build(self) -> None:
        """A module's state dict has the attribute ``_metadata``: versions of its layers."""
        state = self.pop()
        if not self.stack or not isinstance(self.stack[-1], dict):
            raise _Odd("a state for something that is not a mapping")
        if not isinstance(state, dict) or set(state) != {"_metadata"}:
            raise _Odd("attributes other than _metadata")

    def step(self, operation: str, argument: Any) -> None:
        stack = self.stack
        match operation:
            case "GLOBAL" | "INST":
                self.push_name(argument)
                if operation == "INST":
                    raise _Odd("an object made by its class")
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation == "NEWTRUE")
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [self.pop() for _ in range(int(operation[-1]))]
                stack.append(tuple(reversed(items)))
            case "TUPLE":
                stack.append(tuple(self.pop_to_mark()))
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = self.pop(), self.pop()
                self.set_items([key, value])
            case "SETITEMS":
                self.set_items(self.pop_to_mark())
            case "BINPERSID":
                reference = self.pop()
                stack.append(self.keyed(_storage, reference))
            case "REDUCE":
                arguments, function = self.pop(), self.pop()
                stack.append(self.keyed(_call, function, arguments))
            case "BUILD":
                self.build()
            case _:
                raise _Odd(f"the operation {operation}")

    def run(self, pickled: bytes) -> Any:
        operations = _operations(pickled)
        if next(operations) != ("PROTO", 2):
            raise _Odd("a pickle of a protocol other than 2")
        for operation, argument in operations:
            if operation != "STOP":
                self.step(operation, argument)
        if len(self.stack) != 1:
            raise _Odd(f"{len(self.stack)} things instead of one")
        return self.stack[0]


def _refuse_value(name: str, key: str, value: Any) -> NoReturn:
    what = "a mapping" if isinstance(value, dict) else type(value).__name__
    raise FileError(
        name, f"holds {what}, expected a tensor", field=key, remedy="save model.state_dict() alone"
    )


def parse_state_dict(name: str, pickled: bytes) -> dict[str, StoredTensor]:
    """The tensors that the pickle of file ``name`` describes, by key; none is read yet.

    Raises `FileError`: naming the global, for one that plain tensors do not need ("holds code
    (os.system)"); naming the key, for a value that is not a tensor; otherwise for whatever
    torch.save would not have written.
    """
    try:
        found = _Machine(name).run(pickled)
    except _Odd as error:
        raise FileError(
            name, f"not a plain state dict: {error}", field="data.pkl", remedy=SAVE_AGAIN
        ) from error
    except (EOFError, ValueError, LookupError) as error:  # cut, not text, or not in the memo
        raise damaged(name, f"damaged: {error}", "data.pkl") from error
    if not isinstance(found, dict) or not found:
        raise FileError(name, "holds no state dict", remedy="save model.state_dict()")
    for key, value in found.items():
        if not check_key(key):
            raise FileError(name, f"{key!r} is not the name of a tensor", remedy=SAVE_AGAIN)
        if not isinstance(value, StoredTensor):
            _refuse_value(name, key, value)
    return found
