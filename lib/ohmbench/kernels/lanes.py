"""A numba type for ``LANES`` float32 samples that stay in vector registers.

A loop over lanes inside a loop over edges keeps its sums in memory, and the compiler may use
vectors of half the width that the processor has. With one type for all lanes, a kernel reads like
the formula and its sums stay in registers. In Python the same functions work on float32 arrays
(LANES,); the numba implementation of each is defined beside it. Values support the arithmetic
operators with each other and with float32 scalars.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, overload, register_model

from ohmbench.kernels.vectors import FAST

LANES = 32
"""Two vectors of AVX-512, or four of AVX2: enough to hide the latency of additions."""

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


_lanes = _LanesType()


def _mask(order: Any) -> ir.Constant:
    order = list(order)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


def _all_lanes(builder: Any, x: Any) -> Any:
    one = builder.insert_element(
        ir.Constant(_VECTOR, ir.Undefined), x, ir.Constant(ir.IntType(32), 0)
    )
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), _mask([0] * LANES))


def _define(python: Any, instruction: str) -> None:
    """Implement the operator ``python`` for lanes with lanes or with a scalar."""
    pairs = ((_lanes, _lanes), (types.float32, _lanes), (_lanes, types.float32))

    class Template(AbstractTemplate):
        key = python

        def generic(self, arguments: Any, keywords: Any) -> Any:
            return signature(_lanes, *arguments) if arguments in pairs else None

    infer_global(python)(Template)

    def lowered(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        a, b = (
            x if kind == _lanes else _all_lanes(builder, x)
            for x, kind in zip(arguments, found.args, strict=True)
        )
        return getattr(builder, instruction)(a, b, flags=FAST)

    for pair in pairs:
        lower_builtin(python, *pair)(lowered)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


def _instruction(typing: Any) -> Any:
    return intrinsic(typing)


def _pointer(context: Any, builder: Any, kind: Any, row: Any, vector: Any = _VECTOR) -> Any:
    data = context.make_array(kind)(context, builder, row).data
    return builder.bitcast(data, vector.as_pointer())


@_instruction
def _load(typing_context, row):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        return builder.load(_pointer(context, builder, found.args[0], arguments[0]), align=4)

    return _lanes(row), codegen


@_instruction
def _store(typing_context, row, x):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        row, x = arguments
        builder.store(x, _pointer(context, builder, found.args[0], row), align=4)
        return context.get_dummy_value()

    return types.none(row, x), codegen


@_instruction
def _splat(typing_context, x):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        return _all_lanes(builder, arguments[0])

    return _lanes(x), codegen


@_instruction
def _where_above(typing_context, u, bound, x, y):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        u, bound, x, y = arguments
        above = builder.fcmp_ordered(">", u, _all_lanes(builder, bound))
        return builder.select(above, x, y)

    return _lanes(u, bound, x, y), codegen


@_instruction
def _positive(typing_context, u):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        (u,) = arguments
        return builder.select(builder.fcmp_ordered("<", u, _ZERO), _ZERO, u)

    return _lanes(u), codegen


@_instruction
def _clamped(typing_context, u, end):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        u, end = arguments
        upper, lower = _all_lanes(builder, end), _all_lanes(builder, builder.fneg(end))
        # In this order they compile to minimum and maximum instructions that propagate NaN.
        u = builder.select(builder.fcmp_ordered("<", upper, u), upper, u)
        return builder.select(builder.fcmp_ordered("<", u, lower), lower, u)

    return _lanes(u, end), codegen


def _halves(builder: Any, x: Any, width: int, end: int) -> Any:
    """Reduce ``x`` of ``width`` lanes by adding its halves until ``end`` lanes are left."""
    while width > end:
        width //= 2
        low, high = (
            builder.shuffle_vector(x, x, _mask(range(first, first + width))) for first in (0, width)
        )
        x = builder.fadd(low, high, flags=FAST)
    return x


@_instruction
def _total(typing_context, x):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        x = _halves(builder, arguments[0], LANES, 1)
        return builder.extract_element(x, ir.Constant(ir.IntType(32), 0))

    return types.float32(x), codegen


@_instruction
def _add_totals(typing_context, row, x, y):  # type: ignore[no-untyped-def]
    def codegen(context, builder, found, arguments):  # type: ignore[no-untyped-def]
        row, x, y = arguments
        x, y = _halves(builder, x, LANES, 8), _halves(builder, y, LANES, 8)
        # Both halves in one vector, x in the even places; from here on they are reduced together.
        even = builder.shuffle_vector(x, y, _mask([0, 8, 1, 9, 4, 12, 5, 13]))
        odd = builder.shuffle_vector(x, y, _mask([2, 10, 3, 11, 6, 14, 7, 15]))
        both = _halves(builder, builder.fadd(even, odd, flags=FAST), 8, 2)
        place = _pointer(context, builder, found.args[0], row, ir.VectorType(ir.FloatType(), 2))
        builder.store(builder.fadd(builder.load(place, align=4), both), place, align=4)
        return context.get_dummy_value()

    return types.none(row, x, y), codegen


def load(row: Any) -> Any:
    """Load lanes from an array (LANES,)."""
    return row.copy()


def store(row: Any, x: Any) -> None:
    """Store lanes in an array (LANES,)."""
    row[:] = x


def splat(x: Any) -> Any:
    """The same scalar in all lanes."""
    return np.full(LANES, x, np.float32)


def where_above(u: Any, bound: Any, x: Any, y: Any) -> Any:
    """Lanes of ``x`` where ``u`` > ``bound`` (a scalar), else of ``y``, also where ``u`` is NaN."""
    return np.where(u > bound, x, y)


def positive(u: Any) -> Any:
    """``u`` where it is not below 0, else 0; a NaN stays NaN."""
    return np.where(u < 0, np.float32(0), u)


def clamped(u: Any, end: Any) -> Any:
    """``u`` clipped to [-``end``, ``end``]; a NaN stays NaN."""
    return np.where(u > end, end, np.where(u < -end, -end, u))


def total(x: Any) -> Any:
    """The sum of all lanes."""
    return x.sum(dtype=np.float32)


def add_totals(row: Any, x: Any, y: Any) -> None:
    """Add the sums of all lanes of ``x`` and ``y`` to the first two numbers of an array."""
    row[0] += total(x)
    row[1] += total(y)


def _compiled(python: Any, compiled: Any) -> None:
    overload(python)(compiled)


_compiled(load, lambda row: lambda row: _load(row))
_compiled(store, lambda row, x: lambda row, x: _store(row, x))
_compiled(splat, lambda x: lambda x: _splat(x))
_compiled(where_above, lambda u, bound, x, y: lambda u, bound, x, y: _where_above(u, bound, x, y))
_compiled(positive, lambda u: lambda u: _positive(u))
_compiled(clamped, lambda u, end: lambda u, end: _clamped(u, end))
_compiled(total, lambda x: lambda x: _total(x))
_compiled(add_totals, lambda row, x, y: lambda row, x, y: _add_totals(row, x, y))
