"""Models can be carried to another process: pickled and copied, they predict the same bits."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ohmbench.digital import infer, load_int8
from ohmbench.floatgate import load_network
from ohmbench.kirchhoff.devices import ACTIVATIONS, DEVICE_NAMES, device
from ohmbench.kirchhoff.flows import noise, push_forward
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.weights import stored

CARRIED: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),  # noqa: S301 - our own bytes
    "copy": copy.deepcopy,
}
carried = pytest.mark.parametrize("carry", CARRIED.values(), ids=CARRIED)
EVERY_DEVICE = [
    *(device(name) for name in DEVICE_NAMES if name != "Device"),
    *(
        device("Device", activation=activation, difference=difference)
        for activation in ACTIVATIONS
        for difference in (False, True)
    ),
]


@carried
@pytest.mark.parametrize("kind", EVERY_DEVICE, ids=lambda d: f"{d.name}-{d.activation.name}")
def test_devices(carry: Callable[[Any], Any], kind: Any) -> None:
    again = carry(kind)
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(kind.rows, 9, generator=generator)
    v_s, v_d = torch.randn(2, 5, 9, generator=generator)
    assert torch.equal(again.current(p, v_s, v_d), kind.current(p, v_s, v_d))
    y = kind.activation.phi(v_s)
    assert torch.equal(again.activation.slope(v_s, y), kind.activation.slope(v_s, y))


@carried
@pytest.mark.parametrize("name", ["twomoon", "circle"])
def test_circuits(carry: Callable[[Any], Any], name: str) -> None:
    """Also after the compiled path was used."""
    model = load_kirchhoff(stored(name)).model
    z = noise(model, 20, torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = push_forward(model, z)
        after = push_forward(carry(model), z)
    assert torch.equal(after.x, before.x)
    assert torch.equal(after.log_density, before.log_density)


@carried
def test_whole_files(carry: Callable[[Any], Any]) -> None:
    """A network with its data: of each family, as a process pool gets it."""
    circuit = carry(load_kirchhoff(stored("diabete")))
    original = load_kirchhoff(stored("diabete"))
    x = original.source.labelled(0).test_x
    with torch.no_grad():
        assert torch.equal(circuit.model(x), original.model(x))
    floatgate = load_network(stored("floatgate-circles"))
    again = carry(floatgate)
    with torch.no_grad():
        assert torch.equal(again.network(again.v), floatgate.network(floatgate.v))
    int8 = load_int8(stored("int8-digits"))
    images = int8.images().x[:50]
    found = infer(carry(int8).network, images)
    assert (found.logits == infer(int8.network, images).logits).all()
