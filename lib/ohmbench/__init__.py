"""ohmbench: verify and benchmark neural networks that live in analog and digital hardware.

``ohmbench.load``, ``evaluate``, ``train``, ``predict``, ``power``, ``sample``, ``prove``, ``trace``
and ``draw`` are for networks of any family (``ohmbench.api``). ``import_network`` brings quantised
networks of other tools, and ``export`` writes them as ONNX. Each family's own models are in
``ohmbench.floatgate``, ``ohmbench.digital`` and ``ohmbench.kirchhoff``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from ohmbench.api import (
        draw,
        evaluate,
        export,
        import_network,
        load,
        names,
        power,
        predict,
        prove,
        sample,
        trace,
        train,
    )

__all__ = [
    "__version__",
    "draw",
    "evaluate",
    "export",
    "import_network",
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
    # Whoever only wants the help waits for neither: reading the version takes 20 ms, torch seconds.
    if name == "__version__":
        return import_module("importlib.metadata").version("ohmbench")
    if name in __all__:
        return getattr(import_module("ohmbench.api"), name)
    raise AttributeError(f"module 'ohmbench' has no attribute {name!r}")
