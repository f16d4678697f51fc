"""Our configurations and the networks stored for them belong together."""

import io

import pytest
from rich.console import Console

from ohmbench.errors import OperandError
from ohmbench.files import sha256_file
from ohmbench.kirchhoff.configuration import config_text, parse_config
from ohmbench.kirchhoff.evaluation import judge_density, judge_regression, log_density, outputs
from ohmbench.kirchhoff.models import build, parameter_count
from ohmbench.kirchhoff.recipes import CONFIG_NAMES, name_of, own_config
from ohmbench.kirchhoff.samples import fresh_points, labelled
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.training import train_to_file
from ohmbench.weights import read_manifest, stored

QUIET = Console(file=io.StringIO())
STORED = [name for name in CONFIG_NAMES if name in read_manifest()]
# What the paper has an experiment for and no data set of the user's is needed to store: all of it.
TRAINED_HERE = {
    *("twomoon", "circle", "8gaussians", "2spirals", "pinwheel", "swissroll", "gauss"),
    *("potential1", "potential2", "genmnist", "toyregress", "diabete", "housing"),
}

every = pytest.mark.parametrize("name", CONFIG_NAMES)
every_stored = pytest.mark.parametrize("name", STORED)


@every
def test_a_configuration_is_what_its_text_says(name):
    config = own_config(name)
    assert parse_config(config_text(config), name) == config
    assert name_of(config) == name
    assert config.test_bench == name.split("-")[0]


def test_unknown_name():
    with pytest.raises(OperandError, match="unknown configuration 'moon'; choose one of 2spirals"):
        own_config("moon")


def test_every_experiment_has_its_trained_network():
    assert set(STORED) >= TRAINED_HERE


@every_stored
def test_the_stored_network_has_the_current_configuration(name):
    data = load_kirchhoff(stored(name))
    assert data.config == own_config(name)
    assert data.seed == read_manifest()[name].seed == 0
    assert data.history[-1, 0] == read_manifest()[name].recipe["steps"]


@pytest.mark.parametrize("name", [n for n in CONFIG_NAMES if "-" in n])
def test_baselines_have_as_many_parameters(name):
    """To 5 %: otherwise the comparison would be of sizes."""
    circuit = parameter_count(build(own_config(name.split("-")[0])))
    assert parameter_count(build(own_config(name))) == pytest.approx(circuit, rel=0.05)


def as_good(name, path):
    """Whether a network trained again is, within what its judgement can tell, as good."""
    entry, data = read_manifest()[name], load_kirchhoff(path)
    if data.config.kind == "regression":
        d = labelled(name, entry.seed)
        mse = judge_regression(outputs(data.model, d.test_x), d.test_y).mse
        return mse.low <= entry.metrics["mse"] <= mse.high
    nll = judge_density(log_density(data.model, fresh_points(name, 5000)), None).nll
    return nll.low <= entry.metrics["nll"] <= nll.high


@pytest.mark.parametrize(
    "name",
    ["diabete", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gauss", "twomoon", "circle"))],
)
def test_the_stored_network_is_what_its_command_writes(name, tmp_path):
    """Byte for byte on the machine that trained it; elsewhere, sums may round differently."""
    out = tmp_path / "again.npz"
    entry = read_manifest()[name]
    train_to_file(KirchhoffTask(own_config(name), entry.seed), out, console=QUIET)
    assert sha256_file(out) == entry.sha256 or as_good(name, out)
