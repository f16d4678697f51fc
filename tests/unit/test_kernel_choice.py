"""Which path "auto" takes, and how a user makes it the reference everywhere."""

import numpy as np
import pytest
import torch

from ohmbench.digital import golden, infer
from ohmbench.errors import OperandError
from ohmbench.floatgate import EKV, line_currents
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kirchhoff.circuit import PlainRightHandSide
from ohmbench.kirchhoff.execution import right_hand_side
from tests.unit.circuits import random_circuit
from tests.unit.int8_networks import random_int8
from tests.unit.row_checks import operands


@pytest.fixture(params=["auto", "", "plain"])
def preferred(request, monkeypatch):
    monkeypatch.setenv(PATH_VARIABLE, request.param)
    return request.param or "auto"


def test_circuits(preferred) -> None:
    circuit = random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32)
    chosen = right_hand_side(circuit)
    assert isinstance(chosen, PlainRightHandSide) == (preferred == "plain")
    assert not isinstance(right_hand_side(circuit, "fused"), PlainRightHandSide)


def test_rows(preferred) -> None:
    ops = operands(EKV, 0, batch=3, out=4, inputs=50, dtype=torch.float32)
    auto, fused, plain = (line_currents(*ops, path=p).pos for p in ("auto", "fused", "plain"))
    assert not torch.equal(fused, plain)
    assert torch.equal(auto, plain if preferred == "plain" else fused)


def test_integers(preferred, monkeypatch) -> None:
    network, images = random_int8(0)
    expected = infer(network, images, path="plain").logits
    asked = []
    monkeypatch.setattr(
        golden, "integer_product", lambda x, w: asked.append(1) or golden._plain_product(x, w)
    )
    assert np.array_equal(infer(network, images).logits, expected)
    assert bool(asked) == (preferred == "auto")


def test_another_word_is_refused(monkeypatch) -> None:
    monkeypatch.setenv(PATH_VARIABLE, "fast")
    network, images = random_int8(0)
    with pytest.raises(OperandError, match="OHMBENCH_PATH is 'fast', but should be"):
        infer(network, images)


@pytest.mark.parametrize("path", ["nonsense", "", "PLAIN", None, 3])
def test_what_is_no_path(path) -> None:
    """It would be taken for another one, and a slow path measured as the fast one."""
    network, images = random_int8(0)
    with pytest.raises(OperandError, match="path is"):
        infer(network, images, path=path)
    with pytest.raises(OperandError, match="path is"):
        right_hand_side(random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32), path)
    ops = operands(EKV, 0, batch=3, out=4, inputs=5, dtype=torch.float32)
    with pytest.raises(OperandError, match="one of 'auto', 'plain', 'fused'"):
        line_currents(*ops, path=path)


def test_what_torch_transforms_takes_another_path(monkeypatch) -> None:
    """By itself, whatever is installed; and says so where the fused path was asked for."""
    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    circuit = random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32)
    v = torch.full((2, 3), 0.3)

    def derivative(x, path="auto"):
        return right_hand_side(circuit, path).derivative(torch.tensor(0.0), x[None])[0]

    found = torch.func.vmap(derivative)(v)
    assert torch.allclose(found, torch.stack([derivative(x, "plain") for x in v]), atol=1e-5)
    with pytest.raises(OperandError, match="the fused path"):
        torch.func.vmap(lambda x: derivative(x, "fused"))(v)
