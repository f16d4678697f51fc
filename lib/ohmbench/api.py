"""The functions that most people need, for networks of any family.

They are also available from ``ohmbench`` itself. Where a function takes a network, pass what
``load`` or ``train`` returned, or a name or file that ``load`` accepts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from rich.console import Console

from ohmbench.errors import OperandError
from ohmbench.families import Loaded, Papers, find_training, takers
from ohmbench.families import load as _load
from ohmbench.family import (
    Ability,
    DrawOptions,
    Judgement,
    JudgeOptions,
    Prediction,
    TraceOptions,
)
from ohmbench.report.figures import save_figures
from ohmbench.report.style import plain_text
from ohmbench.training import train_to_file
from ohmbench.weights import read_manifest

if TYPE_CHECKING:
    from ohmbench.digital.exporting import Exported
    from ohmbench.digital.importing.importer import NetworkImport
    from ohmbench.digital.integer.prove import Certificate as LayerCertificate
    from ohmbench.digital.integer.prove import Widths
    from ohmbench.digital.prove import Certificate
    from ohmbench.digital.stages import Stage
    from ohmbench.digital.widths import Hardware
    from ohmbench.kirchhoff.flows import Samples

Network: TypeAlias = Loaded | str | os.PathLike[str]

__all__ = [
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


def names() -> list[str]:
    """Names of the stored weights that ``load`` accepts."""
    return list(read_manifest())


def load(
    name: str | os.PathLike[str],
    *,
    paper_fann: str | None = None,
    paper_kirchhoffnet: str | None = None,
    data: str | None = None,
    target: str | None = None,
) -> Loaded:
    """Load a network with its family: stored weights, a file, or a paper's own (``paper-v3``).

    ``paper_fann`` and ``paper_kirchhoffnet`` are checkouts of the papers' artifacts (default:
    ``$OHMBENCH_PAPER_FANN`` and ``$OHMBENCH_PAPER_KIRCHHOFFNET``). ``data`` is for N-layer integer
    networks, whose files hold none: a data set (``mnist``), or an npz or CSV file to run them on,
    and ``target`` the column of a CSV file that holds the classes.
    Raises FileError naming file, field and reason.
    """
    return _load(name, Papers(paper_fann, paper_kirchhoffnet), data, target)


def _loaded(network: Network) -> Loaded:
    return network if isinstance(network, Loaded) else load(network)


def _able(network: Network, ability: Ability) -> Any:
    """Return the loaded network. Raises OperandError if its family lacks ``ability``."""
    family, stored = _loaded(network)
    if ability not in family.abilities:
        able = takers(lambda f: ability in f.abilities)
        raise OperandError(f"{ability} takes {able}, not {family.one}")
    return stored


def evaluate(
    network: Network,
    *,
    points: int | None = None,
    seed: int | None = None,
    tol: float | None = None,
    images: int | None = None,
) -> Judgement:
    """Measure how good a network is on data that its training has not seen.

    The options are those of ``ohmbench evaluate``; ``tol`` is in volt. Raises OperandError for an
    option that does not apply to this network, FileError if its data set is missing.
    """
    family, stored = _loaded(network)
    options = JudgeOptions(points, seed, tol, images)
    for option in options.given():
        if option not in family.judge_options:
            raise OperandError(f"{option.removeprefix('--')} does not apply to {family.one}")
    return family.judge(stored, options)


def train(
    name: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    samples: int | None = None,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
    max_minutes: float | None = None,
) -> Loaded:
    """Train the network that ``name`` or a configuration (YAML) describes, and write it to ``out``.

    ``resume`` continues an unfinished training, ``force`` overwrites. The progress bar goes to
    ``console`` (default: standard error). Raises OperandError and FileError.
    """
    family, training = find_training(os.fspath(name), seed, samples)
    if samples is not None and not family.takes_samples:
        raise OperandError(f"samples does not apply to {family.one}")
    train_to_file(
        training.task(), out, resume=resume, force=force, console=console, max_minutes=max_minutes
    )
    return Loaded(family, family.load(out))


def predict(network: Network, index: int) -> Prediction:
    """Return the answer of a floating-gate or integer classifier to held-out sample ``index``.

    Load an N-layer integer network with its ``data``.
    """
    loaded = _loaded(network)
    return loaded.family.predict(_able(loaded, "predict"), index)


def power(network: Network) -> torch.Tensor:
    """Static power of a floating-gate network in watt, one value per held-out sample (n,)."""
    from ohmbench.floatgate.power import power_per_image

    stored = _able(network, "power")
    return power_per_image(stored.network, stored.v)


def sample(network: Network, n: int, *, seed: int = 0, tol: float | None = None) -> Samples:
    """Draw ``n`` samples from a KirchhoffNet that is a flow, with their log-density in nats.

    Raises OperandError for a regression or classification network.
    """
    from ohmbench.kirchhoff.drawing import sampled

    stored = _able(network, "sample")
    if not stored.config.is_flow:
        raise OperandError(f"a {stored.config.kind} has no samples")
    found: Samples = stored.source.in_own_unit(sampled(stored, n, seed, tol))
    return found


def prove(
    network: Network, hardware: Hardware | Widths | None = None
) -> Certificate | LayerCertificate:
    """Prove that no input can overflow a register of ``hardware``, or find one that does.

    ``hardware`` is a ``Hardware`` for int8 networks (default: this project's own), and ``Widths``
    for N-layer integer networks (default: none, so that only ranges are computed).
    """
    from ohmbench.eda import hdl

    loaded = _loaded(network)
    found: Certificate | LayerCertificate = loaded.family.certify(
        _able(loaded, "prove"), hardware, hdl
    )
    return found


def trace(
    network: Network,
    *,
    images: int | None = None,
    rtl: bool = False,
    source: str | os.PathLike[str] | None = None,
) -> list[Stage]:
    """Follow held-out samples of an integer network from real numbers to the hardware.

    Only the first ``images`` samples are used (default: all). The hardware is simulated if ``rtl``
    is true. ``source`` is the file that an N-layer network was imported from; if given, it is run
    in its own runtime too. An N-layer network loaded without ``data`` gets random inputs.
    """
    from ohmbench.eda.simulation import simulate

    loaded = _loaded(network)
    options = TraceOptions(
        every=True,
        first=images,
        simulate=simulate if rtl else None,
        source=None if source is None else os.fspath(source),
    )
    found: list[Stage] = loaded.family.stages(_able(loaded, "trace"), options)
    return found


def import_network(
    model: str | os.PathLike[str],
    *,
    rounding: str | None = None,
    input_bits: int | None = None,
    input_step: float | None = None,
    run: bool = True,
    random: int = 10_000,
    seed: int = 0,
) -> NetworkImport:
    """Import a QONNX, QDQ ONNX or int8 TFLite file and prove that the integers are exact.

    ``model`` is a file, or a published network by its name. The options are those of
    ``ohmbench import``. The result has ``network``, ``verdict`` (the proof), ``comparison`` (with
    the format's runtime, or None with the reason ``not_run``), ``exact`` and ``save``. While a
    runtime loads the file, the descriptors 1 and 2 of the whole process lead nowhere: what other
    threads print then is lost. Raises FileError for a file that cannot be imported, OperandError
    for an option that does not apply.
    """
    from ohmbench.digital.importing.importer import import_network as importing
    from ohmbench.digital.importing.reading import find_model

    return importing(
        find_model(os.fspath(model)),
        rounding=rounding,
        input_bits=input_bits,
        input_step=input_step,
        run=run,
        random=random,
        seed=seed,
    )


def export(network: Network, path: str | os.PathLike[str], *, force: bool = False) -> Exported:
    """Write an integer network to ``path`` as ONNX that onnxruntime runs to the same integers.

    The file is written only if this is proven for every input. An existing file is overwritten only
    if ``force`` is true. Raises FileError, RangeError for a network that has no such file.
    """
    from ohmbench.digital.exporting import export_network
    from ohmbench.digital.integer.network import as_layers

    integers = as_layers(_able(network, "export").network)
    return export_network(integers, path, overwrite=force)


def draw(
    network: Network,
    folder: str | os.PathLike[str],
    *,
    title: str = "",
    options: DrawOptions = DrawOptions(),  # noqa: B008 - frozen
    force: bool = False,
) -> list[Path]:
    """Draw every figure of a network into ``folder`` and return the files written.

    Writes nothing if one figure cannot be drawn, or if a file exists and ``force`` is false. Raises
    FileError.
    """
    family, stored = _loaded(network)
    files = family.figures(stored, plain_text(title), options)
    return save_figures(files, folder, overwrite=force)
