"""Networks, images and wrong addresses through the pins of ``accelerator_axi`` of odd sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital import Int8Network, infer
from ohmbench.digital.hostmap import image_words

from .axi_pins import (
    SLVERR,
    AxiPins,
    Traffic,
    check_packets,
    image_beats,
    load_and_read_back,
)
from .configurations import AXI_ROWS, Configuration
from .directed import Script
from .many import AXI, many_build
from .stimulus import INT32, steered

Images = NDArray[np.uint8]


def axi_clocks(row: Configuration, seed: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """One of ``AXI_ROWS`` put through everything; the pins of every clock. Raises AssertionError at
    the first value that is not the golden model's, and where a wrong address is not refused."""
    pins = AxiPins(many_build(AXI, AXI_ROWS), seed=seed, which=AXI_ROWS.index(row))
    try:
        axi_traffic(pins, row, seed)
        return pins.clocks
    finally:
        pins.close()


def axi_traffic(pins: AxiPins, row: Configuration, seed: int) -> None:
    """Networks and images as bus words and beats, with pauses; addresses that nothing has; each
    class as a winner."""
    size = (row.inputs, row.hidden, row.classes)
    beyond = [8 * address for address in Script(row).beyond()]
    for k in range(2):
        rng = np.random.default_rng([seed, k, *size])
        network, images = steered(rng, size, 3)
        load_and_read_back(pins, row, network, pause=20 * k)
        assert_packets(pins, row, network, images, pause=20 * k)
        refused = Traffic()
        for address in beyond[k::2]:
            refused.write(address, 2**64 - 1)
        refused.reads.extend(beyond[k::2])
        pins.run(refused, pause=20 * k)
        assert refused.responses == [SLVERR] * len(refused.responses)
        assert refused.answers == [(0, SLVERR)] * len(refused.answers)
    for top in range(row.classes):
        load_and_read_back(pins, row, one := class_on_top(network, top))
        assert_packets(pins, row, one, images[:1])


def assert_packets(
    pins: AxiPins, row: Configuration, network: Int8Network, images: Images, *, pause: int = 0
) -> None:
    """What comes for these images is what the golden model says."""
    stream = Traffic(image_beats=image_beats(image_words(row, images)))
    pins.run(stream, packets=len(images), pause=pause)
    check_packets(row, stream.result_beats, infer(network, images))


def class_on_top(network: Int8Network, top: int) -> Int8Network:
    """Another network with biases that let the class win whatever the image; if it is an odd one,
    with a negative logit."""
    last = np.full(network.classes, INT32.min, np.int32)
    last[top] = -(2**24) if top % 2 else 2**24
    return replace(network, bias=(network.bias[0], last))
