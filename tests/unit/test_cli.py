"""The command line: what it prints, and one clear line with status 2 for every bad input."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch

from ohmbench import cli
from ohmbench.floatgate import SPECS, evaluate, load_network, power_per_image, save_network
from ohmbench.floatgate.training import RECIPES, FloatgateTask
from ohmbench.train import checkpoint_path
from ohmbench.weights import WEIGHTS_FOLDER
from tests.unit.networks import random_network


@pytest.fixture
def run(monkeypatch, capsys):
    """``run("evaluate", ...)`` -> (exit status, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ohmbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


@pytest.fixture
def saved(tmp_path):
    """A small network in a file, as training writes it."""
    path = tmp_path / "circles.npz"
    history = np.array([[25.0, 0.5, 0.1], [50.0, 0.4, 0.05]])
    network = random_network(SPECS["floatgate-circles"], seed=0)
    save_network(path, network, seed=3, recipe="{}", history=history)
    return path


def assert_refused(result, *words):
    status, out, err = result
    assert status == 2, (status, err)
    assert out == ""
    assert err.startswith("ohmbench: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    for word in words:
        assert str(word) in err


class TestReports:
    def test_evaluate(self, run, saved):
        status, out, err = run("evaluate", saved)
        assert (status, err) == (0, "")
        data = load_network(saved)
        found = evaluate(data.network, data.v, data.labels)
        assert f"{found.correct} of 500 correct" in out
        assert "circles, held out by seed 3" in out
        for label in ("ekv(v)", "transistor_pos(|I|)", "wta(|I|)", "layer 1 bias"):
            assert label in out

    def test_evaluate_json(self, run, saved):
        status, out, _ = run("evaluate", saved, "--json")
        assert status == 0
        report = json.loads(out)
        assert sum(map(sum, report["confusion"])) == report["total"] == 500
        assert report["accuracy"] == report["correct"] / 500
        assert report["not_programmable"]["layer 0 weight"]["total"] == 10

    def test_power(self, run, saved):
        data = load_network(saved)
        watts = power_per_image(data.network, data.v)
        status, out, _ = run(
            "power", saved, "--json", "--per-class", "--max", "--all", "--settling-time", "2e-6"
        )
        assert status == 0
        report = json.loads(out)
        assert report["neurons"] == 7
        assert report["mean_W"] == pytest.approx(float(watts.mean()), rel=1e-12)
        assert report["mean_energy_J"] == pytest.approx(2e-6 * report["mean_W"])
        assert len(report["per_image_W"]) == 500
        assert report["per_class_W"]["first_image"][int(data.labels[0])] == watts[0]
        status, out, _ = run("power", saved, "--per-class", "--max", "--settling-time", "2e-6")
        assert status == 0
        assert f"{1e3 * report['mean_W']:.4f}" in out
        assert "settled for 2e-06 s" in out

    def test_no_energy_without_a_settling_time(self, run, saved):
        _, out, _ = run("power", saved, "--json")
        assert "mean_energy_J" not in json.loads(out)

    def test_predict(self, run, saved, tmp_path):
        data = load_network(saved)
        with torch.no_grad():
            outputs = data.network(data.v[7])
        status, out, _ = run("predict", saved, "--index", 7, "--json")
        assert status == 0
        report = json.loads(out)
        assert report["outputs"] == pytest.approx(outputs.tolist())
        assert report["answer"] == int(outputs.argmax())
        assert report["label"] == int(data.labels[7])
        status, out, _ = run("predict", saved, "--index", 7, "--plot", tmp_path / "seven.png")
        assert status == 0
        assert f"answers {report['answer']}" in out
        assert (tmp_path / "seven.png").read_bytes().startswith(b"\x89PNG")

    def test_plot(self, run, saved, tmp_path):
        status, out, _ = run("plot", saved, "--out", tmp_path / "figures")
        assert status == 0
        drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
        assert drawn == ["confusion.png", "currents.png", "curves.png", "history.png"]
        assert all(name in out for name in drawn)

    def test_list_and_doctor(self, run):
        status, out, _ = run("list")
        assert status == 0
        assert "floatgate-digits" in out
        status, out, _ = run("doctor")
        assert status == 0
        assert "torch" in out
        assert "paper-fann" in out
        assert "match their manifest" in out

    def test_train_writes_a_network_and_no_checkpoint(self, run, tmp_path, short_recipe):
        out_file = tmp_path / "net.npz"
        status, out, _ = run("train", short_recipe, "--seed", 5, "--out", out_file)
        assert status == 0
        assert "held out by seed 5" in out
        assert not checkpoint_path(out_file).exists()
        stored = load_network(out_file)
        assert stored.seed == 5
        assert all(v.unholdable == v.off_level == 0 for v in stored.network.violations().values())
        assert_refused(run("train", short_recipe, "--seed", 5, "--out", out_file), "--force")

    @pytest.mark.parametrize(
        "command", ["", *(c.callback.__name__ for c in cli.app.registered_commands)]
    )
    def test_help_teaches(self, run, command):
        names = {"list_weights": "list", "evaluate_command": "evaluate", "plot_command": "plot"}
        command = names.get(command, command)
        status, out, err = run(*([command] if command else []), "--help")
        assert (status, err) == (0, "")
        assert "Usage:" in out
        if command not in ("", "list", "doctor"):
            assert f"ohmbench {command}" in out.split("Example:")[1]


@pytest.fixture
def short_recipe(monkeypatch):
    name = "floatgate-circles"
    monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], steps=30, population=2))
    return name


WRONG_CONTENTS = {
    "missing": ({"mlp_0_weights": None}, ["mlp_0_weights"]),
    "nan": ({"mlp_0_weights": np.full((5, 2), np.nan)}, ["mlp_0_weights"]),
    "zero": ({"mlp_0_weights": np.zeros((5, 2))}, ["mlp_0_weights", "0 A"]),
    "too-large": ({"mlp_0_weights": np.full((5, 2), 1e-4)}, ["mlp_0_weights", "4.42e-05"]),
    "mixed-dtypes": ({"mlp_0_weights": np.full((5, 2), 1e-8).astype("f4")}, ["dtype"]),
    "wide": ({"mlp_0_weights": np.full((5, 3), 1e-8)}, ["network", "(2, 5, 2)"]),
    "short-bias": ({"mlp_0_bias": np.full(4, 1e-8)}, ["mlp_0_bias"]),
    "negative-wta": ({"mlp_1_weights": np.full((2, 5), -1e-8)}, ["mlp_1_weights", "negative"]),
    "no-seed": ({"seed": None}, ["seed", "test_data"]),
    "negative-seed": ({"seed": np.array(-1)}, ["seed"]),
    "unknown-network": ({"network": np.array("nonsense")}, ["network", "nonsense"]),
    "labels-only": ({"labels": np.zeros(3, int)}, ["test_data"]),
    "label-no-class": (
        {"test_data": np.full((3, 2), 2.0), "labels": np.array([0, 1, 2])},
        ["label 2"],
    ),
    "labels-short": ({"test_data": np.full((3, 2), 2.0), "labels": np.array([0, 1])}, ["labels"]),
    "images-wide": ({"test_data": np.full((3, 3), 2.0), "labels": np.zeros(3, int)}, ["test_data"]),
    "extra": ({"surprise": np.zeros(2)}, ["surprise"]),
}


class TestBadInput:
    def test_unknown_name(self, run):
        assert_refused(run("evaluate", "nonsense"), "nonsense", "floatgate-digits", "paper-v3")

    def test_missing_file(self, run, tmp_path):
        assert_refused(run("evaluate", tmp_path / "no.npz"), "no.npz")

    def test_truncated_file(self, run, saved):
        saved.write_bytes(saved.read_bytes()[:-100])
        assert_refused(run("power", saved), "circles.npz")

    def test_pickle(self, run, tmp_path):
        path = tmp_path / "evil.npz"
        np.savez(path, mlp_0_weights=np.array([object()]), mlp_0_bias=np.zeros(3))
        assert_refused(run("evaluate", path), "evil.npz", "mlp_0_weights")

    @pytest.mark.parametrize(("changes", "words"), WRONG_CONTENTS.values(), ids=WRONG_CONTENTS)
    def test_wrong_contents(self, run, tmp_path, changes, words):
        arrays = {
            "mlp_0_weights": np.full((5, 2), 1e-8),
            "mlp_0_bias": np.full(5, 1e-8),
            "mlp_1_weights": np.full((2, 5), 1e-8),
            "mlp_1_bias": np.full(2, 1e-8),
            "seed": np.array(0),
            "network": np.array("floatgate-circles"),
        } | changes
        path = tmp_path / "bad.npz"
        np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
        before = path.read_bytes()
        assert_refused(run("evaluate", path), "bad.npz", *words)
        assert path.read_bytes() == before

    def test_index_out_of_range(self, run, saved):
        for index in (-1, 500):
            assert_refused(run("predict", saved, "--index", index), "0 to 499")

    def test_settling_time(self, run, saved):
        for time in ("0", "-1", "nan", "inf"):
            assert_refused(run("power", saved, "--settling-time", time), "--settling-time")

    @pytest.mark.parametrize("name", ["plot.txt", "plot", "plot.png/"])
    def test_figure_that_is_none(self, run, saved, tmp_path, name):
        assert_refused(run("predict", saved, "--index", 0, "--plot", f"{tmp_path}/missing/{name}"))

    def test_existing_outputs_stay(self, run, saved, tmp_path):
        figure = tmp_path / "there.png"
        figure.write_bytes(b"mine")
        assert_refused(
            run("predict", saved, "--index", 0, "--plot", figure), "there.png", "--force"
        )
        assert figure.read_bytes() == b"mine"
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / "curves.png").write_bytes(b"mine")
        assert_refused(run("plot", saved, "--out", tmp_path / "figures"), "curves.png")
        assert [p.name for p in (tmp_path / "figures").iterdir()] == ["curves.png"]
        assert_refused(run("plot", saved, "--out", figure), "there.png")

    def test_unwritable_training_output(self, run, tmp_path):
        assert_refused(run("train", "floatgate-circles", "--out", tmp_path / "no" / "x.npz"), "no")

    def test_training_options(self, run, tmp_path):
        assert_refused(run("train", "nonsense"), "nonsense", "floatgate-digits")
        assert_refused(run("train", "floatgate-digits", "--seed", "-1"), "--seed")
        assert_refused(run("train", "floatgate-digits", "--seed", "x"), "--seed")

    def test_usage(self, run):
        assert_refused(run("nonsense"), "nonsense")
        assert_refused(run("evaluate"), "ohmbench evaluate --help")
        assert_refused(run("evaluate", "x", "--nonsense"), "--nonsense")

    def test_paper_folder(self, run, tmp_path, monkeypatch):
        monkeypatch.delenv("OHMBENCH_PAPER_FANN", raising=False)
        assert_refused(run("evaluate", "paper-v3"), "--paper-fann")
        assert_refused(run("evaluate", "paper-v3", "--paper-fann", tmp_path / "no"), "not a folder")
        assert_refused(run("evaluate", "paper-v3", "--paper-fann", tmp_path), "fg_mnist_weights_v3")

    def test_names_with_odd_characters_stay_one_line(self, run):
        assert_refused(run("evaluate", "a\nb\x1b[31m.npz"), "a\\nb")

    def test_store_refuses_what_training_did_not_write(self, run, tmp_path):
        network = random_network(SPECS["floatgate-circles"], seed=0)
        arrays = {}
        for k, layer in enumerate(network.fg_layers):
            arrays[f"mlp_{k}_weights"] = layer.weight.detach().numpy()
            arrays[f"mlp_{k}_bias"] = layer.bias.detach().numpy()
        path = tmp_path / "foreign.npz"
        np.savez(path, **arrays, test_data=np.full((2, 2), 2.0), labels=np.array([0, 1]))
        assert_refused(run("store", path, "--name", "x"), "seed")
        assert_refused(run("store", path, "--name", "../x"), "--name")


class TestStrangeSurroundings:
    def test_over_long_names(self, run, monkeypatch):
        for name in ("a" * 300, "a/" * 3000):
            assert_refused(run("evaluate", name))
            assert_refused(run("evaluate", "paper-v3", "--paper-fann", name), "--paper-fann")

    def test_trailing_slash_is_a_folder(self, run, saved, tmp_path):
        assert_refused(
            run("predict", saved, "--index", 0, "--plot", f"{tmp_path}/x.png/"), "x.png/"
        )
        assert_refused(run("train", "floatgate-circles", "--out", f"{tmp_path}/x.npz/"), "x.npz/")
        assert [p.name for p in tmp_path.iterdir()] == [saved.name]

    def test_empty_option_values(self, run, saved, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OHMBENCH_PAPER_FANN", str(tmp_path))
        assert_refused(run("plot", saved, "--out", ""), "--out")
        assert_refused(run("predict", saved, "--index", 0, "--plot", ""))
        assert_refused(run("train", "floatgate-circles", "--out", ""))
        assert_refused(run("evaluate", "paper-v3", "--paper-fann", ""), "--paper-fann")
        assert [p.name for p in tmp_path.iterdir()] == [saved.name]

    def test_control_characters_never_reach_the_terminal(self, run, saved, tmp_path):
        odd = tmp_path / "e\x1b[31m\nx.npz"
        saved.rename(odd)
        for command in (("evaluate",), ("power",), ("predict", "--index", "0")):
            status, out, _ = run(command[0], odd, *command[1:])
            assert status == 0
            assert "\x1b" not in out

    def test_resume_and_force_exclude_each_other(self, run, tmp_path):
        out = tmp_path / "x.npz"
        result = run("train", "floatgate-circles", "--out", out, "--resume", "--force")
        assert_refused(result, "--resume", "--force")

    def test_resume_without_checkpoint_says_so(self, run, tmp_path, short_recipe):
        status, _, err = run("train", short_recipe, "--out", tmp_path / "x.npz", "--resume")
        assert status == 0
        assert "nothing to resume" in err

    def test_interrupt_names_the_way_on(self, run, tmp_path, short_recipe, monkeypatch):
        def interrupted(task, step, generator):
            raise KeyboardInterrupt

        monkeypatch.setattr(FloatgateTask, "update", interrupted)
        status, _, err = run("train", short_recipe, "--out", tmp_path / "x.npz")
        assert status == 130
        assert err.splitlines()[-1].startswith("ohmbench: interrupted; continue with --resume")

    def test_store_keeps_nothing_of_what_it_refuses(self, run, tmp_path, monkeypatch):
        path = tmp_path / "net.npz"
        network = random_network(SPECS["floatgate-circles"], seed=0)
        history = np.ones((1, 3))
        before = sorted(WEIGHTS_FOLDER.iterdir())
        for recipe in ("{", "[1]", '{"a": NaN}'):
            save_network(path, network, seed=0, recipe=recipe, history=history, overwrite=True)
            assert_refused(run("store", path, "--name", "new"), "recipe", "net.npz")
        save_network(path, network, seed=0, recipe="{}", history=history, overwrite=True)
        assert_refused(run("store", path, "--name", "paper-v3"), "paper-v3")
        assert sorted(WEIGHTS_FOLDER.iterdir()) == before

    def test_file_without_an_image_of_some_class(self, run, saved, tmp_path):
        with np.load(saved) as stored:
            arrays = {k: stored[k] for k in stored.files}
        np.savez(saved, **arrays, test_data=np.full((1, 2), 2.0), labels=np.array([0]))
        assert_refused(run("power", saved), "circles.npz", "class 1")
        assert run("evaluate", saved)[0] == 0

    def test_version(self, run):
        assert run("--version")[:2] == (0, f"ohmbench {version('ohmbench')}\n")


SCRIPT = (sys.executable, "-c", "from ohmbench.cli import main; main()")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_output_that_goes_nowhere(redirection):
    shell = ["/bin/sh", "-c", f'"$@" {redirection}', "sh"]
    done = subprocess.run([*shell, *SCRIPT, "list"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("ohmbench: standard output")
    assert done.stderr.count("\n") == 1


def test_as_a_process(saved):
    """The installed console script: exit status and streams as a shell sees them."""
    good = subprocess.run([*SCRIPT, "evaluate", str(saved)], capture_output=True, text=True)
    assert good.returncode == 0
    assert good.stderr == ""
    bad = subprocess.run([*SCRIPT, "evaluate", "nonsense"], capture_output=True, text=True)
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.count("\n") == 1
