"""Figures of the mutants, from their lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ohmbench.stats import proportion_interval
from tests.eda.mutation import MutantList
from tests.rtl.mutants import LIST, PROVEN, elaboration_run, read_survivors
from tests.rtl.mutants.faults import FAULTS
from tests.rtl.properties import PROPERTIES
from tests.unit.mutants import lists


def faults() -> int:
    """Faults of the RTL that are written by hand."""
    return len(FAULTS)


def properties() -> int:
    """Formally proven properties of the RTL."""
    return len(PROPERTIES)


def rtl() -> str:
    """Mutants of the netlist."""
    total, survivors = len(MutantList.read(LIST).commands), read_survivors().values()
    proven = sum(s.reason == PROVEN for s in survivors)
    argued = len(survivors) - proven
    return (
        f"{total} mutants: {total - len(survivors)} killed, {proven} proven to change nothing, "
        f"{argued} argued"
    )


def elaboration() -> str:
    """Mutants of the constant expressions of the RTL."""
    fates = [elaboration_run.fate(verdict) for verdict in elaboration_run.read_list().values()]
    count = {fate: fates.count(fate) for fate in ("killed", "same", "argued", "alive")}
    return (
        f"{len(fates)} mutants: {count['killed']} killed, {count['same']} that no admissible "
        f"parameters tell apart, {count['argued']} argued, {count['alive']} alive"
    )


def _count(modules: Iterable[str], keep: Callable[[str], bool]) -> lists.Count:
    """What became of the listed mutants of these modules whose full names ``keep`` takes."""
    count = lists.Count()
    for module in modules:
        for unit, block in lists.read(module).items():
            for name, entry in block.entries.items():
                if keep(f"{module}:{unit} {name}"):
                    count.add(entry)
    return count


def _text(count: lists.Count) -> str:
    return (
        f"{count.total} mutants: {count.killed} killed, {count.argued} argued, {count.alive} alive"
    )


def library() -> str:
    """Mutants of golden models, checkers and statistics: all that are listed."""
    modules = [module for module in lists.modules() if lists.is_complete(module)]
    return f"{_text(_count(modules, lambda name: True))}, in {len(modules)} modules"


def sample() -> str:
    """The sample of the whole package, and the share that is killed or argued."""
    modules = [module for module in lists.modules() if module.startswith("ohmbench.")]
    count = _count(modules, lambda name: lists.draw_name(name) < lists.SHARE)
    share = proportion_interval(count.killed + count.argued, count.total)
    return (
        f"{_text(count)}; {100 * share.value:.1f} % [{100 * share.low:.1f}, "
        f"{100 * share.high:.1f}] killed or argued"
    )


_LISTS = {"rtl": rtl, "elaboration": elaboration, "library": library, "sample": sample}


def line(which: str) -> str:
    """What became of the mutants of a list: rtl, elaboration, library or sample."""
    return _LISTS[which]()
