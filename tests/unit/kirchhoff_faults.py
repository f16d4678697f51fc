"""Faults planted in KirchhoffNet, each with the named check that has to notice it.

A fault replaces text in the source of one function. Every caller sees it: the function keeps its
identity and gets other code. Compiled kernels run as the Python they were written in, their loops
over edges only where the fault is in them.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest

import ohmbench.kernels.edge_pass as edge_pass
import ohmbench.kernels.fused_circuit as fused_circuit

_K, _N = "ohmbench.kirchhoff", "ohmbench.kernels"


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new`` wherever it stands in ``function`` of ``module``; ``check`` fails.

    ``check`` is module:function in tests.unit, with arguments after it.
    """

    module: str
    function: str
    old: str
    new: str
    check: str
    arguments: tuple[Any, ...] = ()


def resolve(module: str, function: str) -> Any:
    return reduce(getattr, function.split("."), importlib.import_module(module))


def _executed(function: Any, old: str, new: str, names: dict[str, Any]) -> Any:
    """The function compiled from its changed source, in ``names``."""
    source = textwrap.dedent(inspect.getsource(function))
    assert old in source, f"{function.__qualname__} has no {old!r} any more: bring the fault along"
    code = compile(
        "from __future__ import annotations\n" + source.replace(old, new),
        inspect.getfile(function),
        "exec",
    )
    exec(code, names)  # noqa: S102 - this repository's own source
    return names[function.__name__]


def _uncompiled(**options: Any) -> Any:
    """In numba's place."""
    return lambda function: function


_ENTRIES = {
    "evaluate": ("evaluate_batch",),
    "differentiate": ("differentiate_batch",),
    "_nodes": ("rk4", "rk4_back"),
}
"""Function of ``edge_pass`` -> what the fused path calls that contains it; others are called."""


def _plant_kernel(patch: pytest.MonkeyPatch, fault: Fault, dispatcher: Any) -> None:
    names = {**vars(edge_pass), "njit": _uncompiled}
    changed = _executed(dispatcher.py_func, fault.old, fault.new, names)
    if fault.function not in _ENTRIES:
        patch.setattr(fused_circuit, fault.function, changed)
    for entry in _ENTRIES.get(fault.function, ()):
        # Compiled code calls compiled code: its callers have to be Python too.
        names = {**vars(edge_pass), fault.function: changed, "njit": _uncompiled}
        caller = _executed(getattr(edge_pass, entry).py_func, "", "", names)
        patch.setattr(fused_circuit, entry, caller)


def plant(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Put the fault in place until ``patch`` is undone."""
    function = resolve(fault.module, fault.function)
    if hasattr(function, "py_func"):
        _plant_kernel(patch, fault, function)
        return
    names = dict(vars(importlib.import_module(fault.module)))
    # Under decorators: what they wrap is what runs.
    changed = _executed(function, fault.old, fault.new, names)
    changed = inspect.unwrap(getattr(changed, "__func__", changed))
    patch.setattr(inspect.unwrap(function), "__code__", changed.__code__)


_DEVICES, _TOPOLOGIES = f"{_K}.devices", f"{_K}.topologies"
_CIRCUIT, _SIMULATION, _FLOWS = f"{_K}.circuit", f"{_K}.simulation", f"{_K}.flows"
_EVALUATION, _DENSE = f"{_K}.evaluation", f"{_N}.dense_circuit"
_FUSED, _EDGES = f"{_N}.fused_circuit", f"{_N}.edge_pass"
_BASELINES, _NETWORK, _STORE = f"{_K}.baselines", f"{_K}.network", f"{_K}.store"
_RHS = "PlainRightHandSide"

FAULTS: dict[str, Fault] = {
    # Devices
    "threshold-added": Fault(
        _DEVICES, "_difference_threshold", "-p[0])", "p[0])", "kirchhoff_checks:check_formulas"
    ),
    "gain-and-threshold-swapped": Fault(
        _DEVICES, "_difference_gain", "p[1], -p[1], p[0]", "p[0], -p[0], p[1]",
        "kirchhoff_checks:check_formulas",
    ),
    "two-voltages-swapped": Fault(
        _DEVICES, "_two_voltages", "p[0], p[1], p[2]", "p[1], p[0], p[2]",
        "kirchhoff_checks:check_formulas",
    ),
    "leaky-slope": Fault(
        _DEVICES, "_leaky_step", "LEAKY_SLOPE", "0.1", "kirchhoff_checks:check_trace"
    ),
    "slope-in-single-precision": Fault(
        _DEVICES, "_leaky_step", "LEAKY_SLOPE)", "LEAKY_SLOPE).float().to(u.dtype)",
        "kirchhoff_checks:check_trace",
    ),
    # Topologies
    "there-and-back-swapped": Fault(
        _TOPOLOGIES, "_there_and_back", "_nodes(source), _nodes(destination)",
        "_nodes(destination), _nodes(source)", "kirchhoff_checks:check_fully_connect",
    ),
    "ground-always-included": Fault(
        _TOPOLOGIES, "fully_connect", "first = 0 if include_gnd else 1", "first = 0",
        "kirchhoff_checks:check_fully_connect",
    ),
    "every-pair-once": Fault(
        _TOPOLOGIES, "fully_connect", "different = i != j", "different = i < j",
        "kirchhoff_checks:check_fully_connect",
    ),
    "margin-off-by-one": Fault(
        _TOPOLOGIES, "neighbor_index", "pad = neighbor_size - 1", "pad = neighbor_size - 2",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "windows-by-columns": Fault(
        _TOPOLOGIES, "neighbor_index", "transpose(1, 2, 0, 3, 4)", "transpose(2, 1, 0, 3, 4)",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "channels-innermost": Fault(
        _TOPOLOGIES, "neighbor_index", "transpose(1, 2, 0, 3, 4)", "transpose(1, 2, 3, 4, 0)",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "nodes-counted-from-0": Fault(
        _TOPOLOGIES, "neighbor_index",
        "np.arange(1, num_channel * height * width + 1",
        "np.arange(0, num_channel * height * width",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "copies-share-too": Fault(
        _TOPOLOGIES, "neighbor_index", "copies * (int(shared.max()) + 1)", "copies * 0",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "copies-joined": Fault(
        _TOPOLOGIES, "neighbor_index", "shift = copies * len(numbers)", "shift = copies",
        "kirchhoff_checks:check_neighbor_index",
    ),
    "ground-edges-turned": Fault(
        _TOPOLOGIES, "mix_connect", "_there_and_back(grid, np.zeros_like(grid), repeat)",
        "_there_and_back(np.zeros_like(grid), grid, repeat)",
        "kirchhoff_checks:check_mix_connect",
    ),
    "extra-node-off-by-one": Fault(
        _TOPOLOGIES, "mix_connect", "_there_and_back(i, m + n + 1, repeat)",
        "_there_and_back(i + 1, m + n + 1, repeat)", "kirchhoff_checks:check_mix_connect",
    ),
    "extra-edges-first": Fault(
        _TOPOLOGIES, "mix_connect", "ground[0], extra[0]", "extra[0], ground[0]",
        "kirchhoff_checks:check_mix_connect",
    ),
    # Circuits
    "source-and-destination-swapped": Fault(
        _CIRCUIT, f"{_RHS}._scatter",
        "self._c.destination, i).index_add(1, self._c.source, -i)",
        "self._c.source, i).index_add(1, self._c.destination, -i)",
        "kirchhoff_checks:check_derivative",
    ),
    "ground-edge-dropped": Fault(
        _CIRCUIT, f"{_RHS}._scatter", "net = i.new_zeros",
        "i = i * (self._c.source * self._c.destination != 0)\n    net = i.new_zeros",
        "kirchhoff_checks:check_derivative",
    ),
    "charge-lost": Fault(
        _CIRCUIT, f"{_RHS}._scatter", ".index_add(1, self._c.source, -i)", "",
        "kirchhoff_checks:check_current_law",
    ),
    "ground-at-1-V": Fault(
        _CIRCUIT, f"{_RHS}._drive", "pad(v, (1, 0))", "pad(v, (1, 0), value=1.0)",
        "kirchhoff_checks:check_derivative",
    ),
    "shared-parameters-by-rank": Fault(
        _CIRCUIT, "Circuit.coefficients", "self.column]", "self.column.sort()[0]]",
        "kirchhoff_checks:check_derivative",
    ),
    "sign-of-the-trace": Fault(
        _CIRCUIT, f"{_RHS}.with_divergence", "@ self._trace", "@ -self._trace",
        "kirchhoff_checks:check_trace",
    ),
    "ground-in-the-trace": Fault(
        _CIRCUIT, f"{_RHS}.__init__", "circuit.destination != GROUND", "circuit.destination >= 0",
        "kirchhoff_checks:check_trace",
    ),
    "trace-off-the-diagonal": Fault(
        _CIRCUIT, "AutogradDivergence.with_divergence", "row[:, n]", "row[:, n - 1]",
        "kirchhoff_checks:check_trace",
    ),
    "derivative-beside-the-trace": Fault(
        _CIRCUIT, f"{_RHS}.with_divergence", "self._coefficients.g * y", "y",
        "kirchhoff_checks:check_trace",
    ),
    # Simulation
    "slices-in-order-on-the-way-back": Fault(
        _SIMULATION, "integrate", "range(len(slices) - 1, -1, -1) if reverse",
        "range(len(slices)) if reverse", "kirchhoff_checks:check_reverse",
    ),
    "time-forward-on-the-way-back": Fault(
        _SIMULATION, "integrate", "times.flip(0) if reverse else times", "times",
        "kirchhoff_checks:check_reverse",
    ),
    "duration-of-another-slice": Fault(
        _SIMULATION, "integrate", "float(durations[k])", "float(durations[-1 - k])",
        "kirchhoff_checks:check_scipy",
    ),
    "fixed-steps-forward-on-the-way-back": Fault(
        _SIMULATION, "_nodes", "torch.sign(end - start)", "1", "kirchhoff_checks:check_reverse"
    ),
    "sign-of-delta": Fault(
        _SIMULATION, "_odeint", "return dv, -trace", "return dv, trace",
        "kirchhoff_checks:check_gaussian",
    ),
    "delta-of-the-last-slice-only": Fault(
        _SIMULATION, "integrate", "delta + found[1][-1]", "found[1][-1]",
        "kirchhoff_checks:check_change_of_variables",
    ),
    "end-interpolated": Fault(
        _SIMULATION, "Solver._options", '"step_t": times[[0, -1]], ', "",
        "kirchhoff_checks:check_adaptive",
    ),
    "tolerance-forgotten": Fault(
        _SIMULATION, "_odeint", '"rtol": solver.tol, "atol": solver.tol',
        '"rtol": 1e-3, "atol": 1e-3',
        "kirchhoff_checks:check_adaptive",
    ),
    "half-step-of-the-midpoint": Fault(
        "torchdiffeq._impl.fixed_grid", "Midpoint._step_func", "0.5 * dt", "dt",
        "kirchhoff_checks:check_order", (["midpoint"],),
    ),
    "weight-of-heuns-stage": Fault(
        "torchdiffeq._impl.fixed_grid", "Heun2._step_func", "1/2, 1/2", "3/4, 1/4",
        "kirchhoff_checks:check_order", (["heun2"],),
    ),
    "weight-of-heuns-third-stage": Fault(
        "torchdiffeq._impl.fixed_grid", "Heun3._step_func", "[2/3, 0.0, 2/3, 0.0]",
        "[2/3, 1/3, 1/3, 0.0]", "kirchhoff_checks:check_order", (["heun3"],),
    ),
    "stage-of-the-fourth-order": Fault(
        "torchdiffeq._impl.rk_common", "rk4_alt_step_func", "(k2 - k1 * _one_third)",
        "(k2 - k1 * _one_third) * 0.99", "kirchhoff_checks:check_order", (["rk4"],),
    ),
    "adjoint-of-some-parameters": Fault(
        _SIMULATION, "_odeint", "tuple(x for x in rhs.tensors if x.requires_grad)",
        "tuple(x for x in rhs.tensors if x.requires_grad)[1:]", "kirchhoff_checks:check_adjoint",
    ),
    "noise-of-a-step": Fault(
        _SIMULATION, "integrate_noisy", "dt**0.5", "dt", "kirchhoff_checks:check_noise"
    ),
    "noise-shared-by-nodes": Fault(
        _SIMULATION, "integrate_noisy", "torch.randn(v.shape,", "torch.randn((len(v), 1),",
        "kirchhoff_checks:check_noise",
    ),
    # Flows
    "density-there": Fault(
        _FLOWS, "push_forward", "+ found.delta", "- found.delta", "kirchhoff_checks:check_gaussian"
    ),
    "density-back": Fault(
        _FLOWS, "pull_back", "- found.delta", "+ found.delta", "kirchhoff_checks:check_both_ways"
    ),
    "normalised-as-in-one-dimension": Fault(
        _FLOWS, "log_normal", "0.5 * z.shape[1] * math", "0.5 * math",
        "kirchhoff_checks:check_integral",
    ),
    "noise-without-its-half": Fault(
        _FLOWS, "log_normal", "-0.5 * (z * z)", "-(z * z)", "kirchhoff_checks:check_integral"
    ),
    # Fast paths
    "dense-edges-turned": Fault(
        _DENSE, "DenseRightHandSide.__init__", "enters - leaves", "leaves - enters",
        "kernel_checks:check_dense_evaluation",
    ),
    "dense-trace": Fault(
        _DENSE, "DenseRightHandSide.__init__", "- a * leaves.sum(0)", "+ a * leaves.sum(0)",
        "kernel_checks:check_dense_evaluation",
    ),
    "dense-with-ground-for-a-node": Fault(
        _DENSE, "DenseRightHandSide.__init__", "arange(1, circuit.topology.n_free + 1)",
        "arange(circuit.topology.n_free)", "kernel_checks:check_dense_evaluation",
    ),
    "fused-trace": Fault(
        _FUSED, "FusedRightHandSide.__init__", "- a * (circuit.source", "+ a * (circuit.source",
        "kernel_checks:check_fused_evaluation",
    ),
    "fused-ground-in-the-trace": Fault(
        _FUSED, "FusedRightHandSide.__init__", "circuit.destination != GROUND",
        "circuit.destination >= 0", "kernel_checks:check_fused_evaluation",
    ),
    "fused-last-lanes": Fault(
        _FUSED, "_in_parts", "min(batch, LANES * (rows * p // parts))",
        "LANES * (batch // LANES * p // parts)", "kernel_checks:check_fused_evaluation",
    ),
    "fused-parts-of-a-gradient": Fault(
        _FUSED, "_Rk4.backward", "sums[:parts].sum(0)", "sums[0]", "kernel_checks:check_fused_slice"
    ),
    "fused-delta": Fault(
        _SIMULATION, "_fused", "return v, -div", "return v, div", "kernel_checks:check_fused_slice"
    ),
    "fused-forward-on-the-way-back": Fault(
        _SIMULATION, "_fused", "ends.flip(0) if reverse else ends", "ends",
        "kernel_checks:check_fused_slice",
    ),
    "edge-turned": Fault(
        _EDGES, "evaluate", "in_d[k] += i", "in_d[k] -= i", "kernel_checks:check_fused_edges"
    ),
    "edge-slope": Fault(
        _EDGES, "evaluate", "w * (_ONE - y * y)", "w * (_ONE - y)",
        "kernel_checks:check_fused_edges",
    ),
    "edge-half-of-a-second-derivative": Fault(
        _EDGES, "differentiate", "_TWO * w * y", "w * y", "kernel_checks:check_fused_edges"
    ),
    "edge-gradient-of-the-wrong-end": Fault(
        _EDGES, "differentiate", "of_b += u * v_d[k]", "of_b += u * v_s[k]",
        "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-turned": Fault(
        _EDGES, "differentiate", "i = want_d[k] - want_s[k]", "i = want_s[k] - want_d[k]",
        "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-of-kinks": Fault(
        _EDGES, "differentiate", "slope = _ONE if drive > _ZERO else low", "slope = _ONE",
        "kernel_checks:check_fused_edges",
    ),
    "stage-without-its-third": Fault(
        _EDGES, "_nodes", "h * _THIRD * k[0]", "h * k[0]", "kernel_checks:check_fused_slice"
    ),
    "stage-sign": Fault(
        _EDGES, "_nodes", "k[1] - _THIRD * k[0]", "k[1] + _THIRD * k[0]",
        "kernel_checks:check_fused_slice",
    ),
    "ground-moves": Fault(
        _EDGES, "_nodes", "k[stage, 0] = 0", "pass", "kernel_checks:check_fused_slice"
    ),
    "weights-of-the-stages": Fault(
        _EDGES, "rk4", "_THREE * (k[1] + k[2])", "k[1] + k[2]", "kernel_checks:check_fused_slice"
    ),
    "divergence-of-the-last-step": Fault(
        _EDGES, "rk4", "sums +=", "sums[:] =", "kernel_checks:check_fused_slice"
    ),
    "way-back-from-the-wrong-node": Fault(
        _EDGES, "rk4_back", "path[step]", "path[step + 1]", "kernel_checks:check_fused_slice"
    ),
    "way-back-stage-sign": Fault(
        _EDGES, "rk4_back", "of_k[1] -= dt * of_y", "of_k[1] += dt * of_y",
        "kernel_checks:check_fused_slice",
    ),
    "way-back-third": Fault(
        _EDGES, "rk4_back", "of_k[0] += dt * _THIRD * of_y", "of_k[0] += dt * of_y",
        "kernel_checks:check_fused_slice",
    ),
    "way-back-weights-of-the-divergence": Fault(
        _EDGES, "rk4_back", "stage == 1 or stage == 2", "stage == 1",
        "kernel_checks:check_fused_slice",
    ),
    # Networks, files, baselines
    "filled-in-front": Fault(
        _NETWORK, "filled", "(0, width - n)", "(width - n, 0)",
        "test_kirchhoff_network:test_fill", ("zeros", [1.0, 2.0, 3.0, 0, 0, 0, 0, 0]),
    ),
    "last-nodes-off-by-one": Fault(
        _NETWORK, "KirchhoffNet.read_out", "v[:, -projector.n :]", "v[:, -projector.n - 1 : -1]",
        "test_kirchhoff_network:test_last_reads_the_last_nodes",
    ),
    "residual-forgotten": Fault(
        _NETWORK, "KirchhoffNet.run", "v + found.v", "found.v",
        "test_kirchhoff_network:test_residual_slices_add_what_they_were_given",
    ),
    "kaiming-of-the-other-side": Fault(
        _NETWORK, "initial_parameters", "kaiming_uniform_(p, ", "kaiming_uniform_(p.t(), ",
        "test_kirchhoff_network:test_uniform_initialisations", ("kaiming", "ShiftTanh2", 3),
    ),
    "extra-arrays-ignored": Fault(
        _STORE, "load_checkpoint", "sorted(set(arrays) - set(wanted))", "[]",
        "test_kirchhoff_faults:check_extra_array",
    ),
    "hyper-trace": Fault(
        _BASELINES, "_HyperRightHandSide.with_divergence", "(1 - y * y)", "(1 - y)",
        "test_kirchhoff_baselines:test_hyper_flow_has_the_trace_of_autograd",
    ),
    "gate-left-open": Fault(
        _BASELINES, "HyperFlow.weights", "u * torch.sigmoid(gate)", "u",
        "test_kirchhoff_baselines:test_hyper_flow_is_the_sum_of_gated_units", (0.37,),
    ),
    "relu-before-the-first-layer": Fault(
        _BASELINES, "FeedForward.forward", "torch.relu(x) if k else x", "torch.relu(x)",
        "test_kirchhoff_baselines:test_feed_forward_is_linear_layers_with_relu_between",
    ),
    # Judgements
    "likelihood-not-negative": Fault(
        _EVALUATION, "judge_density", "(-log_q)", "(log_q)", "evaluation_checks:check_likelihood"
    ),
    "divergence-the-other-way": Fault(
        _EVALUATION, "judge_density", "true_log_density - log_q", "log_q - true_log_density",
        "evaluation_checks:check_likelihood",
    ),
    "normaliser-added": Fault(
        _EVALUATION, "judge_matching", "-objective - log_z", "-objective + log_z",
        "evaluation_checks:check_matching",
    ),
    "published-for-trained": Fault(
        _EVALUATION, "judge_matching", "energy(x).numpy()", "published(x).numpy()",
        "evaluation_checks:check_matching",
    ),
    "sample-size-of-any-number": Fault(
        _EVALUATION, "_effective", "(len(w) * (w * w).sum())", "(w * w).sum()",
        "evaluation_checks:check_known_weights",
    ),
    "weights-overflow": Fault(
        _EVALUATION, "_effective", "log_w - log_w.max()", "log_w + 100",
        "evaluation_checks:check_known_weights",
    ),
    "variance-of-a-sample": Fault(
        _EVALUATION, "judge_regression", "correction=0", "correction=1",
        "evaluation_checks:check_regression",
    ),
    "absolute-errors": Fault(
        _EVALUATION, "judge_regression", "** 2)", ").abs()", "evaluation_checks:check_regression"
    ),
    "top-4": Fault(
        _EVALUATION, "judge_classification", "min(5, classes)", "min(4, classes)",
        "evaluation_checks:check_classification",
    ),
    "confusion-transposed": Fault(
        _EVALUATION, "judge_classification", "(labels.numpy(), ranked[:, 0].numpy())",
        "(ranked[:, 0].numpy(), labels.numpy())", "evaluation_checks:check_classification",
    ),
}  # fmt: skip
