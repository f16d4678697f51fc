"""ohmbench: verify and benchmark neural networks that live in analog and digital hardware.

``ohmbench.load``, ``evaluate``, ``train``, ``predict``, ``power``, ``sample``, ``prove``, ``trace``
and ``draw`` are for networks of any family (``ohmbench.api``); each family's own models are in
``ohmbench.floatgate``, ``ohmbench.digital`` and ``ohmbench.kirchhoff``.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ohmbench.api import (
        draw,
        evaluate,
        load,
        names,
        power,
        predict,
        prove,
        sample,
        trace,
        train,
    )

__version__ = version("ohmbench")

__all__ = [
    "__version__",
    "draw",
    "evaluate",
    "load",
    "names",
    "power",
    "predict",
    "prove",
    "sample",
    "trace",
    "train",
]


def __getattr__(name: str) -> Any:
    # Loading torch takes seconds, which whoever only wants the version does not have to wait for.
    if name in __all__:
        return getattr(import_module("ohmbench.api"), name)
    raise AttributeError(f"module 'ohmbench' has no attribute {name!r}")
