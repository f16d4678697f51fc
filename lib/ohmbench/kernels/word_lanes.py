"""A numba type for ``LANES`` samples of one int32 each, and products of four bytes at once.

A word holds four unsigned bytes of a sample, the first in its lowest bits; ``dot`` multiplies them
by the four signed bytes of a weight word and adds the sum to an int32. Processors with AVX-512 VNNI
do this for 16 samples in one instruction, and pack sums to bytes with saturation; elsewhere the
same functions are built from ordinary instructions. All arithmetic is modulo 2**32.

``load`` and ``store`` read and write at a place of a flat array; nothing checks the place.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from ohmbench.kernels.word_builders import (
    INT,
    LANES,
    LONG,
    PART,
    SIXTEEN,
    VECTOR,
    VNNI,
    address,
    called,
    clipped,
    constant,
    in_all,
    joined,
    parts_of,
)


class _WordsType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Words{LANES}")


@register_model(_WordsType)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)  # type: ignore[no-untyped-call]


WORDS = _WordsType()


def _instruction(typing: Any) -> Any:
    return intrinsic(typing)


@_instruction
def load(typing_context, row, place):  # type: ignore[no-untyped-def]
    """The lanes at ``place`` of a flat int32 array."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        return builder.load(address(context, builder, found.args[0], *arguments), align=4)

    return WORDS(row, types.uintp), codegen


@_instruction
def store(typing_context, row, place, x):  # type: ignore[no-untyped-def]
    """Write lanes to ``place`` of a flat int32 array."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        row, place, x = arguments
        builder.store(x, address(context, builder, found.args[0], row, place), align=4)
        return context.get_dummy_value()

    return types.none(row, types.uintp, WORDS), codegen


@_instruction
def splat(typing_context, x):  # type: ignore[no-untyped-def]
    """The same int32 in all lanes."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        return in_all(builder, arguments[0])

    return WORDS(types.int32), codegen


def _dot_vnni(builder: Any, total: Any, h: Any, w: Any) -> Any:
    w = in_all(builder, w, PART)
    name = "llvm.x86.avx512.vpdpbusd.512"
    return joined(
        builder,
        [
            called(builder, name, SIXTEEN, a, b, w)
            for a, b in zip(parts_of(builder, total), parts_of(builder, h), strict=True)
        ],
    )


def _dot_plain(builder: Any, total: Any, h: Any, w: Any) -> Any:
    for k in range(4):
        byte = builder.and_(builder.lshr(h, constant(8 * k, INT)), constant(255, INT))
        signed = builder.ashr(builder.shl(w, INT(24 - 8 * k)), INT(24))
        total = builder.add(total, builder.mul(byte, in_all(builder, signed)))
    return total


@_instruction
def dot(typing_context, total, h, w):  # type: ignore[no-untyped-def]
    """``total`` + the products of the unsigned bytes of ``h`` and the signed bytes of a word."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        return (_dot_vnni if VNNI else _dot_plain)(builder, *arguments)

    return WORDS(WORDS, WORDS, types.int32), codegen


@_instruction
def scaled(typing_context, x, factor, offset):  # type: ignore[no-untyped-def]
    """``x * factor + offset`` with scalars."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, factor, offset = arguments
        return builder.add(builder.mul(x, in_all(builder, factor)), in_all(builder, offset))

    return WORDS(WORDS, types.int32, types.int32), codegen


@_instruction
def plus(typing_context, x, y, shift):  # type: ignore[no-untyped-def]
    """``x + (y << shift)``."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, y, shift = arguments
        return builder.add(x, builder.shl(y, in_all(builder, shift)))

    return WORDS(WORDS, WORDS, types.int32), codegen


@_instruction
def shifted(typing_context, x, shift):  # type: ignore[no-untyped-def]
    """``x >> shift``, the sign kept."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, shift = arguments
        return builder.ashr(x, in_all(builder, shift))

    return WORDS(WORDS, types.int32), codegen


@_instruction
def with_bit(typing_context, x, bit):  # type: ignore[no-untyped-def]
    """``x + 1`` where the one bit that is set in ``bit`` is set in ``x``, else ``x``."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, bit = arguments
        is_set = builder.icmp_signed("!=", builder.and_(x, in_all(builder, bit)), constant(0, INT))
        return builder.add(x, builder.zext(is_set, VECTOR))

    return WORDS(WORDS, types.int32), codegen


@_instruction
def clamped(typing_context, x, low, high):  # type: ignore[no-untyped-def]
    """``x`` clipped to [low, high], scalars."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, low, high = arguments
        return clipped(builder, x, in_all(builder, low), in_all(builder, high))

    return WORDS(WORDS, types.int32, types.int32), codegen


@_instruction
def wide_step(typing_context, x, factor, offset, shift, low, high):  # type: ignore[no-untyped-def]
    """``x * factor + offset >> shift`` in int64, clipped to [low, high], which fit int32."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, *scalars = arguments
        factor, offset, shift, low, high = (in_all(builder, number) for number in scalars)
        vector = ir.VectorType(LONG, LANES)
        product = builder.add(builder.mul(builder.sext(x, vector), factor), offset)
        return builder.trunc(clipped(builder, builder.ashr(product, shift), low, high), VECTOR)

    long = types.int64
    return WORDS(WORDS, long, long, long, long, long), codegen


@_instruction
def counted(typing_context, count, x, threshold):  # type: ignore[no-untyped-def]
    """``count + 1`` where ``x`` reaches ``threshold``, a scalar."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        count, x, threshold = arguments
        reached = builder.icmp_signed(">=", x, in_all(builder, threshold))
        return builder.add(count, builder.zext(reached, VECTOR))

    return WORDS(WORDS, WORDS, types.int32), codegen


@_instruction
def larger(typing_context, best, index, x, i):  # type: ignore[no-untyped-def]
    """``(x, i)`` where ``x`` is above ``best``, else ``(best, index)``."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        best, index, x, i = arguments
        above = builder.icmp_signed(">", x, best)
        pair = builder.select(above, x, best), builder.select(above, in_all(builder, i), index)
        return context.make_tuple(builder, found.return_type, pair)

    return types.UniTuple(WORDS, 2)(WORDS, WORDS, WORDS, types.int32), codegen


@_instruction
def aligned(typing_context, words):  # type: ignore[no-untyped-def]
    """The first place of a flat int32 array that lies at a multiple of 64 bytes."""

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(found.args[0])(context, builder, arguments[0]).data
        address = builder.ptrtoint(data, LONG)
        return builder.and_(builder.lshr(builder.sub(LONG(0), address), LONG(2)), LONG(15))

    return types.uint64(words), codegen
