"""``ohmbench sample``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    check_not_input,
    print_json,
    print_whole,
    say,
)
from ohmbench.cli.naming import Name, PaperKirchhoff
from ohmbench.constants import JUDGE_TOL
from ohmbench.errors import FileError, OperandError, one_line

if TYPE_CHECKING:
    from ohmbench.kirchhoff.flows import Samples
    from ohmbench.kirchhoff.store import StoredKirchhoff

_SHOWN = 10


def sample(
    name: Name,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, max=10_000_000, metavar="N", help="How many.")
    ],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the noise.")] = 0,
    tol: Annotated[
        float, typer.Option(metavar="T", help="Solver's tolerance, V and nats; above 0, at most 1.")
    ] = JUDGE_TOL,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Draw samples and density, or a grid of images: png, pdf or svg."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="npz with x and z (n, d) and log_density (n,) in nats."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Draw samples from a KirchhoffNet that is a flow.

    Noise goes in, the node voltages at the end come out. Each sample comes
    with its exact log-density. Networks of densities and potentials are flows; regressions and
    classifications are not.

    Example: ohmbench sample paper-twomoon -n 2000 --plot twomoon.png --out points.npz
    """
    from ohmbench.families import Papers, load_able
    from ohmbench.files import write_npz
    from ohmbench.kirchhoff import drawing
    from ohmbench.report.figures import save_figure
    from ohmbench.report.style import plain_text

    if not 0 < tol <= 1:
        raise OperandError(f"--tol {tol:g}: should be positive, at most 1")
    if plot is not None:
        check_figure(plot, force)
    if out is not None:
        check_not_input(out, name)
        _check_npz(out, force)
    papers = Papers(kirchhoffnet=paper_kirchhoffnet)
    data: StoredKirchhoff = load_able(name, papers, "sample").network
    if not data.config.is_flow:
        raise FileError(
            name,
            f"is for {data.config.kind} ({data.config.test_bench})",
            remedy="'sample' takes networks of densities and potentials",
        )
    found = drawing.sampled(data, samples, seed, tol)
    figure = None
    if plot is not None:
        figure = drawing.sample_figure(f"{plain_text(one_line(name))}, seed {seed}", data, found)
    found = data.source.in_own_unit(found)
    if as_json:
        print_json(
            {
                "name": name,
                "test_bench": data.config.test_bench,
                "seed": seed,
                "x": found.x.tolist(),
                "log_density": found.log_density.tolist(),
                "nfe": list(found.nfe),
            }
        )
    else:
        _print(name, found)
    if out is not None:
        arrays = {"x": found.x, "z": found.z, "log_density": found.log_density}
        write_npz(out, {k: v.detach().numpy() for k, v in arrays.items()}, overwrite=force)
    if figure is not None and plot is not None:
        save_figure(figure, plot, overwrite=force)
    if not as_json:
        for path in (out, plot):
            if path is not None:
                say(f"wrote {path}")


def _check_npz(path: str, force: bool) -> None:
    from ohmbench.files import check_writable

    if not path.lower().endswith(".npz"):
        raise FileError(path, "not an npz file", remedy="end the name in .npz")
    check_writable(path, overwrite=force)


def _print(name: str, found: Samples) -> None:
    n, dimension = found.x.shape
    entropy = -float(found.log_density.double().mean())
    say(f"{name}: {n} samples of {dimension} numbers; mean of -log q {entropy:.4f} nats")
    if dimension > 2:
        return
    from rich.table import Table

    table = Table(*(f"x{k + 1}" for k in range(dimension)), "log-density")
    for point, log_q in zip(found.x[:_SHOWN].tolist(), found.log_density.tolist(), strict=False):
        table.add_row(*(f"{v:.4f}" for v in point), f"{log_q:.4f}")
    print_whole(table)
    if n > _SHOWN:
        say(f"the first {_SHOWN} of {n}; --out keeps all")
