"""Every property of ``properties.py`` is proven, and fails on its seeded fault."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ohmbench.eda.verilog import texts
from tests.eda.formal import Job, ProofStatus, read_log, run
from tests.rtl.properties import FORMAL, PROOFS, PROPERTIES, verilog_of
from tests.unit.hostile_environment import ODD

needs_tools = pytest.mark.needs("yosys", "z3", "bitwuzla")
_LABEL = re.compile(r"^\s*(\w+): assert\b", re.MULTILINE)
_FAULT_TIMEOUT_S = 300


def _labels(module: str) -> list[str]:
    return _LABEL.findall((FORMAL / f"{module}_properties.v").read_text())


def _proof_params():
    for proof in PROOFS.values():
        labels = _labels(proof.module) if proof.one_by_one else [None]
        for label in labels:
            marks = [pytest.mark.slow] if proof.slow else []
            yield pytest.param(proof, label, id=f"{proof.name}-{label or 'all'}", marks=marks)


@needs_tools
@pytest.mark.parametrize(("proof", "only"), list(_proof_params()))
def test_properties_hold(proof, only, tmp_path):
    job = replace(proof.job, only=only)
    outcome = run(job, verilog_of(proof), tmp_path / "job", timeout_s=proof.timeout_s)
    assert outcome.status is ProofStatus.PASS, str(outcome)


@needs_tools
@pytest.mark.parametrize(
    "property_",
    [pytest.param(p, id=p.label, marks=[pytest.mark.slow] if p.slow else []) for p in PROPERTIES],
)
def test_fault_is_caught(property_, tmp_path):
    proof, fault = PROOFS[property_.proof], property_.fault
    job = replace(
        proof.job,
        mode="bmc",
        depth=fault.depth or max(proof.job.depth, 9),
        skip=fault.skip or proof.job.skip,
        only=property_.label,
        solver=fault.solver or proof.job.solver,
    )
    verilog = fault.apply(verilog_of(proof))
    outcome = run(job, verilog, tmp_path / "job", timeout_s=_FAULT_TIMEOUT_S)
    assert outcome.status is ProofStatus.FAIL, str(outcome)
    assert outcome.failed == (property_.label,), str(outcome)


@needs_tools
@pytest.mark.slow  # the seeded faults already show that nothing here holds for want of a run
@pytest.mark.parametrize("proof", [p for p in PROOFS.values() if p.cover], ids=lambda p: p.name)
def test_cover_is_reached(proof, tmp_path):
    job = replace(proof.job, mode="cover", depth=proof.cover)
    outcome = run(job, verilog_of(proof), tmp_path / "job", timeout_s=proof.timeout_s)
    assert outcome.status is ProofStatus.PASS, str(outcome)


def test_at_least_thirty_properties():
    labels = [p.label for p in PROPERTIES]
    assert len(labels) == len(set(labels)) >= 30


def test_table_and_assertions_are_the_same():
    modules = {proof.module for proof in PROOFS.values()}
    asserted = {label for module in modules for label in _labels(module)}
    assert {p.label for p in PROPERTIES} == {x for x in asserted if not x.startswith("inside_")}


def test_every_file_of_properties_is_in_a_proof():
    stems = {path.name.removesuffix("_properties.v") for path in FORMAL.glob("*.v")}
    assert stems == {proof.module for proof in PROOFS.values()}


@pytest.mark.parametrize("property_", PROPERTIES, ids=lambda p: p.label)
def test_fault_stands_once(property_):
    property_.fault.apply(verilog_of(PROOFS[property_.proof]))


_TOY = """
module toy (input wire clk_i, input wire [7:0] x_i);
  reg [7:0] q = 8'd0;
  always @(posedge clk_i) if (q != 8'd4) q <= q + 8'd1;
  always @* begin
    reachable_fails: assert (q != 8'd3);
    inside_needed: assert (q <= 8'd4);
    never_shown: assert (x_i * x_i != 8'd2 || q < 8'd200);
    toy_covers: cover (q == 8'd5);
  end
endmodule
"""


@needs_tools
@pytest.mark.parametrize(
    ("job", "status", "failed"),
    [
        (Job("toy", "bmc", 3), ProofStatus.PASS, ()),
        (Job("toy", "bmc", 5), ProofStatus.FAIL, ("reachable_fails",)),
        (Job("toy", "bmc", 5, "bitwuzla"), ProofStatus.FAIL, ("reachable_fails",)),
        (Job("toy", "prove", 2, "bitwuzla", only="never_shown"), ProofStatus.PASS, ()),
        (Job("toy", "prove", 5, only="reachable_fails"), ProofStatus.FAIL, ("reachable_fails",)),
        (Job("toy", "prove", 2, only="reachable_fails"), ProofStatus.UNKNOWN, ()),
        (Job("toy", "bmc", 5, only="no_such_label"), ProofStatus.ERROR, ()),
        (Job("toy", "cover", 9), ProofStatus.FAIL, ("toy_covers",)),
        (Job("no_such_module", "bmc", 5), ProofStatus.ERROR, ()),
    ],
    ids=lambda x: f"{x.top}-{x.mode}-{x.depth}-{x.solver}" if isinstance(x, Job) else None,
)
def test_verdicts_of_the_runner(job, status, failed, tmp_path):
    outcome = run(job, {"toy.v": _TOY}, tmp_path / "job")
    assert (outcome.status, outcome.failed) == (status, failed), str(outcome)


@needs_tools
def test_a_proof_is_of_what_a_file_includes_in_any_folder(tmp_path):
    folder = tmp_path / ODD
    folder.mkdir()
    head, mark, body = _TOY.partition("  always @*")
    (folder / "toy.v").write_text(f'{head}`include "body.vh"\n')
    job = Job("toy", "bmc", 5, only="reachable_fails")
    for k, (change, status) in enumerate(
        ((("q != 8'd3", "q != 8'd9"), ProofStatus.PASS), (("", ""), ProofStatus.FAIL))
    ):
        (folder / "body.vh").write_text(mark + body.replace(*change))
        outcome = run(job, texts([folder / "toy.v"]), folder / f"job {k}")
        assert outcome.status is status, str(outcome)


@needs_tools
def test_unknown_register_is_an_error(tmp_path):
    text = _TOY.replace("reg [7:0] q", "(* hierconn *) wire \\dut.none ; reg [7:0] q")
    text = text.replace("q != 8'd3", "\\dut.none ")
    assert run(Job("toy", "bmc", 3), {"toy.v": text}, tmp_path / "job").status is ProofStatus.ERROR


@pytest.mark.parametrize(
    ("log", "exit_status", "status"),
    [
        ("DONE (PASS, rc=0)", 0, ProofStatus.PASS),
        ("DONE (PASS, rc=0)", 1, ProofStatus.ERROR),
        ("DONE (PASS, rc=0)\nDONE (PASS, rc=0)", 0, ProofStatus.ERROR),
        ("DONE (FAIL, rc=2)", 0, ProofStatus.ERROR),
        ("DONE (FAIL, rc=2)", 2, ProofStatus.FAIL),
        ("DONE (UNKNOWN, rc=4)", 4, ProofStatus.UNKNOWN),
        ("returned pass", 0, ProofStatus.ERROR),
        ("", 0, ProofStatus.ERROR),
    ],
)
def test_only_a_clear_verdict_counts(log, exit_status, status):
    assert read_log(log, exit_status) is status
