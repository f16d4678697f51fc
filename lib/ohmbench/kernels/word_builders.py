"""LLVM instructions on vectors of int32, from which functions of compiled loops are built.

``word_lanes`` and ``word_packing`` use them. Each takes numba's builder and values of LLVM.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core.registry import cpu_target


def _has_vnni() -> bool:
    """Whether compiled code may use AVX-512 VNNI, by the target that numba compiles for."""
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return {"+avx512vnni", "+avx512bw", "+avx512vl"} <= set(features)


VNNI = _has_vnni()
LANES = 64 if VNNI else 16
"""Four vectors of the widest kind: with four channels, their sums fill the registers and hide the
latency of additions."""

BYTE, HALF, INT, LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
VECTOR = ir.VectorType(INT, LANES)
SIXTEEN = ir.VectorType(INT, 16)
PART = 16
"""Samples of one vector of AVX-512."""


def order_of(places: Any) -> ir.Constant:
    """The mask of a shuffle that takes these places."""
    places = list(places)
    return ir.Constant(ir.VectorType(INT, len(places)), places)


def in_all(builder: Any, x: Any, lanes: int = LANES) -> Any:
    """The scalar ``x`` in all lanes."""
    kind = ir.VectorType(x.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(undefined, x, INT(0))
    return builder.shuffle_vector(one, undefined, order_of([0] * lanes))


def constant(value: int, kind: Any, lanes: int = LANES) -> ir.Constant:
    """``value`` in all lanes of a vector of ``kind``."""
    return ir.Constant(ir.VectorType(kind, lanes), [value] * lanes)


def parts_of(builder: Any, x: Any) -> list[Any]:
    """``x`` as vectors of 16 samples."""
    return [
        builder.shuffle_vector(x, x, order_of(range(first, first + PART)))
        for first in range(0, LANES, PART)
    ]


def joined(builder: Any, parts: list[Any]) -> Any:
    """The inverse of ``parts_of``, for a number of parts that is a power of two."""
    while len(parts) > 1:
        both = order_of(range(2 * parts[0].type.count))
        parts = [
            builder.shuffle_vector(parts[i], parts[i + 1], both) for i in range(0, len(parts), 2)
        ]
    return parts[0]


def called(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    """Call an instruction of the processor by LLVM's name."""
    known = builder.module.globals
    function = known.get(name) or ir.Function(
        builder.module, ir.FunctionType(kind, [x.type for x in arguments]), name
    )
    return builder.call(function, arguments)


def clipped(builder: Any, x: Any, low: Any, high: Any) -> Any:
    """Signed ``x`` clipped to [low, high], all vectors."""
    x = builder.select(builder.icmp_signed("<", x, low), low, x)
    return builder.select(builder.icmp_signed(">", x, high), high, x)


def address(
    context: Any, builder: Any, kind: Any, array: Any, place: Any, vector: Any = VECTOR
) -> Any:
    """A pointer to a vector from ``place`` of a flat array of int32."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())
