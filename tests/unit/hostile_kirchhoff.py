"""Hostile checkpoints, YAML files and configurations, in the style of ``hostile.py``.

The pickles are assembled opcode by opcode: torch.save would not write most of them.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tests.unit import hostile
from tests.unit.hostile import Kind, Member, canary, noise, not_files, pack, pickled

# ------------------------------------------------------------------------------------------------
# Pickles, opcode by opcode

DICT = b"ccollections\nOrderedDict\n)R"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def integers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


@dataclass(frozen=True)
class Tensor:
    """A pickle's description of one tensor, true or false."""

    key: str = "0"
    storage: bytes = b"ctorch\nFloatStorage\n"
    numel: int = 6
    offset: int = 0
    size: tuple[int, ...] = (2, 3)
    stride: tuple[int, ...] = (3, 1)
    kind: str = "storage"
    rebuild: bytes = REBUILD
    tail: bytes = b"\x89" + DICT
    sizes: bytes | None = None

    def pickled(self) -> bytes:
        storage = b"(" + text(self.kind) + self.storage + text(self.key) + text("cpu")
        storage += integer(self.numel) + b"tQ"
        sizes = integers(self.size) if self.sizes is None else self.sizes
        rest = integer(self.offset) + sizes + integers(self.stride) + self.tail
        return self.rebuild + b"(" + storage + rest + b"tR"


def state(
    items: bytes, *, head: bytes = b"\x80\2", start: bytes = DICT, end: bytes = b"."
) -> bytes:
    """A pickled mapping with ``items``, keys and values alternating."""
    return head + start + b"(" + items + b"u" + end


GOOD = state(text("p") + Tensor().pickled() + text("q") + Tensor("1").pickled())
FLOATS = struct.pack("<6f", *(0.5 * i - 1 for i in range(6)))


def one(**changes: Any) -> bytes:
    """The good state dict with its second tensor changed."""
    return state(text("p") + Tensor().pickled() + text("q") + Tensor("1", **changes).pickled())


def behind(value: bytes) -> bytes:
    """The good state dict with another value under its second key."""
    return state(text("p") + Tensor().pickled() + text("q") + value)


# ------------------------------------------------------------------------------------------------
# Archives


def parts(pickled: bytes = GOOD, **changes: Member | bytes | None) -> list[Member]:
    """The members torch.save writes; ``_0`` and ``_1`` are the storages, None removes a member."""
    found: dict[str, Member] = {
        "pkl": Member(b"archive/data.pkl", pickled),
        "byteorder": Member(b"archive/byteorder", b"little"),
        "_0": Member(b"archive/data/0", FLOATS),
        "_1": Member(b"archive/data/1", FLOATS),
        "version": Member(b"archive/version", b"3\n"),
    }
    for name, change in changes.items():
        if change is None:
            found.pop(name)
        elif isinstance(change, Member):
            found[name] = change
        else:
            found[name] = replace(found[name], data=change)
    return list(found.values())


def checkpoint(members: Sequence[Member] | None = None, **changes: Any) -> bytes:
    """An archive with the zip64 records that torch writes; ``changes`` replace their fields."""
    members = parts() if members is None else members
    pack_changes = {k: changes.pop(k) for k in list(changes) if k in _PACK}
    plain = pack(members, **pack_changes)
    here, count, length, offset = struct.unpack("<2H2L", plain[-14:-2])
    fields = {
        "magic": b"PK\6\6",
        "size": 44,
        "here": here,
        "count": count,
        "length": length,
        "offset": offset,
        "where": len(plain) - 22,
        "disks": 1,
    } | changes
    record = struct.pack(
        "<4sQ2H2L4Q",
        fields["magic"],
        fields["size"],
        0x031E,
        45,
        0,
        0,
        fields["here"],
        fields["count"],
        fields["length"],
        fields["offset"],
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, fields["where"], fields["disks"])
    return pack(members, before_end=record + locator, **pack_changes)


_PACK = (
    "prefix",
    "suffix",
    "comment",
    "disk",
    "directory_offset",
    "directory_length",
    "entry_magic",
)


def saved(value: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


# ------------------------------------------------------------------------------------------------
# Checkpoints


def _archive_kinds() -> dict[str, bytes]:
    whole = checkpoint()
    plain = pack(parts())
    return {
        "text": b"weights\n" * 30,
        "npz": pack(hostile.members()),
        "legacy": saved({"p": torch.ones(2)}, _use_new_zipfile_serialization=False),
        "legacy-head-only": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        "cut-by-1": whole[:-1],
        "cut-by-22": whole[:-22],
        "cut-by-98": whole[:-98],
        "cut-in-half": whole[: len(whole) // 2],
        "local-header-only": whole[:30],
        "four-bytes": whole[:4],
        "head-missing": whole[100:],
        "appended-byte": whole + b"\n",
        "appended-megabyte": whole + bytes(1 << 20),
        "two-archives": whole + whole,
        "script-before": b"#!/bin/sh\n" + whole,
        "script-before-offsets-kept": checkpoint(prefix=b"#!/bin/sh\n"),
        "archive-before": plain + whole,
        "comment": pack(parts(), comment=b"hello"),
        "several-disks": checkpoint(disk=1),
        "count-too-high": pack(parts(), count=9),
        "count-too-low": pack(parts(), count=2, here=2),
        "count-65535": pack(parts(), count=0xFFFF),
        "no-members": b"PK\3\4" + pack([]),
        "2000-members": pack(
            [*parts(), *(Member(b"archive/data/%d" % i, b"") for i in range(2000))]
        ),
        "directory-offset": pack(parts(), directory_offset=-10),
        "directory-length": pack(parts(), directory_length=7),
        "directory-magic": checkpoint(entry_magic=b"PK\1\0"),
        "zip64-magic": checkpoint(magic=b"PK\6\5"),
        "zip64-size": checkpoint(size=45),
        "zip64-count": checkpoint(count=3),
        "zip64-here": checkpoint(here=3),
        "zip64-length": checkpoint(length=1),
        "zip64-offset": checkpoint(offset=1 << 40),
        "zip64-where": checkpoint(where=3),
        "zip64-disks": checkpoint(disks=2),
    }


def _member_kinds() -> dict[str, tuple[list[Member], str | None]]:
    storage = Member(b"archive/data/1", FLOATS)
    pkl = Member(b"archive/data.pkl", GOOD)
    wrong = "archive/data/1"
    extra = Member(b"archive/extra", b"x")

    def other(name: bytes) -> list[Member]:
        return [*parts(), replace(extra, name=name)]

    return {
        "pickle-missing": (parts(pkl=None), "data.pkl"),
        "pickle-empty": (parts(b""), "data.pkl"),
        "pickle-deflated": (parts(pkl=replace(pkl, method=8)), "archive/data.pkl"),
        "pickle-twice": ([*parts(), pkl], "archive/data.pkl"),
        "pickle-crc": (parts(pkl=replace(pkl, crc=1)), "data.pkl"),
        "pickle-2-MiB": (parts(GOOD[:-1] + text(bytes(2 << 20)) + b"."), "data.pkl"),
        "storage-missing": (parts(_1=None), "q"),
        "storage-short": (parts(_1=FLOATS[:-1]), "q"),
        "storage-long": (parts(_1=FLOATS + b"\0"), "q"),
        "storage-empty": (parts(_1=b""), "q"),
        "storage-deflated": (parts(_1=replace(storage, method=8)), wrong),
        "storage-lzma": (parts(_1=replace(storage, method=14)), wrong),
        "storage-crc": (parts(_1=replace(storage, crc=1)), "data/1"),
        "storage-encrypted": (parts(_1=replace(storage, flags=1)), wrong),
        "storage-sizes-differ": (parts(_1=replace(storage, size=48)), wrong),
        "storage-unused": ([*parts(), replace(storage, name=b"archive/data/2")], "data/2"),
        "storage-twice": ([*parts(), storage], wrong),
        "storages-overlap": (parts(_1=replace(storage, body=False, offset=0)), None),
        "local-magic": (parts(_1=replace(storage, local_magic=b"PK\3\5")), "data/1"),
        "local-method": (parts(_1=replace(storage, local_method=8)), "data/1"),
        "offset-behind-end": (parts(_1=replace(storage, body=False, offset=1 << 30)), "data/1"),
        "byteorder-odd": (parts(byteorder=b"middle"), "byteorder"),
        "byteorder-empty": (parts(byteorder=b""), "byteorder"),
        "folder-other": (other(b"other/version"), "other/version"),
        "folder-none": (other(b"data.pkl"), "data.pkl"),
        "folder-up": (other(b"archive/../../data/0"), "archive/../../data/0"),
        "torchscript": (other(b"archive/code/__torch__.py"), "archive/code/__torch__.py"),
        "torchscript-constants": (other(b"archive/constants.pkl"), "archive/constants.pkl"),
        "member-unknown": (other(b"archive/extra"), "archive/extra"),
        "member-key-negative": (other(b"archive/data/-1"), "archive/data/-1"),
        "member-key-path": (other(b"archive/data/0/1"), "archive/data/0/1"),
    }


def _pickle_kinds() -> dict[str, tuple[bytes, str | None]]:
    pair = b"(" + b"cos\nmkdir\n"
    big = 1 << 45
    return {
        "cut": (GOOD[:-30], "data.pkl"),
        "no-stop": (GOOD[:-1], "data.pkl"),
        "after-stop": (GOOD + b".", "data.pkl"),
        "noise": (noise(3, 400), "data.pkl"),
        "protocol-0": (pickle.dumps({"p": 1}, protocol=0), "data.pkl"),
        "protocol-4": (pickle.dumps({"p": 1}, protocol=4), "data.pkl"),
        "protocol-twice": (b"\x80\2" + GOOD, "data.pkl"),
        "os-system": (behind(b"cos\nsystem\n" + text("true") + b"\x85R"), "data.pkl"),
        "os-system-unused": (behind(b"cos\nsystem\n0" + Tensor("1").pickled()), "data.pkl"),
        "builtins-eval": (behind(b"c__builtin__\neval\n" + text("1") + b"\x85R"), "data.pkl"),
        "getattr": (behind(b"c__builtin__\ngetattr\n"), "data.pkl"),
        "torch-load": (behind(b"ctorch.serialization\nload\n"), "data.pkl"),
        "torch-module": (behind(b"ctorch.nn.modules.linear\nLinear\n"), "data.pkl"),
        "name-dotted": (behind(b"ctorch\n_utils._rebuild_tensor_v2\n)R"), None),
        "name-escape": (behind(b"c\x1b[2J\nos\n"), "data.pkl"),
        "inst": (behind(pair[:1] + text("x") + b"ios\nmkdir\n"), "data.pkl"),
        "obj": (behind(pair + text("x") + b"o"), "data.pkl"),
        "newobj": (behind(DICT[:-2] + b")\x81"), "data.pkl"),
        "stack-global": (behind(text("os") + text("mkdir") + b"\x93"), "data.pkl"),
        "extension": (behind(b"\x82\1"), "data.pkl"),
        "build-of-tensor": (one()[:-2] + Tensor().pickled() + b"}bu.", "data.pkl"),
        "build-attributes": (state(GOOD[2:-1] + b"}" + text("a") + text("b") + b"sb"), "data.pkl"),
        "build-nothing": (b"\x80\2b.", "data.pkl"),
        "reduce-nothing": (b"\x80\2R.", "data.pkl"),
        "reduce-text": (behind(text("x") + b")R"), "q"),
        "reduce-dict-with-items": (behind(DICT[:-2] + text("x") + b"\x85R"), "q"),
        "pop": (behind(Tensor("1").pickled() + b"20"), "data.pkl"),
        "list": (behind(b"]"), "data.pkl"),
        "marks-50000": (b"\x80\2" + b"(" * 50_000 + b".", "data.pkl"),
        "operations-million": (b"\x80\2" + b")" * 1_000_000 + b".", "data.pkl"),
        "tuples-deep": (b"\x80\2)" + b"\x85" * 50_000 + b".", None),
        "tuples-doubling": (b"\x80\2)q\0" + b"h\0h\0\x86q\0" * 64 + b".", None),
        "memo-missing": (behind(b"h\x99"), "data.pkl"),
        "memo-of-nothing": (b"\x80\2q\0.", "data.pkl"),
        "tuple-from-nothing": (b"\x80\2t.", "data.pkl"),
        "mapping-in-itself": (state(text("p") + b"h\0", start=DICT + b"q\0"), "p"),
        "items-odd": (b"\x80\2}(" + text("p") + b"u.", "data.pkl"),
        "items-for-text": (b"\x80\2" + text("p") + b"(" + text("p") + b"u.", "data.pkl"),
        "key-number": (state(integer(3) + Tensor().pickled()), "data.pkl"),
        "key-tensor": (state(Tensor().pickled() + Tensor("1").pickled()), "data.pkl"),
        "key-twice": (state((text("p") + Tensor().pickled()) * 2), "p"),
        "key-spaces": (state(text("a b") + Tensor().pickled()), None),
        "key-escape": (state(text("\x1b[2J") + Tensor().pickled()), None),
        "key-surrogate": (state(text(b"\xed\xa0\x80") + Tensor().pickled()), None),
        "key-utf8": (state(text(b"\xff\xfe") + Tensor().pickled()), None),
        "key-1000": (state(text("k" * 1000) + Tensor().pickled()), None),
        "text-4GB": (b"\x80\2X\xff\xff\xff\xff.", "data.pkl"),
        "value-text": (behind(text("x")), "q"),
        "value-number": (behind(integer(5)), "q"),
        "value-nested": (behind(GOOD[2:-1]), "q"),
        "value-storage": (
            behind(b"(" + text("storage") + Tensor.storage + text("1") + text("cpu") + b"K\6tQ"),
            "q",
        ),
        "nothing": (b"\x80\2N.", "data.pkl"),
        "tensor-alone": (b"\x80\2" + Tensor().pickled() + b".", None),
        "empty": (b"\x80\2}.", None),
        "reference-odd": (one(kind="module"), "q"),
        "reference-text": (behind(text("data/0") + b"Q"), "q"),
        "storage-half": (one(storage=b"ctorch\nHalfStorage\n"), "q"),
        "storage-bool": (one(storage=b"ctorch\nBoolStorage\n"), "q"),
        "storage-type-odd": (one(storage=DICT[:-2]), "q"),
        "storage-double": (one(storage=b"ctorch\nDoubleStorage\n"), "q"),
        "storage-key-path": (_keyed("../0"), "q"),
        "storage-key-empty": (_keyed(""), "q"),
        "storage-key-unicode": (_keyed("\u0661"), "q"),
        "numel-lies": (one(numel=7), "q"),
        "numel-negative": (one(numel=-6), "q"),
        "numel-2^60": (one(numel=1 << 60), "q"),
        "offset-behind": (one(offset=1), "q"),
        "offset-negative": (one(offset=-1), "q"),
        "offset-2^62": (one(offset=1 << 62), "q"),
        "size-larger": (one(size=(3, 3)), "q"),
        "size-negative": (one(size=(-2, -3)), "q"),
        "size-zero": (one(size=(0, 3)), "q"),
        "size-terabytes-stride-0": (one(size=(1 << 20, 1 << 20), stride=(0, 0)), "q"),
        "size-terabytes": (one(size=(1 << 20, 1 << 20), stride=(1 << 20, 1)), "q"),
        "size-wraps": (one(size=(big, big), stride=(big, 1)), "q"),
        "size-booleans": (one(sizes=b"(\x88\x88t", stride=(1, 1)), "q"),
        "size-text": (one(sizes=b"(" + text("2") + text("3") + b"t"), "q"),
        "size-number": (one(sizes=integer(6)), "q"),
        "dimensions-64": (one(size=(1,) * 64, stride=(1,) * 64), "q"),
        "stride-behind": (one(stride=(4, 1)), "q"),
        "stride-behind-by-offset": (one(offset=1, stride=(1, 2)), "q"),
        "stride-2^40": (one(stride=(1 << 40, 1)), "q"),
        "stride-2^62": (one(stride=(1 << 62, 1)), "q"),
        "stride-0-of-64MiB": (one(size=(1 << 24,), stride=(0,)), "q"),
        "stride-short": (one(stride=(1,)), "q"),
        "stride-negative": (one(stride=(-3, -1)), "q"),
        "hooks-some": (one(tail=b"\x89}" + text("a") + text("b") + b"s"), "q"),
        "hooks": (one(tail=b"\x89" + text("hook")), "q"),
        "too-few-arguments": (one(tail=b""), "q"),
        "parameter-of-text": (
            behind(b"ctorch._utils\n_rebuild_parameter\n" + text("x") + b"\x88" + DICT + b"\x87R"),
            None,
        ),
    }


def _keyed(key: str) -> bytes:
    return state(text("p") + Tensor().pickled() + text("q") + Tensor(key).pickled())


def _aliases() -> bytes:
    """2000 tensors that all share one storage of 40 MB: 80 GB of arrays in a file of 40 MB."""
    tensor = Tensor(numel=10_000_000, size=(10_000_000,), stride=(1,)).pickled()
    items = b"".join(text(f"k{i}") + b"h\0" for i in range(2000))
    pickled = state(text("p") + tensor + b"q\0" + items)
    return checkpoint(parts(pickled, _0=bytes(40_000_000), _1=None))


def _bomb() -> bytes:
    packed, crc = hostile.zeros_deflated(b"")
    size = hostile.BOMB_BYTES
    bomb = Member(b"archive/data/1", b"", method=8, packed=packed, crc=crc, size=size)
    return checkpoint(parts(one(numel=size // 4, size=(size // 4,), stride=(1,)), _1=bomb))


def _lying_bomb() -> bytes:
    packed, crc = hostile.zeros_deflated(b"")
    bomb = Member(b"archive/data/1", b"", method=8, packed=packed, crc=crc, size=len(packed))
    return checkpoint(parts(one(), _1=bomb))


def _call(path: Path) -> bytes:
    return b"cos\nmkdir\n" + text(str(canary(path))) + b"\x85R"


def _payload_kinds() -> dict[str, Callable[[Path], bytes]]:
    """Each would create the canary folder if pickle unpickled it."""

    def inst(path: Path) -> bytes:
        return b"(" + text(str(canary(path))) + b"ios\nmkdir\n"

    return {
        "payload-only": lambda path: checkpoint(parts(pickled(path))),
        "payload-value": lambda path: checkpoint(parts(behind(_call(path)))),
        "payload-key": lambda path: checkpoint(parts(state(_call(path) + Tensor().pickled()))),
        "payload-discarded": lambda path: checkpoint(
            parts(behind(_call(path) + b"0" + Tensor("1").pickled()))
        ),
        "payload-hooks": lambda path: checkpoint(parts(one(tail=b"\x89" + _call(path)))),
        "payload-inst": lambda path: checkpoint(parts(behind(inst(path)))),
        "payload-storage": lambda path: checkpoint(parts(GOOD, _1=pickled(path))),
        "payload-legacy": lambda path: saved(
            {"p": hostile.Payload(path)}, _use_new_zipfile_serialization=False
        ),
        "payload-saved": lambda path: saved({"p": hostile.Payload(path)}),
        "payload-protocol-4": lambda path: saved({"p": hostile.Payload(path)}, pickle_protocol=4),
    }


def _value_kinds() -> dict[str, bytes]:
    def floats(*values: float) -> bytes:
        return struct.pack("<6f", *values)

    return {
        "nan": floats(0, 0, 0, 0, math.nan, 0),
        "inf": floats(0, 0, 0, 0, 0, math.inf),
        "minus-inf": floats(-math.inf, 0, 0, 0, 0, 0),
        "nan-signalling": bytes(20) + b"\1\0\x80\x7f",
    }


def _write(make: Callable[[Path], bytes]) -> Callable[[Path], None]:
    def build(path: Path) -> None:
        path.write_bytes(make(path))

    return build


def _fixed(data: bytes) -> Callable[[Path], None]:
    return _write(lambda path: data)


def pth_kinds() -> list[Kind]:
    kinds = not_files("pth")
    kinds += [Kind(f"pth-{name}", _fixed(data)) for name, data in _archive_kinds().items()]
    kinds += [
        Kind(f"pth-{name}", _fixed(checkpoint(members)), field)
        for name, (members, field) in _member_kinds().items()
    ]
    kinds += [
        Kind(f"pth-pkl-{name}", _fixed(checkpoint(parts(data))), field)
        for name, (data, field) in _pickle_kinds().items()
    ]
    kinds += [
        Kind(f"pth-{name}", _fixed(checkpoint(parts(_1=data))), "q")
        for name, data in _value_kinds().items()
    ]
    kinds += [Kind(f"pth-{name}", _write(make)) for name, make in _payload_kinds().items()]
    kinds.append(Kind("pth-bomb", _write(lambda path: _bomb()), "archive/data/1"))
    kinds.append(Kind("pth-bomb-lying", _write(lambda path: _lying_bomb()), "archive/data/1"))
    kinds.append(Kind("pth-aliases", _write(lambda path: _aliases())))
    return kinds


# ------------------------------------------------------------------------------------------------
# YAML


def _laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(lines)


def yaml_texts() -> dict[str, str | bytes]:
    return {
        "blank": "  \n",
        "comment-only": "# nothing\n",
        "cut": "a: [1, 2",
        "quote-open": 'a: "b',
        "key-twice": "a: 1\nb: 2\na: 3\n",
        "key-twice-inside": "a: {b: {c: 1, c: 1}}",
        "key-twice-quoted": 'a: 1\n"a": 2\n',
        "key-number": "1: 2\n",
        "key-null": "null: 2\n",
        "key-list": "? [a, b]\n: 1\n",
        "key-mapping": "{{a: 1}: 2}",
        "key-missing": ": 1\n",
        "anchor": "a: &x 1\n",
        "alias": "a: &x 1\nb: *x\n",
        "alias-unknown": "a: *x\n",
        "alias-of-itself": "a: &x [*x]\n",
        "billion-laughs": _laughs(),
        "merge-key": "a: &x {b: 1}\nc:\n  <<: *x\n",
        "tag-python": "a: !!python/object/apply:os.system [true]\n",
        "tag-python-name": "!!python/name:os.system\n",
        "tag-python-module": "a: !!python/module:this ''\n",
        "tag-own": "a: !thing 1\n",
        "tag-plain": "a: ! 1\n",
        "tag-standard": "a: !!str 1\n",
        "tag-binary": "a: !!binary aGk=\n",
        "tag-set": "a: !!set {b, c}\n",
        "tag-verbatim": "a: !<tag:yaml.org,2002:int> 1\n",
        "tag-declared": "%TAG ! tag:x,2000:\n---\na: 1\n",
        "version-1.1": "%YAML 1.1\n---\na: yes\n",
        "directive-unknown": "%FOO bar\n---\na: &x 1\n",
        "two-documents": "a: 1\n---\nb: 2\n",
        "document-then-text": "--- a\n...\nb\n",
        "33-deep": "[" * 33 + "]" * 33,
        "lists-20000-open": "[" * 20_000,
        "mappings-20000-open": "{" * 20_000,
        "dashes-20000": "- " * 20_000,
        "questions-20000": "? " * 20_000,
        "blocks-40-deep": "\n".join(" " * i + f"k{i}:" for i in range(40)),
        "values-25000": "[" + "1," * 25_000 + "]",
        "mapping-25000": "\n".join(f"k{i}: {i}" for i in range(25_000)),
        "exclamations": "!" * 200_000,
        "ampersands": "&" * 200_000,
        "colons": ": " * 20_000,
        "brackets-mixed": "[{" * 10_000,
        "keys-long": "a " * 100_000 + ": 1",
        "text-then-cut": "a: '" + "x " * 100_000,
        "digits-100000": "a: " + "7" * 100_000,
        "fraction-100000": "a: 0." + "7" * 100_000,
        "float-overflow": "a: 1e999\n",
        "tab": "a:\n\tb: 1\n",
        "indent": "a: 1\n  b: 2\n",
        "list-then-mapping": "- a\nb: 1\n",
        "colon-twice": "a: b: c\n",
        "reserved": "a: @b\n",
        "percent": "a: 1\n%b\n",
        "control": b"a: \x01\n",
        "escape": b"a: \x1b[2J\n",
        "nul": b"a: 1\0\n",
        "utf16": "a: 1".encode("utf-16"),
        "latin1": "a: \xe9".encode("latin-1"),
        "overlong-utf8": b"a: \xc0\xaf\n",
        "half-character": 'a: "\\ud800"\n',
        "half-character-key": '"\\udfff": 1\n',
        "bad-escape": 'a: "\\q"\n',
        "line-separators": "\u2028" * 80_000,
        "300-KiB": "a: " + "x" * (300 << 10),
    }


def _yaml_payload(path: Path) -> bytes:
    return f"a: !!python/object/apply:os.mkdir [{json.dumps(str(canary(path)))}]\n".encode()


def yaml_kinds() -> list[Kind]:
    # The last of them are text or noise to a YAML reader, and add no further kinds.
    kinds = not_files("yaml")[:-4]
    kinds += [
        Kind(f"yaml-{name}", _fixed(text.encode() if isinstance(text, str) else text))
        for name, text in yaml_texts().items()
    ]
    return [*kinds, Kind("yaml-payload", _write(_yaml_payload))]


# ------------------------------------------------------------------------------------------------
# Configurations


def config() -> dict[str, Any]:
    """A flow in two dimensions, two slices, with every key."""
    part = {"name": "_fully_connect", "args": {"num_node": 3, "repeat": [2, 1]}}
    return {
        "test_bench": "twomoon",
        "batch_size": 64,
        "num_worker": 0,
        "network": {
            "model": {"name": "ShiftTanh2", "args": {}},
            "net_struct": [part, json.loads(json.dumps(part))],
            "initialization": "kaiming",
            "adjoint": True,
            "projector": None,
            "encoder": None,
            "fill": "zeros",
            "residual": None,
        },
        "simulation": {
            "method": "dopri5",
            "t_end": [0.0, 0.5, 1.0],
            "tol": 1e-4,
            "first_step": 1e-3,
            "min_step": 1e-6,
            "step_size": 1e-2,
        },
        "train": {"lr": 1e-3, "num_epoch": 10, "save_epoch": 1, "scheduler": "steplr_5_0.5"},
        "test": {"metric": []},
        "visualization": {"num_sample": 100},
    }


IMAGE = {"num_channel": 1, "width": 28, "height": 28, "neighbor_size": 3}


def classifier() -> dict[str, Any]:
    """An image classifier with one slice."""
    made = config()
    made["test_bench"] = "mnist"
    part = {**IMAGE, "fully_connect_node": 10, "repeat": [1, 1], "kernel_repeat": 1}
    made["network"]["net_struct"] = [{"name": "_mix_connect", "args": part}]
    made["network"]["projector"] = "last10"
    made["simulation"]["t_end"] = [0.0, 1.0]
    made["test"]["metric"] = ["top1", "top5"]
    return made


REMOVED = object()


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values at dotted paths (``network.net_struct[0].name``) replaced."""
    for path, value in changes.items():
        steps = re.findall(r"[^].[]+", path)
        *way, last = [int(step) if step.isdecimal() else step for step in steps]
        place: Any = base
        for step in way:
            place = place[step]
        if value is REMOVED:
            del place[last]
        else:
            place[last] = value
    return base


def yaml_of(value: Any) -> str:
    """JSON, which is valid YAML, with `raw` values unquoted."""
    return re.sub(r'"@raw@([^"]*)"', r"\1", json.dumps(value, indent=1))


def raw(text: str) -> str:
    return f"@raw@{text}"


STRUCT = "network.net_struct[0]"
ARGS = f"{STRUCT}.args"


def _flow_faults() -> dict[str, tuple[str, Any, str]]:
    """Kind -> the key at fault, its new value, a word of the complaint."""
    nan, inf = raw(".nan"), raw(".inf")
    many = [{"name": "_fully_connect", "args": {"num_node": 3}}] * 1001
    return {
        "bench-unknown": ("test_bench", "moon", "expected one of twomoon"),
        "bench-number": ("test_bench", 8, "expected a text"),
        "bench-missing": ("test_bench", REMOVED, "missing"),
        "batch-zero": ("batch_size", 0, "at least 1"),
        "batch-negative": ("batch_size", -5, "at least 1"),
        "batch-float": ("batch_size", 64.0, "whole number"),
        "batch-text": ("batch_size", "64", "whole number"),
        "batch-bool": ("batch_size", True, "found true"),
        "batch-null": ("batch_size", None, "found null"),
        "batch-huge": ("batch_size", 10**9, "at most"),
        "batch-300-digits": ("batch_size", 10**300, "found"),
        "worker-negative": ("num_worker", -1, "at least 0"),
        "worker-many": ("num_worker", 10**6, "at most"),
        "surprise": ("surprise", 1, "unknown key"),
        "surprise-network": ("network.surprise", 1, "unknown key"),
        "surprise-simulation": ("simulation.t_stop", 1, "unknown key"),
        "surprise-train": ("train.epochs", 1, "unknown key, known here: lr"),
        "surprise-test": ("test.metrics", [], "unknown key"),
        "surprise-visualization": ("visualization.samples", 1, "unknown key"),
        "surprise-slice": (f"{STRUCT}.kind", 1, "unknown key"),
        "surprise-argument": (f"{ARGS}.nodes", 3, "unknown key"),
        "surprise-device": ("network.model.args.gain", 3, "unknown key"),
        "surprise-escape": ("train.\x1b", 1, "unknown key"),
        "network-missing": ("network", REMOVED, "missing"),
        "network-null": ("network", None, "a mapping"),
        "network-list": ("network", [], "a mapping"),
        "network-text": ("network", "ShiftTanh2", "a mapping"),
        "model-missing": ("network.model", REMOVED, "missing"),
        "model-text": ("network.model", "ShiftTanh2", "a mapping"),
        "device-unknown": ("network.model.name", "ShiftGelu1", "ShiftTanh2"),
        "device-missing": ("network.model.name", REMOVED, "missing"),
        "device-list": ("network.model.name", ["ShiftTanh2"], "expected"),
        "device-null": ("network.model.name", None, "expected"),
        "device-args-null": ("network.model.args", None, "a mapping"),
        "slices-missing": ("network.net_struct", REMOVED, "at least 1"),
        "slices-none": ("network.net_struct", [], "at least 1"),
        "slices-mapping": ("network.net_struct", {}, "a list"),
        "slices-1001": ("network.net_struct", many, "at most 1000"),
        "slice-text": (STRUCT, "_fully_connect", "a mapping"),
        "topology-unknown": (f"{STRUCT}.name", "_ring", "_fully_connect"),
        "topology-missing": (f"{STRUCT}.name", REMOVED, "missing"),
        "topology-args-missing": (ARGS, REMOVED, "missing"),
        "nodes-missing": (f"{ARGS}.num_node", REMOVED, "missing"),
        "nodes-one": (f"{ARGS}.num_node", 1, "at least 2"),
        "nodes-float": (f"{ARGS}.num_node", 3.0, "whole number"),
        "nodes-huge": (f"{ARGS}.num_node", 10**12, "at most 100000"),
        "gnd-number": (f"{ARGS}.include_gnd", 1, "true or false"),
        "gnd-yes": (f"{ARGS}.include_gnd", raw("yes"), "true or false"),
        "repeat-number": (f"{ARGS}.repeat", 2, "a list"),
        "repeat-one": (f"{ARGS}.repeat", [2], "missing"),
        "repeat-three": (f"{ARGS}.repeat", [2, 2, 2], "at most 2"),
        "repeat-zeros": (f"{ARGS}.repeat", [0, 0], "both counts are 0"),
        "repeat-negative": (f"{ARGS}.repeat[1]", -1, "at least 0"),
        "repeat-text": (f"{ARGS}.repeat[0]", "2", "whole number"),
        "repeat-huge": (f"{ARGS}.repeat[0]", 10**9, "at most"),
        "initialization-unknown": ("network.initialization", "normal", "'kaiming'"),
        "initialization-missing": ("network.initialization", REMOVED, "missing"),
        "adjoint-text": ("network.adjoint", "true", "true or false"),
        "projector-number": ("network.projector", 10, "lastN"),
        "projector-unknown": ("network.projector", "middle10", "lastN"),
        "projector-last0": ("network.projector", "last0", "lastN"),
        "projector-last": ("network.projector", "last", "lastN"),
        "projector-last-huge": ("network.projector", "last" + "9" * 50, "lastN"),
        "projector-newline": ("network.projector", "last10\n", "lastN"),
        "projector-mlp-one": ("network.projector", "mlp_10", "lastN"),
        "encoder-unknown": ("network.encoder", "conv_3", "mlp_A_B"),
        "encoder-of-flow": ("network.encoder", "mlp_2_2", "no density"),
        "fill-unknown": ("network.fill", "noise", "'zeros'"),
        "fill-null": ("network.fill", None, "'zeros'"),
        "residual-number": ("network.residual", 1, "true or false"),
        "residual-of-flow": ("network.residual", True, "no inverse"),
        "method-unknown": ("simulation.method", "rk45", "dopri5"),
        "method-multistep": ("simulation.method", "explicit_adams", "dopri5"),
        "method-null": ("simulation.method", None, "a text"),
        "simulation-missing": ("simulation", REMOVED, "missing"),
        "t_end-missing": ("simulation.t_end", REMOVED, "missing"),
        "t_end-number": ("simulation.t_end", 1.0, "a list"),
        "t_end-short": ("simulation.t_end", [0.0, 1.0], "expected 3 for 2 slices"),
        "t_end-long": ("simulation.t_end", [0.0, 1.0, 2.0, 3.0], "expected 3 for 2 slices"),
        "t_end-empty": ("simulation.t_end", [], "at least 2"),
        "t_end-start": ("simulation.t_end[0]", 0.1, "expected 0.0"),
        "t_end-negative": ("simulation.t_end[0]", -1.0, "at least 0"),
        "t_end-equal": ("simulation.t_end[2]", 0.5, "increasing"),
        "t_end-falls": ("simulation.t_end[2]", 0.25, "increasing"),
        "t_end-nan": ("simulation.t_end[1]", nan, "finite"),
        "t_end-inf": ("simulation.t_end[2]", inf, "finite"),
        "t_end-huge": ("simulation.t_end[2]", 1e5, "at most 10000"),
        "t_end-text": ("simulation.t_end[2]", "1.0", "a number"),
        "t_end-bool": ("simulation.t_end[2]", True, "a number"),
        "tol-zero": ("simulation.tol", 0, "more than 0"),
        "tol-negative": ("simulation.tol", -1e-3, "more than 0"),
        "tol-nan": ("simulation.tol", nan, "finite"),
        "tol-large": ("simulation.tol", 2, "at most 1"),
        "tol-text": ("simulation.tol", "1e-3", "a number"),
        "tol-missing": ("simulation.tol", REMOVED, "missing"),
        "first_step-zero": ("simulation.first_step", 0.0, "at least 1e-12"),
        "first_step-inf": ("simulation.first_step", inf, "finite"),
        "min_step-zero": ("simulation.min_step", 0.0, "at least 1e-12"),
        "min_step-above": ("simulation.min_step", 1e-2, "at most first_step"),
        "step_size-negative": ("simulation.step_size", -1, "at least 1e-12"),
        "step_size-subnormal": ("simulation.step_size", 1e-320, "at least 1e-12"),
        "step_size-list": ("simulation.step_size", [1], "a number"),
        "lr-zero": ("train.lr", 0, "more than 0"),
        "lr-nan": ("train.lr", nan, "finite"),
        "lr-bool": ("train.lr", True, "a number"),
        "lr-text": ("train.lr", "1e-3", "a number"),
        "lr-300-digits": ("train.lr", 10**300, "at most"),
        "lr-missing": ("train.lr", REMOVED, "missing"),
        "epochs-zero": ("train.num_epoch", 0, "at least 1"),
        "epochs-float": ("train.num_epoch", 1e3, "whole number"),
        "epochs-huge": ("train.num_epoch", 10**12, "at most"),
        "save-zero": ("train.save_epoch", 0, "at least 1"),
        "scheduler-unknown": ("train.scheduler", "explr_5", "steplr_K_G"),
        "scheduler-zero": ("train.scheduler", "steplr_0_0.5", "steplr_K_G"),
        "scheduler-grows": ("train.scheduler", "steplr_5_1.5", "at most 1"),
        "scheduler-nan": ("train.scheduler", "cosinelr_5_nan", "steplr_K_G"),
        "scheduler-long": ("train.scheduler", "cosinelr_5_" + "1" * 5000, "steplr_K_G"),
        "scheduler-overflow": ("train.scheduler", "cosinelr_5_1e999", "steplr_K_G"),
        "resample-number": ("train.resample", 1, "true or false"),
        "train-missing": ("train", REMOVED, "missing"),
        "metric-text": ("test.metric", "top1", "a list"),
        "metric-unknown": ("test.metric", ["f1"], "top<k>"),
        "metric-number": ("test.metric", [1], "a text"),
        "test-null": ("test", None, "a mapping"),
        "samples-zero": ("visualization.num_sample", 0, "at least 1"),
        "samples-huge": ("visualization.num_sample", 10**15, "at most"),
        "samples-missing": ("visualization.num_sample", REMOVED, "missing"),
    }


def _other_faults() -> dict[str, tuple[dict[str, Any], dict[str, Any], str, str]]:
    """Kind -> base, changes, the field that the error must name, a word of the complaint."""
    window = {**IMAGE, "padding": False, "repeat": 1, "sharing": False, "parallel": 1}
    block = {"name": "_neighbor_index", "args": window}
    plane = {f"network.net_struct[{i}].args.num_node": 4 for i in range(2)}
    hidden = {"name": "FeedForward", "args": {"hidden": [8]}}
    flow = {"name": "HyperNetwork", "args": {"hidden": 8, "width": 4}}
    given = {"name": "_pregiven", "args": {"edges": [[1, 2]]}}
    general = {"name": "Device", "args": {"activation": "tanh"}}
    alone = {"network.net_struct": [], "simulation.t_end": [0.0, 1.0]}

    def args(**changes: Any) -> dict[str, Any]:
        return {f"{ARGS}.{key}": value for key, value in changes.items()}

    def windows(**changes: Any) -> dict[str, Any]:
        return {STRUCT: json.loads(json.dumps(block)), **args(**changes)}

    return {
        "nodes-of-flow": (config(), plane, ARGS, "3 nodes besides ground, expected 2"),
        "nodes-change": (
            config(),
            {"network.net_struct[1].args.num_node": 4},
            "network.net_struct[1].args",
            "expected 2 as in the first slice",
        ),
        "edges-10^10": (
            config(),
            {f"network.net_struct[{i}].args.num_node": 100_000 for i in range(2)},
            "network.net_struct",
            "at most 50000000",
        ),
        "edges-by-repeat": (
            config(),
            {"network.net_struct": _repeated(1000)},
            "network.net_struct",
            "at most 50000000",
        ),
        "steps-million": (
            config(),
            {"simulation.method": "rk4", "simulation.step_size": 1e-7},
            "simulation.step_size",
            "at most 1000000",
        ),
        "baseline-for-flow": (
            config(),
            {**alone, "network.model": hidden},
            "network.model.name",
            "not a network for generation",
        ),
        "hypernetwork-for-images": (
            classifier(),
            {**alone, "network.model": flow},
            "network.model.name",
            "not a network for classification",
        ),
        "baseline-with-slices": (
            config(),
            {"network.model": flow},
            "network.net_struct",
            "expected none",
        ),
        "hidden-empty": (
            classifier(),
            {**alone, "network.model": {"name": "FeedForward", "args": {"hidden": []}}},
            "network.model.args.hidden",
            "at least 1",
        ),
        "hidden-zero": (
            classifier(),
            {**alone, "network.model": {"name": "FeedForward", "args": {"hidden": [8, 0]}}},
            "network.model.args.hidden[1]",
            "at least 1",
        ),
        "hidden-number": (
            classifier(),
            {**alone, "network.model": {"name": "FeedForward", "args": {"hidden": 8}}},
            "network.model.args.hidden",
            "a list",
        ),
        "width-missing": (
            config(),
            {**alone, "network.model": {"name": "HyperNetwork", "args": {"hidden": 8}}},
            "network.model.args.width",
            "missing",
        ),
        "activation-missing": (
            config(),
            {"network.model": {"name": "Device", "args": {}}},
            "network.model.args.activation",
            "missing",
        ),
        "activation-unknown": (
            config(),
            {"network.model": general, "network.model.args.activation": "gelu"},
            "network.model.args.activation",
            "expected one of relu",
        ),
        "window-missing": (
            classifier(),
            args(neighbor_size=REMOVED),
            f"{ARGS}.neighbor_size",
            "missing",
        ),
        "window-zero": (
            classifier(),
            args(neighbor_size=0),
            f"{ARGS}.neighbor_size",
            "at least 1",
        ),
        "window-one": (
            classifier(),
            args(neighbor_size=1),
            f"{ARGS}.neighbor_size",
            "joins no two nodes",
        ),
        "window-large": (
            classifier(),
            args(neighbor_size=29),
            f"{ARGS}.neighbor_size",
            "the image is 28 x 28",
        ),
        "image-huge": (classifier(), args(width=50_000), f"{ARGS}.width", "at most 100000"),
        "image-long-padded": (
            classifier(),
            args(
                width=100_000, height=1, neighbor_size=100_000, padding=True, fully_connect_node=0
            ),
            "network.net_struct",
            "edges",
        ),
        "extra-nodes-negative": (
            classifier(),
            args(fully_connect_node=-1),
            f"{ARGS}.fully_connect_node",
            "at least 0",
        ),
        "extra-nodes-many": (
            classifier(),
            args(fully_connect_node=100_000),
            ARGS,
            "at most 100000",
        ),
        "kernel-repeat-zero": (
            classifier(),
            args(kernel_repeat=0),
            f"{ARGS}.kernel_repeat",
            "at least 1",
        ),
        "padding-number": (classifier(), args(padding=2), f"{ARGS}.padding", "true or false"),
        "window-repeat-pair": (
            classifier(),
            windows(repeat=[1, 1]),
            f"{ARGS}.repeat",
            "whole number",
        ),
        "sharing-text": (classifier(), windows(sharing="no"), f"{ARGS}.sharing", "true or false"),
        "parallel-zero": (classifier(), windows(parallel=0), f"{ARGS}.parallel", "at least 1"),
        "parallel-many": (classifier(), windows(parallel=1000), ARGS, "at most 100000"),
        "given-empty": (
            config(),
            {STRUCT: given, f"{ARGS}.edges": []},
            f"{ARGS}.edges",
            "at least 1",
        ),
        "given-loop": (
            config(),
            {STRUCT: given, f"{ARGS}.edges": [[1, 2], [2, 2]]},
            f"{ARGS}.edges[1]",
            "to itself",
        ),
        "given-ground": (
            config(),
            {STRUCT: given, f"{ARGS}.edges": [[0, 1]]},
            f"{ARGS}.edges[0][0]",
            "at least 1",
        ),
        "image-small": (
            classifier(),
            args(width=20),
            ARGS,
            "at least the 784 numbers",
        ),
        "encoder-inputs": (
            classifier(),
            {"network.encoder": "mlp_100_50"},
            "network.encoder",
            "expected mlp_784_B",
        ),
        "encoder-outputs": (
            classifier(),
            {"network.encoder": "mlp_784_9999"},
            ARGS,
            "at least the 9999 numbers",
        ),
        "projector-classes": (
            classifier(),
            {"network.projector": "last9"},
            "network.projector",
            "reads 9 numbers, expected 10",
        ),
        "projector-none": (
            classifier(),
            {"network.projector": None},
            "network.projector",
            "reads 794 numbers, expected 10",
        ),
        "projector-beyond": (
            classifier(),
            {"network.projector": "first800"},
            "network.projector",
            "of 794 nodes",
        ),
        "projector-mlp": (
            classifier(),
            {"network.projector": "mlp_784_10"},
            "network.projector",
            "expected mlp_794_10",
        ),
        "projector-reshape": (
            classifier(),
            {"network.projector": "reshape10"},
            "network.projector",
            "of 794 nodes",
        ),
    }


def _repeated(slices: int) -> list[dict[str, Any]]:
    part = {"name": "_fully_connect", "args": {"num_node": 3, "repeat": [10_000, 10_000]}}
    return [part] * slices


@dataclass(frozen=True)
class Fault:
    """A configuration with one fault: its text; the key to be named and a word of the complaint."""

    name: str
    text: str
    field: str
    complaint: str


# Cases in which the key at fault is not the one that was changed.
_FIELDS = {
    "t_end-short": "simulation.t_end",
    "repeat-one": f"{ARGS}.repeat[1]",
    "repeat-three": f"{ARGS}.repeat",
    "metric-unknown": "test.metric[0]",
    "metric-number": "test.metric[0]",
}


@lru_cache(maxsize=1)
def config_faults() -> list[Fault]:
    faults = [
        Fault(name, yaml_of(changed(config(), {path: value})), _FIELDS.get(name, path), complaint)
        for name, (path, value, complaint) in _flow_faults().items()
    ]
    faults += [
        Fault(name, yaml_of(changed(base, changes)), field, complaint)
        for name, (base, changes, field, complaint) in _other_faults().items()
    ]
    return faults


def config_kinds() -> list[Kind]:
    kinds = not_files("config")[:-4]
    tops = {"list": "[]", "text": "twomoon", "null": "null", "number": "5", "mapping-empty": "{}"}
    kinds += [Kind(f"config-{name}", _fixed(text.encode())) for name, text in tops.items()]
    return kinds + [
        Kind(
            f"config-{fault.name}",
            _fixed(fault.text.encode()),
            fault.field if fault.field.isprintable() else None,
        )
        for fault in config_faults()
    ]


# ------------------------------------------------------------------------------------------------
# Damage


def templates(loader: str) -> list[bytes]:
    if loader == "pth":
        module = torch.nn.Linear(2, 3)
        values = {"a": torch.arange(4), "b": torch.tensor(0.5, dtype=torch.float64)}
        return [
            checkpoint(),
            pack(parts()),
            saved(module.state_dict()),
            saved({"s": torch.arange(24.0).reshape(4, 6)[::2, 1::2].T, "e": torch.ones(1, 3)}),
            saved({**values, "p": torch.nn.Parameter(torch.ones(2, 2))}),
        ]
    block = """\
test_bench: potential1
batch_size: 64
network:
  model:
    name: ShiftRelu1
  net_struct:
  - name: _fully_connect
    args:
      num_node: 3
      repeat:
      - 2
      - 1
  initialization: xavier
simulation:
  method: rk4
  t_end: [0, 1.5]
  tol: 1e-4
  first_step: 1e-2
  min_step: 1.0e-06
  step_size: .01
train: {lr: 5e-4, num_epoch: 3, scheduler: cosinelr_50_0.00001, resample: true}
"""
    texts = [yaml_of(config()), yaml_of(classifier()), block]
    if loader == "yaml":
        texts += ['- [1, -2.5e3, 0x1F, 0o17]\n- {a: ~, b: \'c\', "d": "\\u00e9"}\n- |\n  text\n']
    return [text.encode() for text in texts]


_WORDS = re.compile(rb"[A-Za-z_.0-9+-]+")


def exchange(rng: random.Random, data: bytes) -> bytes:
    """Swap two words, or write one twice."""
    words = [(m.start(), m.end()) for m in _WORDS.finditer(data)]
    (a, b), (c, d) = sorted(rng.sample(words, 2))
    if rng.random() < 0.5:
        return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]
    return data[:c] + data[a:b] + data[d:]


def _repacked(rng: random.Random) -> bytes:
    """Damage one member inside an archive that is otherwise truthful (sizes and CRC match)."""
    members = parts()
    which = rng.choice((0, 0, 0, 1, 2, 3))
    data = hostile.damage(rng, members[which].data)
    members[which] = replace(members[which], data=data)
    return rng.choice((checkpoint, pack))(members)


def mutate(rng: random.Random, loader: str, originals: Sequence[bytes]) -> bytes:
    if loader == "pth" and rng.random() < 0.5:
        return _repacked(rng)
    if loader != "pth" and rng.random() < 0.5:
        return exchange(rng, rng.choice(originals))
    return hostile.damage(rng, rng.choice(originals))
