"""What this project says of its accelerator in the paper's synthesis flow. Needs a VTR."""

import pytest

from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis.flows import synthesise
from ohmbench.eda.synthesis.result import spread

SEEDS = (1, 2, 3, 4, 5)


@pytest.mark.needs("vtr", "verilator", "compiler")
def test_accelerator_in_the_papers_flow(claim):
    report = synthesise("vtr", Hardware(64, 100, 10), SEEDS, jobs=2).report
    at_fmax = report.at()

    def found(name, values):
        over = spread(values)
        detail = f"{over.low:.4g} to {over.high:.4g} over {len(SEEDS)} placement seeds"
        claim(name, over.median, f"{detail}; {report.runs[0].versions.text}")

    found("ohmbench.vtr-fmax", [at.clock_Hz / 1e6 for at in at_fmax])
    found("ohmbench.vtr-throughput", [at.inferences_per_s / 1e6 for at in at_fmax])
    found("ohmbench.vtr-energy", [at.energy_J * 1e6 for at in at_fmax])
