"""What compiled loops ask of the compiler and Python has no word for."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

# Sums may be reordered, differently on another processor, never from run to run. A NaN that goes in
# comes out.
FAST = ("reassoc", "contract", "nsz", "arcp")


def _widest(typing_context):  # type: ignore[no-untyped-def]
    """Ask for the widest vectors the processor has in the function that calls this.

    Compilers keep to half of AVX-512 unless told otherwise, for the sake of processors that slow
    down under it; without AVX-512 it changes nothing.
    """

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # llvmlite knows no attributes with values; its set of them is a set all the same.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), codegen


widest: Any = intrinsic(_widest)
