"""Operands laid out in memory in any way give the results of their contiguous copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ohmbench.digital import (
    Int8Network,
    evaluate_int8,
    infer,
    infer_all,
    infer_plain,
    load_int8,
    quantize_pixels,
    save_int8,
)
from ohmbench.digital.store import Images
from ohmbench.files import ArraySpec, read_npz, read_pth, write_npz, write_pth
from ohmbench.floatgate import (
    EKV,
    SPECS,
    FGNetwork,
    evaluate,
    line_currents,
    load_network,
    save_network,
)
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.simulation import Solver, integrate
from tests.unit.circuits import T0, random_circuit, voltages
from tests.unit.int8_networks import random_int8
from tests.unit.networks import random_network
from tests.unit.row_checks import operands
from tests.unit.transform_cases import CASES, Case, Tensor

# ------------------------------------------------------------------------------------------------
# Layouts: each gives the values of a tensor another place in memory


def strided(x: Tensor) -> Tensor:
    """Every third element of a larger tensor along each dimension."""
    if x.ndim == 0:
        return torch.stack([x, x])[1]
    wide = x.new_full([3 * n + 1 for n in x.shape], float("nan") if x.is_floating_point() else 7)
    found = wide[tuple(slice(1, 3 * n + 1, 3) for n in x.shape)]
    found.copy_(x.detach())
    return found


def transposed(x: Tensor) -> Tensor:
    """The last dimension runs slowest."""
    return x.detach().permute(*range(x.ndim)[::-1]).contiguous().permute(*range(x.ndim)[::-1])


def negated(x: Tensor) -> Tensor:
    """A view that torch negates when it is read."""
    return torch._neg_view(-x.detach())


def asking(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def from_graph(x: Tensor) -> Tensor:
    """No leaf, but the result of something that is differentiated."""
    return asking(x) * 1


def offset(x: Tensor) -> Tensor:
    """Not at the beginning of its storage, nor at a multiple of a vector's width."""
    flat = torch.cat([x.new_zeros(3), x.detach().flatten()])
    return flat[3:].view(x.shape)


LAYOUTS = (strided, transposed, negated, asking, from_graph, offset)
each_layout = pytest.mark.parametrize("layout", LAYOUTS)


def expanded(x: Tensor) -> Tensor:
    """The first of each row for all of it, in one place of memory: stride 0."""
    return x.detach()[..., :1].clone().expand(x.shape)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype
    assert torch.equal(found.detach(), expected.detach()), (
        f"off by {float((found - expected).detach().abs().max()):g}"
    )


@each_layout
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_public_functions(case: Case, layout: Callable[[Tensor], Tensor]) -> None:
    x = case.x[0]
    moved = layout(x)
    assert torch.equal(moved.detach(), x)
    assert_equal(case.f(moved), case.f(x))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_public_functions_of_one_number_in_many_places(case: Case) -> None:
    x = case.x[0]
    if x.ndim == 0:
        pytest.skip("a sample of this function is one number")
    assert_equal(case.f(expanded(x)), case.f(expanded(x).contiguous()))


# ------------------------------------------------------------------------------------------------
# Fast paths, in whose compiled loops a place in memory matters


def laid_out(seed: int, layout: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """A float32 batch and the same in another layout."""
    x = 1.9 + 0.5 * torch.rand(37, 50, generator=torch.Generator().manual_seed(seed))
    return x, layout(x)


@each_layout
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("path", ["fused", "plain"])
def test_rows(layout: Callable[[Tensor], Tensor], dtype: torch.dtype, path: str) -> None:
    ops = operands(EKV, 1, batch=11, out=7, inputs=13, dtype=dtype)
    expected = line_currents(*ops, path=path)
    moved = line_currents(ops.cell, *map(layout, ops[1:]), path=path)
    for found, wanted in zip(moved, expected, strict=True):
        if path == "fused":
            assert_equal(found, wanted)
        else:  # torch adds up in the order in which numbers lie in memory
            rounding = 13 * torch.finfo(dtype).eps
            assert torch.allclose(found.detach(), wanted.detach(), rtol=rounding, atol=0)


@each_layout
def test_gradients_of_rows(layout: Callable[[Tensor], Tensor]) -> None:
    """By what the gradient of the result is laid out as, and by the operands."""
    ops = operands(EKV, 2, batch=5, out=4, inputs=6, dtype=torch.float32)
    wanted = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for move in (lambda x: x, layout):
        v, w = asking(ops.v), asking(ops.w)
        currents = line_currents(EKV, v, w, ops.bias, path="fused")
        found.append(torch.autograd.grad(currents.pos, (v, w), move(wanted).detach()))
    for a, b in zip(*found, strict=True):
        assert_equal(a, b)


@each_layout
@pytest.mark.parametrize("path", ["fused", "dense", "plain"])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_circuits(layout: Callable[[Tensor], Tensor], path: str, method: str) -> None:
    circuit = random_circuit(5, 4, 10, "ShiftTanh2", dtype=torch.float32, scale=0.5)
    moved = Circuit(circuit.topology, circuit.device, layout(circuit.param).detach())
    v = voltages(3, 9, 4, torch.float32)
    solver = Solver(method, tol=1e-3, step_size=0.1)
    ends = [
        integrate([right_hand_side(c, path)], [0.5], x, solver, divergence=True)
        for c, x in ((circuit, v), (moved, layout(v)))
    ]
    assert_equal(ends[1].v, ends[0].v)
    assert_equal(ends[1].delta, ends[0].delta)


@each_layout
def test_fused_evaluations(layout: Callable[[Tensor], Tensor]) -> None:
    """Node-major voltages, which no function turns before the loops read them."""
    side = right_hand_side(random_circuit(5, 4, 10, dtype=torch.float32), "fused")
    v = voltages(3, 9, 4, torch.float32).t().contiguous()
    for found, wanted in zip(
        side.with_divergence(T0, layout(v)), side.with_divergence(T0, v), strict=True
    ):
        assert_equal(found, wanted)
    assert_equal(side.derivative(T0, expanded(v)), side.derivative(T0, expanded(v).contiguous()))


# ------------------------------------------------------------------------------------------------
# Judges and files


def moved_network(layout: Callable[[Tensor], Tensor]) -> tuple[FGNetwork, FGNetwork]:
    network = random_network(SPECS["floatgate-circles"], seed=3)
    layers = network.fg_layers
    moved = FGNetwork(
        network.spec,
        [layout(layer.weight).detach() for layer in layers],
        [layout(layer.bias).detach() for layer in layers],
    )
    return network, moved


@each_layout
def test_evaluations_and_files(layout: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    network, moved = moved_network(layout)
    v = 1.8 + 0.7 * torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    other_labels = strided(labels) if layout is not transposed else transposed(labels)
    one, other = evaluate(network, v, labels), evaluate(moved, layout(v), other_labels)
    assert_equal(other.outputs, one.outputs)
    assert torch.equal(other.confusion, one.confusion)
    for made, name in ((network, "plain"), (moved, "moved")):
        save_network(tmp_path / name, made, seed=1, recipe="{}", history=np.zeros((1, 3)))
    assert (tmp_path / "moved").read_bytes() == (tmp_path / "plain").read_bytes()
    assert_equal(load_network(tmp_path / "moved").network(v), network(v))
    write_pth(tmp_path / "f.pth", {"w": layout(v), "e": expanded(v)})
    found = read_pth(tmp_path / "f.pth")
    assert found["w"].tobytes() == v.numpy().tobytes()
    assert found["e"].tobytes() == expanded(v).contiguous().numpy().tobytes()
    if layout is not negated:  # which torch cannot save
        torch.save({"w": layout(v).detach(), "e": expanded(v)}, tmp_path / "f.pth")
        assert read_pth(tmp_path / "f.pth")["w"].tobytes() == v.numpy().tobytes()


# ------------------------------------------------------------------------------------------------
# Integers, which are numpy's


def reversed_twice(x: np.ndarray) -> np.ndarray:
    """Negative strides."""
    whole = tuple(slice(None, None, -1) for _ in x.shape)
    return x[whole].copy()[whole]


def read_only(x: np.ndarray) -> np.ndarray:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def columns_first(x: np.ndarray) -> np.ndarray:
    """Fortran's order."""
    return np.asfortranarray(x)


ARRAYS = (
    reversed_twice,
    read_only,
    columns_first,
    lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
)


@pytest.mark.parametrize("layout", ARRAYS)
def test_integers(layout: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    network, x = random_int8(4, sizes=(13, 9, 5), images=600)
    moved = Int8Network(
        tuple(map(layout, network.weight)), tuple(map(layout, network.bias)), network.M, network.S
    )
    assert moved == network
    labels = np.arange(600) % 5
    for path in ("auto", "plain"):
        one = infer_all(network, x, path=path)
        for run in (infer_all, infer):
            other = run(moved, layout(x), path=path)
            for name, wanted in vars(one).items():
                assert np.array_equal(getattr(other, name), wanted), name
    assert infer_plain(moved, layout(x)[3]) == infer_plain(network, x[3])
    one, other = (
        evaluate_int8(n, images, y)
        for n, images, y in ((network, x, labels), (moved, layout(x), layout(labels)))
    )
    assert np.array_equal(one.confusion, other.confusion)
    features = np.linspace(0, 1, 24).reshape(4, 6)
    assert np.array_equal(quantize_pixels(layout(features)), quantize_pixels(features))
    save_int8(tmp_path / "f.npz", moved, images=Images(layout(x), layout(labels), "test"))
    assert load_int8(tmp_path / "f.npz").network == network


@pytest.mark.parametrize("layout", ARRAYS)
def test_arrays_in_files(layout: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    spread = np.broadcast_to(x[:1], x.shape)
    write_npz(tmp_path / "f.npz", {"x": layout(x), "spread": spread})
    schema = [ArraySpec(name, (4, 6), ("float32",)) for name in ("x", "spread")]
    found = read_npz(tmp_path / "f.npz", schema)
    assert np.array_equal(found["x"], x)
    assert np.array_equal(found["spread"], spread)
