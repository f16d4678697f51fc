"""How many clocks the accelerator of this project takes: the one place that says so.

An image is worked on for ``groups * words`` clocks; the next may start right behind it. Two more
things can keep it waiting where an image is short. The readout takes one result at a time. And of
images between their start and the acceptance of their result there are two at most, so that nothing
inside ever stalls: an image starts once the result of the last but one was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ohmbench.digital.widths import Hardware

_PIPELINE = 18
"""Clocks of latency that do not depend on the sizes."""
_READOUT = 6
"""Clocks from result to result, beyond one for every two classes, at which the readout is busy."""


@dataclass(frozen=True)
class ImageClocks:
    """Clock counts of images that come without a pause to a sink that takes every result at once.

    ``load``: in which an image's words come. ``latency``: from the one that takes the last of them
    to the first with the result, when nothing is in the way. ``interval``: from result to result,
    at most. ``mean_interval``: on average, as long as images come. Where the two are the same,
    results come evenly; otherwise ``interval`` and ``2 * mean_interval - interval`` take turns, and
    are closer to each other when the first images came with pauses.
    """

    load: int
    latency: int
    interval: int
    mean_interval: float


def image_clocks(hardware: Hardware, *, result_beats: int = 1) -> ImageClocks:
    """Clock counts of ``hardware`` as ``hdl/accelerator.v`` builds it.

    ``result_beats``: clocks in which a result is taken: 1 from the core itself, ``classes + 1``
    through ``accelerator_axi.v``.
    """
    work = hardware.groups * hardware.words
    pairs = (hardware.classes + 1) // 2
    more = result_beats - 1
    latency = work + hardware.steps + pairs + _PIPELINE
    least = max(work, pairs + _READOUT + more)
    # From the start of one image to that of the last but one after it.
    two = latency + more
    return ImageClocks(
        load=hardware.words,
        latency=latency,
        interval=max(least, two - least),
        mean_interval=float(max(least, two / 2)),
    )
