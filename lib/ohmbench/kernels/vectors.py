"""Compiler settings for compiled loops that Python cannot express."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

# The compiler may reorder sums, differently for another processor but never from run to run. NaN
# operands give NaN.
FAST = ("reassoc", "contract", "nsz", "arcp")


def _widest(typing_context):  # type: ignore[no-untyped-def]
    """Make the calling function use the widest vectors of the processor.

    By default compilers use only half the width of AVX-512, because some processors slow down with
    it. Without AVX-512 this changes nothing.
    """

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # llvmlite does not support attributes with values, but its attribute set is a plain set.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), codegen


widest: Any = intrinsic(_widest)
