"""The command line with KirchhoffNets: what it prints, and one clear line for every bad input."""

import json
import math
import re

import numpy as np
import pytest
import torch

from ohmbench.constants import KIRCHHOFF_OPTION, KIRCHHOFF_VARIABLE
from ohmbench.data.densities import DENSITIES
from ohmbench.families import PAPER_NAMES
from ohmbench.family import DrawOptions, accuracy_line
from ohmbench.files import write_pth
from ohmbench.kirchhoff import drawing, evaluation, judging, recipes
from ohmbench.kirchhoff.configuration import config_text
from ohmbench.kirchhoff.experiments import EXPERIMENTS
from ohmbench.kirchhoff.models import build, parameter_count
from ohmbench.kirchhoff.recipes import CONFIG_NAMES, name_of, own_config
from ohmbench.kirchhoff.samples import fresh_points
from ohmbench.kirchhoff.store import checkpoint_arrays, load_kirchhoff, save_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.stats import Interval
from ohmbench.training import checkpoint_path
from ohmbench.weights import versions
from tests.unit.circuits import baseline_config, classifier_config, config, regression_config
from tests.unit.command_line import assert_refused
from tests.unit.hostile import canary

HISTORY = np.array([[25.0, 2.5, 0.1], [64.0, -1.4, 0.05]])


def write_config(path, made, **replaced):
    text = config_text(made)
    for key, value in replaced.items():
        text, count = re.subn(rf"\b{key}: (\[.*\]|[^,}}\n]+)", f"{key}: {value}", text)
        assert count, f"no {key} in {text}"
    path.write_text(text)
    return path


def save(path, made, seed=3, recipe="{}"):
    save_kirchhoff(path, build(made), seed=seed, recipe=recipe, history=HISTORY)
    return path


@pytest.fixture
def flow(tmp_path):
    """A small flow in a file, as training writes it."""
    return save(tmp_path / "flow.npz", config("gauss"))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """``published(config)``: a checkout with this one experiment in the paper's layout."""

    def put(made, checkpoint_of=None):
        folder = tmp_path / "paper" / "src" / "results" / made.test_bench
        folder.mkdir(parents=True)
        write_config(folder / "config.yaml", made)
        write_pth(folder / "model.pth", checkpoint_arrays(build(checkpoint_of or made)))
        monkeypatch.setenv(KIRCHHOFF_VARIABLE, str(tmp_path / "paper"))
        return folder

    return put


def idx(array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A small MNIST: a bright pixel says the digit, on noise; 40 images to train on, 30 more."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 30)):
        labels = np.arange(n) % 10
        images = rng.integers(0, 60, (n, 28, 28))
        images[np.arange(n), labels, labels] = 255
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("OHMBENCH_DATA", str(folder.parent))
    return folder


def report(run, *arguments):
    status, out, err = run(*arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


class TestIntervals:
    """In other units than they were found in: value and both ends, each in its place."""

    def test_bits_of_a_pixel(self):
        """Uniform on the unit cube is 0 nats, and 8 bits for each of 256 levels."""
        per_bit = 10 * math.log(2)
        found = judging._bits_per_pixel(Interval(0.0, -per_bit, 2 * per_bit), 10)
        assert vars(found) == pytest.approx({"value": 8.0, "low": 7.0, "high": 10.0})

    def test_percent(self):
        assert judging._percent(Interval(0.5, 0.25, 0.625)) == Interval(50, 25, 62.5)

    def test_of_an_accuracy(self):
        text = accuracy_line(1, 3, Interval(1 / 3, 0.0625, 0.75))
        assert text == "1 of 3 correct, 33.33 % [6.25, 75.00]"


class TestCounts:
    """Function evaluations and batches: of all batches, not of the last, and the mean of one."""

    def test_evaluations_add_up_over_batches(self):
        runs = judging.Runs(build(regression_config()))
        done = []
        found = evaluation.outputs(runs, torch.zeros(11, 5), chunk=4, advance=done.append)
        assert found.shape == (11, 1)
        assert done == [4, 4, 3]
        assert runs.batches == 3
        assert runs.nfe == 3 * 4 * 4  # four stages of four steps
        row = judging._evaluations(runs.nfe, runs.batches, runs.solver)
        assert row == (
            "function evaluations",
            "16 for a batch, mean of 3 (rk4, steps of 0.25 s)",
        )

    def test_baselines_have_batches_and_no_evaluations(self):
        runs = judging.Runs(build(baseline_config("toyregress")))
        evaluation.outputs(runs, torch.zeros(9, 5), chunk=4)
        assert (runs.batches, runs.nfe, runs.solver) == (3, 0, None)

    def test_progress_is_passed_on_and_counted(self):
        seen = []
        counted = judging._Counted(seen.append)
        for part in (2000, 2000, 500):
            counted(part)
        assert seen == [2000, 2000, 500]
        assert counted.batches == 3

    @pytest.mark.parametrize("points", [1999, 2000, 2001, 4001])
    def test_a_density_says_the_mean_of_its_batches(self, run, flow, points):
        out = run("evaluate", flow, "--samples", points)[1]
        batches = -(-points // 2000)
        nfe = sum(report(run, "evaluate", flow, "--samples", points)["nfe"])
        assert f"{nfe / batches:.0f} for a batch, mean of {batches} (dopri5, tol 1e-05)" in out


class TestEvaluate:
    def test_density(self, run, flow):
        found = report(run, "evaluate", flow, "--samples", 300, "--seed", 7)
        data = load_kirchhoff(flow)
        x = fresh_points("gauss", 300, 7)
        samples = evaluation.log_density(data.model, x)
        nll = -samples.log_density.double().mean()
        assert found["nll"] == pytest.approx(float(nll), rel=1e-12)
        true = DENSITIES["gauss"].log_density(x.double().numpy()).mean()
        assert found["gap"] == pytest.approx(float(nll) + true, rel=1e-9)
        assert found["gap_95"][0] < found["gap"] < found["gap_95"][1]
        assert found["parameters"] == parameter_count(data.model)
        assert found["points"] == 300
        status, out, err = run("evaluate", flow, "--samples", 300, "--seed", 7)
        assert (status, err) == (0, "")
        assert f"{found['nll']:.4f}" in out
        assert "KL(p||q), nats" in out
        assert "300 fresh points of gauss (seed 7)" in out

    def test_tolerance_reaches_the_solver(self, run, flow):
        found = [
            report(run, "evaluate", flow, "--samples", 50, "--tol", t) for t in ("1e-7", "1e-2")
        ]
        assert sum(found[0]["nfe"]) > sum(found[1]["nfe"])

    def test_potential(self, run, tmp_path):
        path = save(tmp_path / "p.npz", config("potential2"))
        found = report(run, "evaluate", path, "--samples", 200)
        assert 0 < found["ess"] <= 1
        assert found["kl"] > 0
        status, out, _ = run("evaluate", path, "--samples", 200)
        assert status == 0
        for words in ("E[ln q + U]", "improper", "wall", "|z1| = 4", "200 samples"):
            assert words in out

    def test_published_and_judged_energy_of_a_proper_potential_are_one(self, run, tmp_path):
        path = save(tmp_path / "p.npz", config("potential1"))
        found = report(run, "evaluate", path, "--samples", 100)
        assert found["objective"] == found["published_objective"]
        assert "improper" not in run("evaluate", path, "--samples", 100)[1]

    @pytest.mark.parametrize("bench", ["toyregress", "diabete"])
    def test_regression(self, run, tmp_path, bench):
        path = save(tmp_path / "r.npz", regression_config(bench))
        found = report(run, "evaluate", path)
        assert found["samples"] == {"toyregress": 1639, "diabete": 177}[bench]
        scale = found["rmse_own_unit"] / math.sqrt(found["mse"])
        assert scale == pytest.approx({"toyregress": 27, "diabete": 310}[bench], rel=0.12)
        out = run("evaluate", path)[1]
        assert "split by seed 3" in out
        assert ("disease progression" in out) == (bench == "diabete")

    def test_split_of_a_regression_is_its_own(self, run, tmp_path, published):
        path = save(tmp_path / "r.npz", regression_config("diabete"))
        assert_refused(run("evaluate", path, "--seed", 4), "--seed 4", "seed 3")
        published(regression_config("diabete"))
        out = run("evaluate", "paper-diabete", "--seed", 4)[1]
        assert "split by seed 4" in out
        assert "not known" in out

    def test_classification(self, run, tmp_path, mnist):
        path = save(tmp_path / "c.npz", classifier_config())
        found = report(run, "evaluate", path, "--images", 20)
        assert found["total"] == 20
        assert found["accuracy"] == found["correct"] / 20
        assert found["top5"] >= found["accuracy"]
        assert "the first 20 test images of mnist" in run("evaluate", path, "--images", 20)[1]
        out = run("evaluate", path)[1]
        assert "the 30 test images of mnist" in out
        assert "top-5" in out

    def test_genmnist(self, run, tmp_path, mnist):
        made = config(
            "genmnist",
            network__net_struct=[
                {
                    "name": "_mix_connect",
                    "args": {
                        "num_channel": 1,
                        "width": 28,
                        "height": 28,
                        "neighbor_size": 2,
                        "fully_connect_node": 0,
                    },
                }
            ],
            simulation__t_end=[0.0, 0.1],
        )
        path = save(tmp_path / "g.npz", made)
        found = report(run, "evaluate", path)
        assert found["points"] == 3
        bits = (found["nll"] / 784 + math.log(256)) / math.log(2)
        assert found["bits_per_pixel"] == pytest.approx(bits, rel=1e-12)
        ends = [(nats / 784 + math.log(256)) / math.log(2) for nats in found["nll_95"]]
        assert found["bits_per_pixel_95"] == pytest.approx(ends, rel=1e-12)
        assert ends[0] < bits < ends[1]
        out = run("evaluate", path)[1]
        assert "no bounded likelihood" in out
        assert run("sample", path, "-n", 5, "--plot", tmp_path / "g.png")[0] == 0
        assert run("plot", path, "--samples", 4, "--out", tmp_path / "p")[0] == 0
        drawn = sorted(p.name for p in (tmp_path / "p").iterdir())
        assert drawn == ["history.png", "samples.png", "voltages.png"]

    @pytest.mark.parametrize("bench", ["gauss", "toyregress"])
    def test_baseline(self, run, tmp_path, bench):
        path = save(tmp_path / "b.npz", baseline_config(bench))
        options = ["--samples", 50] if bench == "gauss" else []
        status, out, _ = run("evaluate", path, *options)
        assert status == 0
        assert "a baseline" in out

    def test_every_experiment_of_the_paper_has_a_name(self, run, monkeypatch):
        monkeypatch.delenv(KIRCHHOFF_VARIABLE, raising=False)
        assert {f"paper-{name}" for name in EXPERIMENTS} < set(PAPER_NAMES)
        for name in EXPERIMENTS:
            assert_refused(run("evaluate", f"paper-{name}"), KIRCHHOFF_OPTION, KIRCHHOFF_VARIABLE)

    def test_the_papers_layout(self, run, published, tmp_path, monkeypatch):
        folder = published(config("gauss"))
        by_name = report(run, "evaluate", "paper-gauss", "--samples", 50)
        for name in (folder, folder / "config.yaml", folder / "model.pth"):
            assert report(run, "evaluate", name, "--samples", 50)["nll"] == by_name["nll"]
        monkeypatch.delenv(KIRCHHOFF_VARIABLE)
        for inside in ("src/results", "src", "."):
            option = (KIRCHHOFF_OPTION, tmp_path / "paper" / inside)
            assert report(run, "evaluate", "paper-gauss", "--samples", 50, *option) == by_name
        assert_refused(
            run("evaluate", "paper-circle", *option), "circle", "that checkout has gauss"
        )


class TestTrain:
    def test_configuration_in_a_file(self, run, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = write_config(tmp_path / "small.yaml", config("gauss"))
        status, out, _ = run("train", path, "--samples", 100, "--seed", 2)
        assert status == 0
        assert "wrote small-seed2.npz: negative log-likelihood" in out
        assert re.search(r"negative log-likelihood .* nats, gap to the true density \d", out)
        assert "20000 fresh points" in out
        assert "--resume" not in out
        assert not checkpoint_path("small-seed2.npz").exists()
        data = load_kirchhoff("small-seed2.npz")
        assert data.seed == 2
        assert json.loads(data.recipe)["samples"] == 100
        assert_refused(run("train", path, "--samples", 100, "--seed", 2), "--force")

    def test_folder_in_the_papers_layout(self, run, published, monkeypatch, tmp_path):
        folder = published(regression_config("diabete"))
        monkeypatch.chdir(tmp_path)
        assert run("train", folder)[0] == 0
        assert load_kirchhoff("diabete-seed0.npz").config.test_bench == "diabete"

    def test_time_limit_and_resume(self, run, tmp_path):
        path = write_config(tmp_path / "r.yaml", regression_config("diabete", train__num_epoch=4))
        out, whole = tmp_path / "r.npz", tmp_path / "whole.npz"
        assert run("train", path, "--out", whole)[0] == 0
        status, said, _ = run("train", path, "--out", out, "--max-minutes", 1e-9)
        assert status == 0
        assert "--max-minutes; the same command with --resume goes on" in said
        assert load_kirchhoff(out).history[-1, 0] == 1
        assert checkpoint_path(out).exists()
        assert_refused(run("train", path, "--out", out), "r.npz")
        status, said, _ = run("train", path, "--out", out, "--resume")
        assert status == 0
        assert "--max-minutes" not in said
        assert not checkpoint_path(out).exists()
        with np.load(out) as a, np.load(whole) as b:
            assert a.files == b.files
            assert all(np.array_equal(a[name], b[name]) for name in a.files)

    def test_classifier_is_judged_on_some_images(self, run, tmp_path, mnist, monkeypatch):
        monkeypatch.setattr("ohmbench.kirchhoff.family.IMAGES_AFTER_TRAINING", 10)
        path = write_config(tmp_path / "c.yaml", classifier_config())
        status, out, _ = run("train", path, "--samples", 32, "--out", tmp_path / "c.npz")
        assert status == 0
        assert "of 10 correct" in out
        assert "the first 10 test images of mnist" in out

    def test_own_configurations(self, run):
        assert CONFIG_NAMES
        help_text = re.sub(r"\s", "", run("train", "--help")[1])  # wrapped at hyphens, too
        for name in CONFIG_NAMES:
            own = own_config(name)
            assert name_of(own) == name, "two configurations that are the same"
            assert name.split("-")[0] == own.test_bench
            assert name in help_text
        assert name_of(config("gauss")) is None

    def test_refusals(self, run, tmp_path, mnist):
        path = write_config(tmp_path / "r.yaml", regression_config("diabete"))
        for minutes in (0, -1, "nan", "inf"):
            assert_refused(run("train", path, "--max-minutes", minutes), "--max-minutes")
        assert_refused(run("train", path, "--samples", 0), "--samples")
        assert_refused(run("train", "int8-digits", "--samples", 5), "--samples", "int8-digits")
        assert_refused(run("train", "nonsense"), "nonsense", "floatgate-digits", "FILE.yaml")
        assert_refused(run("train", tmp_path / "no.yaml"), "no.yaml")
        assert_refused(run("train", tmp_path), "config.yaml")
        assert_refused(run("train", path, "--resume", "--force"), "--resume")

    def test_the_configuration_is_not_overwritten(self, run, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text(config_text(own_config("gauss")))
        before = path.read_bytes()
        assert_refused(run("train", path, "--out", path, "--force"), path, "this command reads")
        assert path.read_bytes() == before

    def test_interrupt_names_the_way_on(self, run, tmp_path, monkeypatch):
        def interrupted(task, step, generator):
            raise KeyboardInterrupt

        monkeypatch.setattr(KirchhoffTask, "update", interrupted)
        path = write_config(tmp_path / "r.yaml", regression_config("diabete"))
        status, _, err = run("train", path, "--out", tmp_path / "x.npz")
        assert status == 130
        assert err.splitlines()[-1].startswith("ohmbench: interrupted; continue with --resume")


class TestSample:
    def test_the_tolerance_reaches_the_solver(self, run, flow, tmp_path):
        """A loose one takes fewer evaluations, and gives other samples."""
        found = []
        for tol in ("1e-2", "1e-6"):
            status, out, err = run("sample", flow, "-n", "5", "--tol", tol, "--json")
            assert (status, err) == (0, "")
            found.append(json.loads(out))
        loose, tight = found
        assert sum(loose["nfe"]) < sum(tight["nfe"])
        assert loose["x"] != tight["x"]

    def test_samples_are_the_flows_own(self, run, flow, tmp_path):
        out, figure = tmp_path / "points.npz", tmp_path / "points.png"
        found = report(run, "sample", flow, "-n", 40, "--seed", 5, "--out", out, "--plot", figure)
        data = load_kirchhoff(flow)
        with np.load(out) as points:
            again = evaluation.log_density(data.model, torch.from_numpy(points["x"]))
            assert points["x"].shape == points["z"].shape == (40, 2)
            assert points["x"].tolist() == found["x"]
            difference = again.log_density.numpy() - points["log_density"]
            assert np.abs(difference).max() < 1e-3
            assert np.abs(again.z.numpy() - points["z"]).max() < 1e-3
        assert figure.read_bytes().startswith(b"\x89PNG")
        status, printed, err = run("sample", flow, "-n", 40, "--seed", 5)
        assert (status, err) == (0, "")
        assert f"{found['x'][0][0]:.4f}" in printed
        assert "the first 10 of 40" in printed

    def test_the_network_is_not_overwritten(self, run, flow):
        before = flow.read_bytes()
        refused = run("sample", flow, "-n", 3, "--out", flow, "--force")
        assert_refused(refused, flow, "this command reads")
        assert flow.read_bytes() == before

    def test_seed_decides(self, run, flow):
        same, again, other = (
            report(run, "sample", flow, "-n", 3, "--seed", seed)["x"] for seed in (1, 1, 2)
        )
        assert same == again != other

    def test_refusals(self, run, flow, tmp_path):
        for n in (0, -1, "x"):
            assert_refused(run("sample", flow, "-n", n), "-n")
        assert_refused(run("sample", flow), "-n")
        path = save(tmp_path / "r.npz", regression_config())
        assert_refused(run("sample", path, "-n", 3), "regression", "toyregress")
        assert_refused(run("sample", "int8-digits", "-n", 3), "int8 network", "KirchhoffNets")
        assert_refused(run("sample", flow, "-n", 3, "--tol", 0), "--tol")

    def test_nothing_is_overwritten(self, run, flow, tmp_path):
        for option, name in (("--plot", "there.png"), ("--out", "there.npz")):
            there = tmp_path / name
            there.write_bytes(b"mine")
            assert_refused(run("sample", flow, "-n", 3, option, there), name, "--force")
            assert there.read_bytes() == b"mine"
            assert run("sample", flow, "-n", 3, option, there, "--force")[0] == 0
            assert there.read_bytes() != b"mine"
        assert_refused(run("sample", flow, "-n", 3, "--plot", tmp_path / "x.txt"), "x.txt", ".png")
        assert_refused(run("sample", flow, "-n", 3, "--out", tmp_path / "x.txt"), "x.txt", ".npz")
        assert_refused(run("sample", flow, "-n", 3, "--out", tmp_path / "no" / "x.npz"), "no")


class TestPlot:
    @pytest.mark.parametrize(
        ("made", "drawn"),
        [
            (config("gauss"), ["density", "history", "samples", "voltages"]),
            (config("potential1"), ["density", "history", "potential", "voltages"]),
            (regression_config("diabete"), ["history", "predictions", "voltages"]),
            (classifier_config(), ["confusion", "history", "voltages"]),
            (baseline_config("toyregress"), ["history", "predictions"]),
        ],
        ids=lambda made: made if isinstance(made, list) else made.test_bench,
    )
    def test_every_kind(self, run, tmp_path, mnist, monkeypatch, made, drawn):
        path, folder = save(tmp_path / "net.npz", made), tmp_path / "figures"
        options = ("--samples", 100, "--images", 10, "--out", folder)
        status, out, err = run("plot", path, *options)
        assert (status, err) == (0, "")
        assert sorted(p.stem for p in folder.iterdir()) == drawn
        assert all(f"{name}.png" in out for name in drawn)
        named = drawing.drawn(load_kirchhoff(path), "name", DrawOptions())
        assert sorted(named) == [f"{name}.png" for name in drawn]
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        with monkeypatch.context() as patch:
            for draw in ("_voltages", "_regression", "_classification", "sampled"):
                patch.setattr(drawing, draw, None)  # refused before it draws
            assert_refused(run("plot", path, *options), "--force")
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


class TestStore:
    @pytest.fixture
    def entries(self, monkeypatch, tmp_path):
        """What would go into the manifest; the store is a folder of the test's own."""
        folder = tmp_path / "store"
        folder.mkdir()
        monkeypatch.setattr("ohmbench.cli.storing.WEIGHTS_FOLDER", folder)
        written = {}
        monkeypatch.setattr("ohmbench.weights.register", written.__setitem__)
        return written

    @pytest.fixture
    def own(self, monkeypatch, tmp_path):
        """A short configuration as one of ohmbench's."""
        folder = tmp_path / "configs"
        folder.mkdir()
        path = write_config(folder / "short.yaml", regression_config("diabete"))
        monkeypatch.setattr(recipes, "CONFIGS_FOLDER", folder)
        monkeypatch.setattr(recipes, "CONFIG_NAMES", ("short",))
        return path

    def test_entry(self, run, tmp_path, entries, own):
        out = tmp_path / "net.npz"
        assert run("train", own, "--seed", 4, "--out", out)[0] == 0
        status, said, _ = run("store", out, "--name", "mine")
        assert status == 0
        assert "stored mine: mean squared error" in said
        entry = entries["mine"]
        assert entry.command == "ohmbench train short --seed 4"
        assert (entry.seed, entry.recipe["steps"]) == (4, 5)
        assert entry.metrics.keys() == {"mse", "r2", "samples"}
        assert {"torchdiffeq", "numba", "scipy"} <= entry.versions.keys() == versions().keys()
        kept = load_kirchhoff(tmp_path / "store" / "mine.npz")
        assert kept.config == load_kirchhoff(out).config
        found = report(run, "evaluate", out)["mse"]
        assert found == report(run, "evaluate", tmp_path / "store" / "mine.npz")["mse"]
        assert entry.metrics["mse"] == found

    def test_samples_are_part_of_the_command(self, run, tmp_path, entries, own):
        out = tmp_path / "net.npz"
        assert run("train", own, "--samples", 64, "--out", out)[0] == 0
        assert run("store", out, "--name", "few")[0] == 0
        assert entries["few"].command == "ohmbench train short --seed 0 --samples 64"

    def test_refusals(self, run, tmp_path, entries, own, flow):
        assert_refused(run("store", flow, "--name", "x"), "config", "not one of the configurations")
        out = tmp_path / "net.npz"
        assert run("train", own, "--out", out, "--max-minutes", 1e-9)[0] == 0
        assert_refused(run("store", out, "--name", "x"), "ended early", "step 1")
        assert_refused(run("store", out, "--name", "paper-circle"), "paper-circle")
        assert not entries
        assert list((tmp_path / "store").iterdir()) == []

    @pytest.mark.parametrize("name", ["int8-digits", "floatgate-circles"])
    def test_other_families_that_ended_early(self, run, tmp_path, entries, name):
        out = tmp_path / "net.npz"
        assert run("train", name, "--out", out, "--max-minutes", 1e-9)[0] == 0
        assert checkpoint_path(out).exists()
        assert_refused(run("store", out, "--name", "x"), "ended early")


class TestOtherCommands:
    def test_they_say_which_networks_they_take(self, run, flow, monkeypatch):
        monkeypatch.delenv(KIRCHHOFF_VARIABLE, raising=False)
        for name in (flow, "paper-mnist"):
            assert_refused(run("predict", name, "--image", 0), "a KirchhoffNet", "int8 networks")
            assert_refused(run("power", name), "a KirchhoffNet", "floating-gate networks")
            assert_refused(run("prove", name), "a KirchhoffNet", "int8 networks")
            assert_refused(run("trace", name), "a KirchhoffNet", "int8 networks")

    def test_options_of_one_family(self, run, flow):
        for option in ("--samples", "--seed", "--images", "--tol"):
            value = 0.5 if option == "--tol" else 5
            assert_refused(run("evaluate", "int8-digits", option, value), option, "int8-digits")
        assert_refused(run("evaluate", flow, "--images", 5), "--images", "generation")
        assert_refused(run("evaluate", flow, "--samples", 1), "--samples")
        for tol in (0, -1, "nan", 2):
            assert_refused(run("evaluate", flow, "--tol", tol), "--tol")


YAML_FAULTS = {
    "broken": (": [", "line"),
    "a-list": ("- 1\n", "mapping"),
    "an-alias": ("a: &x 1\nb: *x\n", ""),
    "code": ("test_bench: !!python/object/apply:os.system [true]\n", ""),
    "unknown-key": (config_text(config("gauss")) + "suprise: 1\n", "suprise"),
    "binary": ("\x00\x01", ""),
}


class TestBadInput:
    @pytest.mark.parametrize(("text", "word"), YAML_FAULTS.values(), ids=YAML_FAULTS)
    def test_yaml(self, run, tmp_path, published, text, word):
        folder = published(config("gauss"))
        (folder / "config.yaml").write_text(text)
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        before = sorted(tmp_path.rglob("*"))
        assert_refused(run("train", path), "mine.yaml", word)
        assert_refused(run("evaluate", folder), "config.yaml", word)
        assert_refused(run("evaluate", "paper-gauss"), "config.yaml", word)
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("t_end", "[0.0, 1.0, 0.5]", ["simulation.t_end[2]", "increasing"]),
            ("lr", "fast", ["train.lr", "number"]),
            ("num_node", "5", ["network.net_struct", "nodes"]),
            ("test_bench", "moons", ["test_bench", "twomoon"]),
        ],
    )
    def test_configuration(self, run, tmp_path, key, value, words):
        path = write_config(tmp_path / "bad.yaml", config("gauss"), **{key: value})
        assert_refused(run("train", path, "--out", tmp_path / "x.npz"), "bad.yaml", *words)
        assert not (tmp_path / "x.npz").exists()

    def test_checkpoint_with_code(self, run, published, tmp_path):
        folder = published(config("gauss"))
        witness = tmp_path / "it ran"
        torch.save({"circuit.layer_list.0.model.param": canary(witness)}, folder / "model.pth")
        assert_refused(run("evaluate", folder), "model.pth")
        assert not witness.exists()

    def test_checkpoint_of_another_configuration(self, run, published):
        wide = [{"name": "_fully_connect", "args": {"num_node": 3, "repeat": n}} for n in
                ([4, 4], [5, 5])]  # fmt: skip
        folder = published(config("gauss"), config("gauss", network__net_struct=wide))
        result = run("evaluate", folder)
        assert_refused(result, "circuit.layer_list.1.model.param", "(3, 60), expected (3, 48)")

    def test_checkpoint_with_fewer_slices(self, run, published):
        one = config(
            "gauss",
            network__net_struct=[
                {"name": "_fully_connect", "args": {"num_node": 3, "repeat": [4, 4]}}
            ],
            simulation__t_end=[0.0, 1.0],
        )
        assert_refused(run("evaluate", published(config("gauss"), one)), "layer_list.1", "missing")

    def test_missing_parts_of_the_layout(self, run, published, tmp_path):
        folder = published(config("gauss"))
        renamed = (folder / "model.pth").rename(tmp_path / "net.pth")
        assert_refused(run("evaluate", folder), "model.pth")
        assert_refused(run("evaluate", renamed), "net.pth", "model.pth", "config.yaml")
        other = (folder / "config.yaml").rename(tmp_path / "net.yaml")
        assert_refused(run("evaluate", other), "net.yaml", "ohmbench train")
        assert_refused(run("evaluate", folder), "config.yaml")
        assert_refused(run("evaluate", tmp_path / "no.pth"), "no.pth")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("circuit.layer_list.0.model.param", np.full((3, 48), np.nan, np.float32)),
            ("circuit.layer_list.0.model.param", np.zeros((3, 47), np.float32)),
            ("circuit.layer_list.1.model.param", None),
            ("config", None),
            ("config", np.array(["test_bench: gauss"])),
            ("config", np.array([object()])),
            ("surprise", np.zeros(2)),
        ],
        ids=["nan", "shape", "no-slice", "no-config", "half-a-config", "pickle", "extra"],
    )
    def test_own_file(self, run, flow, field, value):
        with np.load(flow) as file:
            arrays = dict(file)
        arrays.pop(field, None)
        np.savez(flow, **arrays, **({} if value is None else {field: value}))
        before = flow.read_bytes()
        assert_refused(run("evaluate", flow), "flow.npz", "batch_size" if value is not None
                       and value.dtype.kind == "U" else field)  # fmt: skip
        assert flow.read_bytes() == before

    def test_nan_in_data(self, run, tmp_path, monkeypatch):
        folder = tmp_path / "housing"
        folder.mkdir()
        row = "-122.0,37.0,41.0,880.0,129.0,322.0,126.0,8.3,452600.0"
        (folder / "cal_housing.data").write_text(f"{row}\n{row.replace('37.0', 'nan')}\n")
        monkeypatch.setenv("OHMBENCH_DATA", str(tmp_path))
        path = write_config(tmp_path / "h.yaml", regression_config("housing"))
        result = run("train", path, "--out", tmp_path / "x.npz")
        assert_refused(result, "cal_housing.data", "line 2", "latitude")
        assert not (tmp_path / "x.npz").exists()

    def test_missing_data(self, run, tmp_path, monkeypatch):
        housing = write_config(tmp_path / "h.yaml", regression_config("housing"))
        mnist = write_config(tmp_path / "m.yaml", classifier_config())
        stored = save(tmp_path / "m.npz", classifier_config())
        monkeypatch.delenv("OHMBENCH_DATA", raising=False)
        for command in (("train", housing), ("train", mnist), ("evaluate", stored)):
            assert_refused(run(*command), "OHMBENCH_DATA is not set", "folder that holds")
        monkeypatch.setenv("OHMBENCH_DATA", str(tmp_path))
        assert_refused(run("train", housing), "cal_housing.data", "put", "that folder")
        assert_refused(run("plot", stored), "train-images-idx3-ubyte")

    @pytest.mark.parametrize(
        ("conductance", "command"),
        [
            (1e4, ["evaluate", "--samples", 10]),  # backwards in time a positive one amplifies
            (-1e4, ["sample", "-n", 10, "--out", "x.npz"]),
        ],
    )
    def test_solver_that_cannot_go_on(self, run, tmp_path, monkeypatch, conductance, command):
        """A slice that is gentle, and one whose voltages leave all numbers."""
        monkeypatch.chdir(tmp_path)
        model = build(config("gauss", network__model={"name": "Conductance", "args": {}}))
        with torch.no_grad():
            model.circuits[0].param[:] = 0.1
            model.circuits[1].param[:] = conductance
        path = tmp_path / "stiff.npz"
        save_kirchhoff(path, model, seed=0, recipe="{}", history=HISTORY)
        name, *options = command
        assert_refused(run(name, path, *options), "slice 1", "t = ", "check the parameters")
        assert not (tmp_path / "x.npz").exists()

    def test_solver_that_cannot_go_on_in_training(self, run, tmp_path):
        made = config(
            "gauss",
            simulation__method="dopri5",
            simulation__tol=1e-9,
            simulation__min_step=0.01,
            network__initialization="gauss",
        )
        path = write_config(tmp_path / "stiff.yaml", made)
        status, out, err = run("train", path, "--out", tmp_path / "x.npz")
        assert (status, out) == (2, "")
        last = err.splitlines()[-1]
        assert re.match(r"ohmbench: slice [01]: dopri5 stopped at t = ", last)
        assert "lower simulation.min_step, or raise the tolerance (simulation.tol" in last
        assert not (tmp_path / "x.npz").exists()

    def test_unknown_names(self, run):
        assert_refused(run("evaluate", "paper-nonsense"), "paper-EXPERIMENT")
        for command in (("evaluate",), ("plot",), ("sample", "-n", 3)):
            assert_refused(run(command[0], "nonsense", *command[1:]), "nonsense")

    def test_configuration_without_weights(self, run, monkeypatch):
        monkeypatch.setattr("ohmbench.families.CONFIG_NAMES", ("only-planned",))
        assert_refused(run("evaluate", "only-planned"), "ohmbench train only-planned")
