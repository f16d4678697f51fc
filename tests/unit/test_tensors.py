"""No number depends on the default type or device that the calling program gave torch."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ohmbench
from ohmbench.digital.training import INT8_RECIPES, Int8Task
from ohmbench.families import Papers, load
from ohmbench.family import JudgeOptions as Options
from ohmbench.floatgate.training import RECIPES, FloatgateTask
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.simulation import integrate_noisy
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.training import step_generator
from tests.unit.circuits import config, random_circuit, regression_config

FACTORIES = {
    "arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "ones", "rand",
    "randint", "randn", "randperm", "tensor", "zeros",
}  # fmt: skip
LIBRARY = Path(ohmbench.__file__).parent


def unnamed(source):
    """Lines of calls that leave the type or the device of a new tensor to torch's defaults."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = node.func.value, node.func.attr
            if isinstance(owner, ast.Name) and owner.id == "torch" and name in FACTORIES:
                given = {k.arg for k in node.keywords}
                if None not in given and not given >= {"dtype", "device"}:
                    lines.append(node.lineno)
    return lines


def test_an_unnamed_type_is_noticed():
    source = "torch.zeros(3)\ntorch.ones(3, dtype=t, device=d)\ntorch.rand(3, dtype=t)\n"
    assert unnamed(source + "torch.eye(3, **FLOAT32)\nnp.zeros(3)\nx.new_zeros(3)\n") == [1, 3]


def test_every_new_tensor_names_its_type_and_device():
    found = {
        f"{path.relative_to(LIBRARY)}:{line}"
        for path in LIBRARY.rglob("*.py")
        for line in unnamed(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.fixture(params=["float64", "meta"])
def other_default(request):
    """``other_default()`` sets another default type, or a device where no tensor has numbers."""

    def set_it():
        if request.param == "meta":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(torch.float64)

    yield set_it
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["floatgate-circles", "gauss", "diabete", "diabete-mlp"])
def test_judgements(other_default, name):
    def line():
        family, network = load(name, Papers())
        return family.judge(network, Options(samples=20 if name == "gauss" else None)).line

    expected = line()
    other_default()
    assert line() == expected


def floatgate():
    return FloatgateTask(replace(RECIPES["floatgate-circles"], population=1), 0)


def int8():
    return Int8Task(INT8_RECIPES["int8-digits"], 0)


def density():
    return KirchhoffTask(config("gauss"), 0)


def regression():
    return KirchhoffTask(regression_config("toyregress", simulation__method="dopri5"), 0)


@pytest.mark.parametrize("make", [floatgate, int8, density, regression])
def test_trainings(other_default, make):
    """The same bits after an update, and of the same type."""

    def updated():
        task = make()
        for group in task.optimizer.param_groups:
            group["lr"] = 0.01
        loss = task.update(0, step_generator(0, 0))
        return loss, task.module.state_dict()

    loss, expected = updated()
    other_default()
    again, found = updated()
    assert again == loss
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_noise_of_euler_maruyama(other_default):
    circuit = random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32)

    def end():
        v = torch.zeros(4, 3, dtype=torch.float32, device="cpu")
        sides = [right_hand_side(circuit)]
        generator = torch.Generator().manual_seed(1)
        return integrate_noisy(sides, (1.0,), v, noise=0.1, step_size=0.25, generator=generator).v

    expected = end()
    other_default()
    assert torch.equal(end(), expected)
