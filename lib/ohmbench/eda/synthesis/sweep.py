"""The same network with more and fewer lanes: what parallelism costs and brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import check_buildable
from ohmbench.eda.synthesis.defaults import FlowName
from ohmbench.eda.synthesis.flows import Finished, check_tools, least_requants, synthesise
from ohmbench.eda.synthesis.runs import DoesNotFit


@dataclass(frozen=True)
class Point:
    """One hardware of a sweep: what was found, or why there is nothing (``reason``)."""

    hardware: Hardware
    finished: Finished | None
    reason: str = ""


def candidates(base: Hardware, lanes: Sequence[int]) -> list[Hardware]:
    """``base`` with each number of lanes and the fewest requantisers it can have. Raises RangeError
    for one that cannot be built."""
    found = [least_requants(replace(base, lanes=n)) for n in lanes]
    for hardware in found:
        check_buildable(hardware)
    return found


def sweep(
    flow: FlowName,
    hardware: Sequence[Hardware],
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    on_step: Callable[[str], None] = lambda step: None,
    on_point: Callable[[Point], None] = lambda point: None,
) -> list[Point]:
    """Each hardware through the flow. What is in the cache takes no time, so a sweep that was
    interrupted goes on where it was. One that does not fit the device is a point with a reason.

    ``jobs`` seeds at a time. ``on_step`` is told what begins, ``on_point`` what is done. Raises as
    ``synthesise``.
    """
    check_tools(flow)
    points = []
    for one in hardware:

        def step(what: str, one: Hardware = one) -> None:
            on_step(f"{one.lanes} lanes, {what}")

        try:
            point = Point(one, synthesise(flow, one, seeds, jobs=jobs, on_step=step))
        except DoesNotFit as error:
            point = Point(one, None, str(error))
        points.append(point)
        on_point(point)
    return points
