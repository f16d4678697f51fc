"""Both flows by name, several seeds, and saving the results where the user wants them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis import ecp5, vtr
from ohmbench.eda.synthesis.activity import Stimulus, with_simulated_power
from ohmbench.eda.synthesis.clocks import count_clocks
from ohmbench.eda.synthesis.defaults import FlowName
from ohmbench.eda.synthesis.design import source
from ohmbench.eda.synthesis.result import Report, Synthesis, write_record
from ohmbench.eda.synthesis.runs import RESULT, end_all
from ohmbench.errors import FileError, OperandError

FLOWS = {"ecp5": ecp5.synthesise, "vtr": vtr.synthesise}
"""Flow name -> a function that runs one seed; it returns the result and the folder of its files."""


@dataclass(frozen=True)
class Finished:
    """A report, and the folder of each run's files, in the order of the runs. With simulated
    activity, also the folders of the files of that estimate.
    """

    report: Report
    folders: tuple[Path, ...]
    simulated: tuple[Path, ...] = ()


def check_tools(flow: FlowName) -> None:
    """Raise ToolError if a tool of the flow is missing, now rather than after minutes of work."""
    (ecp5 if flow == "ecp5" else vtr).versions()


def synthesise(
    flow: FlowName,
    hardware: Hardware,
    seeds: Sequence[int],
    files: Sequence[Path] | None = None,
    *,
    jobs: int = 1,
    stimulus: Stimulus | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Finished:
    """Run a design through a flow with these seeds, ``jobs`` at a time, and count its clocks.

    ``files``: Verilog, default the project's. ``stimulus``: also estimate power from its images,
    simulated in the netlist (vtr only). ``on_step`` is called with the name of each step that
    begins: the clocks, then each seed (from any thread). All results are kept in the cache, and
    cached results take no time. Raises RangeError for hardware that cannot be built; OperandError
    for an empty list of seeds, for a repeated or negative seed, and for a stimulus in a flow
    without power; ShapeError for a stimulus whose network has other sizes; ToolError when the flow
    fails; and HardwareFailure for a netlist that differs from the golden model.
    """
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise OperandError(f"seeds {list(seeds)}: give one or more, each once, none negative")
    if stimulus is not None:
        if flow != "vtr":
            raise OperandError(f"the flow {flow} knows no power, so no activity is of use")
        stimulus.check_fits(hardware)
    check_tools(flow)
    made = source(hardware, files)
    on_step("clocks")
    clocks = count_clocks(hardware, files)
    if flow == "ecp5":
        ecp5.netlist(made)  # once, so that parallel jobs do not each make it
    else:
        vtr.calibrate()

    def one(seed: int) -> tuple[Synthesis, Path, Path | None]:
        on_step(f"seed {seed}")
        run, folder = FLOWS[flow](made, seed)
        if stimulus is None:
            return run, folder, None
        run, simulated = with_simulated_power(run, folder, stimulus, clocks)
        return run, folder, simulated

    found = _all(one, seeds, jobs)
    return Finished(
        Report(runs=tuple(run for run, _, _ in found), clocks=clocks),
        tuple(folder for _, folder, _ in found),
        tuple(folder for _, _, folder in found if folder is not None),
    )


def _all(
    one: Callable[[int], tuple[Synthesis, Path, Path | None]], seeds: Sequence[int], jobs: int
) -> list[tuple[Synthesis, Path, Path | None]]:
    if jobs == 1:
        return [one(seed) for seed in seeds]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, seed) for seed in seeds]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # Repeatedly, because a thread may be about to start its next tool.
            while not all(future.done() for future in futures):
                end_all()
                time.sleep(0.05)
            raise


def least_requants(hardware: Hardware) -> Hardware:
    """The same hardware with the fewest requantisers that let a group's sums leave in time: the
    least power of two with ``ceil(lanes / requants) <= words``.
    """
    requants = 1
    while -(-hardware.lanes // requants) > hardware.words:
        requants *= 2
    return replace(hardware, requants=requants)


# ------------------------------------------------------------------------------------------------
# --out


def check_out(out: Path, *, force: bool) -> None:
    """Check before minutes of work that ``save`` can write there. Raises FileError."""
    try:
        _refuse_existing(out, force)
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=".ohmbench-", dir=out.parent).cleanup()
    except OSError as error:
        raise FileError(
            out, f"cannot be written: {error.strerror}", remedy="choose another --out"
        ) from None


def _refuse_existing(out: Path, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise FileError(out, "is not a folder", remedy="choose another --out")
    if out.is_dir() and any(out.iterdir()):
        if not (out / RESULT).is_file():
            raise FileError(out, "holds something else", remedy="choose another --out")
        if not force:
            raise FileError(
                out, "holds a result already", remedy="choose another --out or pass --force"
            )


def save(finished: Finished, out: Path, *, force: bool = False) -> None:
    """Save the result and each seed's reports in the folder ``out``, completely or not at all.

    Raises FileError for any error of the file system, and for a folder that holds other files.
    """
    check_out(out, force=force)
    try:
        with tempfile.TemporaryDirectory(prefix=".ohmbench-", dir=out.parent) as work:
            new = Path(work) / "new"
            new.mkdir(mode=0o755)
            for run, folder in zip(finished.report.runs, finished.folders, strict=True):
                shutil.copytree(folder, new / f"seed-{run.seed}")
            for run, folder in zip(finished.report.runs, finished.simulated, strict=False):
                shutil.copytree(folder, new / f"seed-{run.seed}" / "simulated")
            write_record(new / RESULT, finished.report)
            _exchange(new, out, Path(work) / "old")
    except shutil.Error as error:
        raise FileError(out, f"cannot be written: {error}") from None
    except OSError as error:
        raise FileError(out, f"cannot be written: {error.strerror}") from None


def _exchange(new: Path, out: Path, aside: Path) -> None:
    """Move ``new`` to ``out``. An old result is first moved aside, and moved back on failure."""
    replaced = out.is_dir()
    if replaced:
        out.rename(aside)
    try:
        new.rename(out)
    except OSError:
        if replaced:
            aside.rename(out)
        raise
