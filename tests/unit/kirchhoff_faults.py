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

import ohmbench.kirchhoff.fast.edge_pass as edge_pass
import ohmbench.kirchhoff.fast.fused_circuit as fused_circuit
import ohmbench.kirchhoff.fast.fused_slices as fused_slices

_K, _N = "ohmbench.kirchhoff", "ohmbench.kirchhoff.fast"


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


_OF_EVALUATE = ("evaluate", "evaluate_rows")
_OF_DIFFERENTIATE = ("differentiate", "differentiate_rows")
_CALLERS = {
    "tanh32": ("_evaluate", "_differentiate", *_OF_EVALUATE, *_OF_DIFFERENTIATE),
    "_evaluate": _OF_EVALUATE,
    "_differentiate": _OF_DIFFERENTIATE,
    "_nodes": ("march", "march_back", "attempt"),
    "_error": ("attempt",),
}
"""Function of ``edge_pass`` -> those that call it, each after what it calls itself."""


def _plant_kernel(patch: pytest.MonkeyPatch, fault: Fault, dispatcher: Any) -> None:
    # Compiled code calls compiled code: callers have to be Python too.
    names = {**vars(edge_pass), "njit": _uncompiled, "compiled": _uncompiled}
    names["tanh32"] = _executed(edge_pass.tanh32.py_func, "", "", names)
    names[fault.function] = _executed(dispatcher.py_func, fault.old, fault.new, names)
    callers = _CALLERS.get(fault.function, ())
    for caller in callers:
        names[caller] = _executed(getattr(edge_pass, caller).py_func, "", "", names)
    for module in (fused_circuit, fused_slices):
        for entry in (fault.function, *callers):
            if hasattr(module, entry):
                patch.setattr(module, entry, names[entry])


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
_EDGES, _PLAN, _SLICES = f"{_N}.edge_pass", f"{_N}.edge_plan", f"{_N}.fused_slices"
_PAIRS, _CONTROL = f"{_N}.pairs", f"{_K}.step_control"
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
        _CIRCUIT, "AutogradDivergence.with_divergence", "[0][:, n]", "[0][:, n - 1]",
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
        _SIMULATION, "_node_times", "math.copysign(step_size, end - start)", "step_size",
        "kirchhoff_checks:check_reverse",
    ),
    "sign-of-delta": Fault(
        _SIMULATION, "_odeint", "return dv, -trace", "return dv, trace",
        "kirchhoff_checks:check_gaussian",
    ),
    "delta-of-the-last-slice-only": Fault(
        _SIMULATION, "integrate", "delta + change", "change",
        "kirchhoff_checks:check_change_of_variables",
    ),
    "end-interpolated": Fault(
        _SIMULATION, "Solver._options", '"step_t": step_t, ', "",
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
        _DENSE, "DenseRightHandSide.__init__", "arange(1, circuit.topology.n_free + 1,",
        "arange(circuit.topology.n_free,", "kernel_checks:check_dense_evaluation",
    ),
    "pairs-turned": Fault(
        _PAIRS, "_arrange", "] > topology.destination",
        "] < topology.destination", "kernel_checks:check_fused_evaluation",
    ),
    "pairs-ground-in-the-trace": Fault(
        _PAIRS, "_arrange", "low != GROUND",
        "low >= GROUND", "kernel_checks:check_fused_evaluation",
    ),
    "fused-gain-of-turned-edges": Fault(
        _PLAN, "table_of", "torch.where(pairs.turned, -a, a)",
        "a", "kernel_checks:check_fused_evaluation",
    ),
    "fused-ends-swapped": Fault(
        _PLAN, "table_of", "torch.where(pairs.turned, b, a), torch.where(pairs.turned, a, b)",
        "a, b", "kernel_checks:check_fused_evaluation",
    ),
    "fused-last-lanes": Fault(
        _PLAN, "Plan.in_parts", "part_bounds(-(-batch // LANES), 1)",
        "part_bounds(batch // LANES, 1)", "kernel_checks:check_fused_evaluation",
    ),
    "fused-parts-of-a-gradient": Fault(
        _PLAN, "Plan.table_gradient", "sums.sum(0)",
        "sums[0]", "kernel_checks:check_fused_evaluation",
    ),
    "fused-conductance-in-the-trace": Fault(
        _PLAN, "Plan.table_gradient", "y + (b - a * free) * slope",
        "y", "kernel_checks:check_fused_evaluation",
    ),
    "fused-gain-in-the-trace": Fault(
        _PLAN, "Plan.table_gradient", "(1 + free) * slope",
        "slope", "kernel_checks:check_fused_evaluation",
    ),
    "fused-lower-gain-in-the-trace": Fault(
        _PLAN, "Plan.table_gradient", "x - free * slope",
        "x", "kernel_checks:check_fused_evaluation",
    ),
    "fused-upper-gain-in-the-trace": Fault(
        _PLAN, "Plan.table_gradient", "v_j + slope",
        "v_j", "kernel_checks:check_fused_evaluation",
    ),
    "fused-threshold-of-the-current": Fault(
        _PLAN, "Plan.table_gradient", "c * m",
        "m", "kernel_checks:check_fused_evaluation",
    ),
    "edge-voltage-turned": Fault(
        _EDGES, "_evaluate", "v_i - v_j",
        "v_j - v_i", "kernel_checks:check_fused_edges",
    ),
    "edge-turned": Fault(
        _EDGES, "_evaluate", "load(net[j]) + current",
        "load(net[j]) - current", "kernel_checks:check_fused_edges",
    ),
    "edge-slope": Fault(
        _EDGES, "_evaluate", "_ONE - y * y",
        "_ONE - y", "kernel_checks:check_fused_edges",
    ),
    "edge-trace": Fault(
        _EDGES, "_evaluate", "b - a * free[e]",
        "b + a * free[e]", "kernel_checks:check_fused_edges",
    ),
    "edge-half-of-a-second-derivative": Fault(
        _EDGES, "_differentiate", "_TWO * (b",
        "(b", "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-of-the-wrong-end": Fault(
        _EDGES, "_differentiate", "total(m * v_j)",
        "total(m * v_i)", "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-turned": Fault(
        _EDGES, "_differentiate", "load(of_net[j]) - want_i",
        "want_i - load(of_net[j])", "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-of-kinks": Fault(
        _EDGES, "_differentiate", "where_above(u, _ZERO, want, low * want)",
        "want", "kernel_checks:check_fused_edges",
    ),
    "edge-gradient-of-the-upper-node": Fault(
        _EDGES, "_differentiate", "of_j - of_x",
        "of_j + of_x", "kernel_checks:check_fused_edges",
    ),
    "tanh-without-its-end": Fault(
        _EDGES, "tanh32", "where_above(z, _TANH_END, splat(_TANH_END), z)",
        "z", "kernel_checks:check_tanh",
    ),
    "tanh-beyond-one": Fault(
        _EDGES, "tanh32", "clamped(u * p / q, _ONE)",
        "u * p / q", "kernel_checks:check_tanh",
    ),
    "node-without-its-last-slope": Fault(
        _EDGES, "_nodes", "h_beta[s], s,",
        "h_beta[s], max(1, s - 1),", "kernel_checks:check_fused_slice",
    ),
    "ground-moves": Fault(
        _EDGES, "_nodes", "k[s, 0] = 0",
        "pass", "kernel_checks:check_fused_slice",
    ),
    "weights-of-the-stages": Fault(
        _EDGES, "march", "h_weights[step], stages,",
        "h_weights[step], stages - 1,", "kernel_checks:check_fused_slice",
    ),
    "divergence-of-the-last-stage": Fault(
        _EDGES, "march", "div[row] +=",
        "div[row] =", "kernel_checks:check_fused_slice",
    ),
    "way-back-from-the-wrong-node": Fault(
        _EDGES, "march_back", "path[step, row]",
        "path[step + 1, row]", "kernel_checks:check_fused_slice",
    ),
    "way-back-stage-sign": Fault(
        _EDGES, "march_back", "of_k[r] +=",
        "of_k[r] -=", "kernel_checks:check_fused_slice",
    ),
    "way-back-weights-of-the-divergence": Fault(
        _EDGES, "march_back", "h_weights[step, s] * of_div",
        "h_weights[step, 0] * of_div", "kernel_checks:check_fused_slice",
    ),
    "way-back-to-ground": Fault(
        _EDGES, "march_back", "of_y[0] = 0",
        "pass", "kernel_checks:check_fused_slice",
    ),
    "integral-forgotten": Fault(
        _EDGES, "attempt", "d_1[row] = d_0[row]",
        "d_1[row] = 0", "kernel_checks:check_fused_dopri5",
    ),
    "slope-of-another-stage": Fault(
        _EDGES, "attempt", "k[-1], div[-1]",
        "k[-2], div[-1]", "kernel_checks:check_fused_dopri5",
    ),
    "error-of-lanes-past-the-end": Fault(
        _EDGES, "attempt", "count = min(LANES, batch - row * LANES)",
        "count = LANES", "kernel_checks:check_fused_steps",
    ),
    "error-of-the-integral": Fault(
        _EDGES, "attempt", "squares[1] +=",
        "squares[1] = 0 *", "kernel_checks:check_fused_steps",
    ),
    "error-against-the-start": Fault(
        _EDGES, "_error", "max(abs(before[lane]), abs(after[lane]))",
        "0", "kernel_checks:check_fused_steps",
    ),
    "fused-nodes": Fault(
        _SLICES, "solve_rk4", "* RK4,",
        "* abs(RK4),", "kernel_checks:check_fused_slice",
    ),
    "dopri5-weights-on-the-way-back": Fault(
        _SLICES, "solve_dopri5", "DOPRI5[6, :6]",
        "DOPRI5[5, :6]", "kernel_checks:check_fused_dopri5",
    ),
    "dopri5-rejected-steps-kept": Fault(
        _SLICES, "solve_dopri5", "if control.judge(ratio):",
        "if control.judge(ratio) or True:", "kernel_checks:check_fused_dopri5",
    ),
    "first-step-of-the-voltages-alone": Fault(
        _CONTROL, "error_norm", "torch.stack(found).max()",
        "torch.stack(found).min()", "kernel_checks:check_fused_steps",
    ),
    "error-of-nodes-and-ground": Fault(
        _SLICES, "_Steps.attempt", "of_v / len(start.v)",
        "of_v / (1 + len(start.v))", "kernel_checks:check_fused_steps",
    ),
    "first-step-forward-on-the-way-back": Fault(
        _SLICES, "_Steps.choose_first", "control.sign * trial",
        "trial", "kernel_checks:check_fused_steps",
    ),
    "fused-delta": Fault(
        _SIMULATION, "_stepped", "return v, -div, 4",
        "return v, div, 4", "kernel_checks:check_fused_slice",
    ),
    "dopri5-delta": Fault(
        _SIMULATION, "_stepped", "return v, -div, control",
        "return v, div, control", "kernel_checks:check_fused_steps",
    ),
    "fused-forward-on-the-way-back": Fault(
        _SIMULATION, "_stepped", "ends.flip(0) if reverse else ends",
        "ends", "kernel_checks:check_fused_slice",
    ),
    "evaluations-of-rejected-steps": Fault(
        _CONTROL, "StepControl.judge", "if accepted:",
        "self._tried -= not accepted\n    if accepted:", "kernel_checks:check_fused_steps",
    ),
    "step-without-safety": Fault(
        _CONTROL, "StepControl.judge", "self._SAFETY /",
        "1 /", "kernel_checks:check_step_control",
    ),
    "step-shrinks-without-end": Fault(
        _CONTROL, "StepControl.judge", "max(wanted, least)",
        "wanted", "kernel_checks:check_step_control",
    ),
    "step-grows-without-end": Fault(
        _CONTROL, "StepControl.judge", "min(self._MOST, max(wanted, least))",
        "max(wanted, least)", "kernel_checks:check_step_control",
    ),
    "first-step-of-another-order": Fault(
        _CONTROL, "StepControl.choose_first", "1 / self.ORDER",
        "1 / (self.ORDER + 1)", "kernel_checks:check_fused_steps",
    ),
    "first-step-without-its-rate": Fault(
        _CONTROL, "StepControl.choose_first", "max(slope, curvature)",
        "slope", "kernel_checks:check_fused_steps",
    ),
    "first-step-of-no-trial": Fault(
        _CONTROL, "_quotient", "math.inf if x > 0 else math.nan",
        "0.0", "kernel_checks:check_first_step",
    ),
    "shortest-step-whatever-its-error": Fault(
        _CONTROL, "Watch.counts", "if ratio <= 1:", "if ratio <= 1 or step <= self._min_step:",
        "test_kirchhoff_simulation:test_what_a_method_returns_is_within_its_tolerance",
        ("dopri5", "fused", "one", False),
    ),
    "shortest-step-of-torchdiffeq": Fault(
        _SIMULATION, "_WatchedField.callback_accept_step", "self._ratio)", "0.0)",
        "test_kirchhoff_simulation:test_what_a_method_returns_is_within_its_tolerance",
        ("bosh3", "plain", "one", True),
    ),
    "adjoint-past-its-end": Fault(
        _SIMULATION, "Solver._options", "torch.cat([ends, -ends]).unique()", "ends",
        "test_kirchhoff_simulation:test_gradients_by_adjoint_are_within_the_tolerance",
        ("dopri8", True, 0),
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
