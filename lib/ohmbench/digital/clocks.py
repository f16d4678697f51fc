"""Clock counts of this project's accelerator; other modules take them from here.

An image takes ``groups * words`` clocks, and the next one may start immediately after. With short
images there are two more limits. The readout handles one result at a time. And at most two images
may be between their start and the acceptance of their result, so that nothing inside ever stalls:
an image starts only after the result of the image two before it was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ohmbench.digital.widths import Hardware

_PIPELINE = 18
"""The part of the latency, in clocks, that does not depend on the sizes."""
_READOUT = 6
"""Clocks from result to result while the readout is busy, in addition to one per two classes."""


@dataclass(frozen=True)
class ImageClocks:
    """Clock counts for images that arrive without pauses, with every result accepted at once.

    ``load``: clocks in which the words of an image arrive. ``latency``: from the clock that takes
    the last word to the first clock with the result, if no other image delays it. ``interval``:
    longest time from result to result. ``mean_interval``: its mean while images keep arriving. If
    the two are equal, results are evenly spaced; otherwise ``interval`` and ``2 * mean_interval -
    interval`` alternate, and differ less if the first images arrived with pauses.
    """

    load: int
    latency: int
    interval: int
    mean_interval: float


def image_clocks(hardware: Hardware, *, result_beats: int = 1) -> ImageClocks:
    """Clock counts of ``hardware`` as built by ``hdl/accelerator.v``.

    ``result_beats``: clocks needed to take a result: 1 from the core itself, ``classes + 1``
    through ``accelerator_axi.v``.
    """
    work = hardware.groups * hardware.words
    pairs = (hardware.classes + 1) // 2
    more = result_beats - 1
    latency = work + hardware.steps + pairs + _PIPELINE
    least = max(work, pairs + _READOUT + more)
    # From the start of one image to the start of the second image after it.
    two = latency + more
    return ImageClocks(
        load=hardware.words,
        latency=latency,
        interval=max(least, two - least),
        mean_interval=float(max(least, two / 2)),
    )
