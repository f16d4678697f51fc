"""The same network with more and fewer lanes: the cost and the gain of parallelism."""

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
    """One hardware of a sweep: its results, or the ``reason`` why there are none."""

    hardware: Hardware
    finished: Finished | None
    reason: str = ""


def candidates(base: Hardware, lanes: Sequence[int]) -> list[Hardware]:
    """``base`` with each number of lanes and the fewest requantisers possible. Raises RangeError
    for hardware that cannot be built.
    """
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
    """Run each hardware through the flow. Cached results take no time, so an interrupted sweep
    continues where it stopped. Hardware that does not fit the device becomes a point with a
    reason.

    ``jobs``: seeds run at a time. ``on_step`` is called with each step that begins, ``on_point``
    with each point that is done. Raises as ``synthesise``.
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
