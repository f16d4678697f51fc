"""``ohmbench evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from ohmbench.cli.common import Json, print_json, print_whole, say, shown
from ohmbench.cli.naming import Data, Name, PaperFann, PaperKirchhoff, Target
from ohmbench.errors import OperandError


def evaluate_command(
    name: Name,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            min=2,
            max=1_000_000,
            metavar="N",
            help="Densities: fresh samples of the true one (default 20000). "
            "Potentials: samples drawn from the flow (default 10000).",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Of those samples. Regressions: of the split."),
    ] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Solver's tolerance, V. Default: 1e-5 for densities and potentials, else the "
            "configuration's.",
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Classification: only the first N.")
    ] = None,
    data: Data = None,
    target: Target = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Measure how good a network is on data that its training has not seen.

    Floating-gate networks: accuracy, evaluations outside the fits, currents no array could hold.
    Int8 networks, by their integers: accuracy, hidden values clamped at 255, the largest
    requantisation product. N-layer integer networks, which come without data: accuracy on --data,
    or on the held-out part of the data that 'ohmbench quantize' read; the sums that they reach.

    KirchhoffNets, by their experiment: negative log-likelihood and gap to the true density;
    KL(q||p) and effective sample size for potentials; squared error and R2; top-1 and top-5. The
    same for baselines. Each estimate with its 95 % interval.

    Example: ohmbench evaluate floatgate-digits

    Example: ohmbench evaluate imported.npz --data mnist

    Example: ohmbench evaluate paper-twomoon --paper-kirchhoffnet FOLDER --json
    """
    from ohmbench.families import Papers, load, takers
    from ohmbench.family import JudgeOptions

    if tol is not None and not 0 < tol <= 1:
        raise OperandError(f"--tol {tol:g}: should be positive, at most 1")
    options = JudgeOptions(samples, seed, tol, images)
    family, network = load(name, Papers(paper_fann, paper_kirchhoffnet), data, target)
    if options.given() and not family.judge_options:
        able = takers(lambda f: f.judge_options)
        raise OperandError(f"{options.given()[0]}: not for {name}; it is for {able}")
    judgement = family.judge(network, options)
    if as_json:
        print_json({"name": name, **judgement.values})
        return
    say(f"{name}: {judgement.heading}")
    for table in judgement.tables:
        print_whole(shown(table))
    for remark in judgement.remarks:
        say(remark)
