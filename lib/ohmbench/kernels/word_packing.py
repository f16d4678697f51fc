"""Four int32 lanes to words of bytes, and rows of bytes to words (``word_lanes``)."""

from __future__ import annotations

from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ohmbench.kernels.word_builders import (
    BYTE,
    HALF,
    INT,
    LANES,
    PART,
    SIXTEEN,
    VNNI,
    address,
    called,
    clipped,
    constant,
    in_all,
    joined,
    order_of,
    parts_of,
)
from ohmbench.kernels.word_lanes import WORDS


def _instruction(typing: Any) -> Any:
    return intrinsic(typing)


# Packing with saturation takes groups of 128 bits: four samples of each of two channels, and then
# of each of four. The last shuffle brings the four bytes of a sample together.
_TOGETHER = [
    16 * group + 4 * pack + sample
    for group in range(4)
    for sample in range(4)
    for pack in (0, 2, 1, 3)
]
# The compiler would spend another instruction on the addition below its mask.
llvm.initialize_native_asmparser()
_ADD_BIT = "vptestmw $2, $0, %k1\n\tvpaddsw $3, $0, $0 {%k1}"


def _narrow_vnni(builder: Any, channels: Any, shift: Any, top: Any, even: bool) -> Any:
    halves, octets = ir.VectorType(HALF, 32), ir.VectorType(BYTE, 64)
    one = constant(1, HALF, 32)
    shifts, tops = (
        in_all(builder, builder.trunc(x, kind), lanes)
        for x, kind, lanes in ((shift, HALF, 32), (top, BYTE, 64))
    )
    bit = builder.shl(one, shifts)
    add_bit = ir.InlineAsm(
        ir.FunctionType(halves, [halves] * 3), _ADD_BIT, "=v,0,v,v,~{k1}", side_effect=False
    )
    found = []
    for a, b, c, d in zip(*(parts_of(builder, x) for x in channels), strict=True):
        packed = []
        for first, second in ((a, c), (b, d)):
            x = called(builder, "llvm.x86.avx512.packssdw.512", halves, first, second)
            if even:
                x = builder.call(add_bit, [x, bit, one])
            packed.append(builder.ashr(x, shifts))
        x = called(builder, "llvm.x86.avx512.packuswb.512", octets, *packed)
        x = builder.select(builder.icmp_unsigned("<", x, tops), x, tops)
        x = builder.shuffle_vector(x, x, order_of(_TOGETHER))
        found.append(builder.bitcast(x, SIXTEEN))
    return joined(builder, found)


def _narrow_plain(builder: Any, channels: Any, shift: Any, top: Any, even: bool) -> Any:
    shifts, tops = in_all(builder, shift), in_all(builder, top)
    word = constant(0, INT)
    for k, x in enumerate(channels):
        if even:
            odd = builder.and_(builder.ashr(x, shifts), constant(1, INT))
            x = builder.add(x, odd)
        x = clipped(builder, builder.ashr(x, shifts), constant(0, INT), tops)
        word = builder.or_(word, builder.shl(x, constant(8 * k, INT)))
    return word


@_instruction
def narrow(typing_context, a, b, c, d, shift, top):  # type: ignore[no-untyped-def]
    """Words of the bytes ``clamp(x >> shift, 0, top)`` of four channels.

    ``shift`` at most 15 and ``top`` at most 255, with ``top << shift`` at most 32767: then a sum
    that saturates at 16 bits ends at 0 or ``top`` as the sum itself does.
    """

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        *channels, shift, top = arguments
        return (_narrow_vnni if VNNI else _narrow_plain)(builder, channels, shift, top, even=False)

    return WORDS(WORDS, WORDS, WORDS, WORDS, types.int32, types.int32), codegen


@_instruction
def narrow_even(typing_context, a, b, c, d, shift, top):  # type: ignore[no-untyped-def]
    """As ``narrow``, of ``x + 1`` where the quotient ``x >> shift`` is odd.

    With ``x = sum + 2**(shift - 1) - 1`` this rounds to the nearest integer, ties to even.
    """

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        *channels, shift, top = arguments
        return (_narrow_vnni if VNNI else _narrow_plain)(builder, channels, shift, top, even=True)

    return WORDS(WORDS, WORDS, WORDS, WORDS, types.int32, types.int32), codegen


def _interleaved(builder: Any, x: Any, y: Any, first: int, size: int) -> Any:
    """From each group of four words of ``x`` and ``y``, alternately ``size`` words of both, from
    word ``first``; ``4 // size`` words of each in all."""
    places: list[int] = []
    for group in range(0, PART, 4):
        for start in range(first, first + 2, size):
            for operand in (0, PART):
                places += range(operand + group + start, operand + group + start + size)
    return builder.shuffle_vector(x, y, order_of(places))


def _store_columns(store_column: Any, builder: Any, vectors: list[Any], order: Any = None) -> None:
    """Transpose the words of four vectors within each 128 bits: column k has the k-th words."""
    p, q, r, s = vectors
    for half in range(2):
        pq = _interleaved(builder, p, q, 2 * half, 1)
        rs = _interleaved(builder, r, s, 2 * half, 1)
        for k in range(2):
            column = _interleaved(builder, pq, rs, 2 * k, 2)
            if order is not None:
                column = builder.shuffle_vector(column, column, order_of(order))
            store_column(2 * half + k, column)


def _bytes_less(builder: Any, data: Any, place: Any, low: Any, size: int) -> Any:
    """``size`` bytes at a place, minus ``low`` modulo 256, as words."""
    vector = ir.VectorType(BYTE, size)
    octets = builder.load(builder.bitcast(builder.gep(data, [place]), vector.as_pointer()), align=1)
    less = builder.sub(octets, in_all(builder, low, size))
    return builder.bitcast(less, ir.VectorType(INT, size // 4))


@_instruction
def columns(typing_context, x, place, stride, low, words, target):  # type: ignore[no-untyped-def]
    """16 rows of 16 bytes of ``x``, from byte ``place``, ``stride`` bytes apart, minus ``low``.

    They become 16 samples of four words, at ``target`` of the flat int32 array ``words`` and
    ``LANES`` apart.
    """

    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x, place, stride, low, words, target = arguments
        data = context.make_array(found.args[0])(context, builder, x).data
        data = builder.bitcast(data, BYTE.as_pointer())

        def store_column(k: int, column: Any) -> None:
            to = builder.add(target, ir.Constant(target.type, k * LANES))
            pointer = address(context, builder, found.args[4], words, to, SIXTEEN)
            builder.store(column, pointer, align=4)

        beside = builder.icmp_unsigned("==", stride, ir.Constant(stride.type, 16))
        with builder.if_else(beside) as (one_piece, apart):
            with one_piece:
                whole = [
                    _bytes_less(
                        builder, data, builder.add(place, ir.Constant(place.type, 64 * i)), low, 64
                    )
                    for i in range(4)
                ]
                # Sample 4 i + r is row r of vector i.
                order = [4 * r + i for i in range(4) for r in range(4)]
                _store_columns(store_column, builder, whole, order)
            with apart:
                rows = [place]
                for _ in range(PART - 1):
                    rows.append(builder.add(rows[-1], stride))
                parts = [_bytes_less(builder, data, row, low, 16) for row in rows]
                # Vector r has rows r, 4 + r, 8 + r, 12 + r.
                _store_columns(
                    store_column, builder, [joined(builder, parts[r::4]) for r in range(4)]
                )
        return context.get_dummy_value()

    kinds = (types.uintp, types.uintp, types.uint8)
    return types.none(x, *kinds, words, types.uintp), codegen
