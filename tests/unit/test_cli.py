"""The command line: what it prints, and one clear line with status 2 for every bad input."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from ohmbench import cli, start
from ohmbench.cli import common
from ohmbench.digital import (
    INT8_SPECS,
    Images,
    evaluate_int8,
    infer,
    load_int8,
    save_int8,
)
from ohmbench.digital.trace import dequantised
from ohmbench.digital.training import INT8_RECIPES
from ohmbench.errors import HardwareFailure
from ohmbench.floatgate import SPECS, evaluate, load_network, power_per_image, save_network
from ohmbench.floatgate.training import RECIPES, FloatgateTask
from ohmbench.kernels import compiling
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kirchhoff.fast import edge_pass
from ohmbench.needs import NEEDS, Availability
from ohmbench.training import checkpoint_path
from ohmbench.weights import WEIGHTS_FOLDER
from tests.unit.command_line import assert_refused
from tests.unit.int8_networks import random_int8, random_scaled, zeros
from tests.unit.networks import random_network


@pytest.fixture
def saved(tmp_path):
    """A small network in a file, as training writes it."""
    path = tmp_path / "circles.npz"
    history = np.array([[25.0, 0.5, 0.1], [50.0, 0.4, 0.05]])
    network = random_network(SPECS["floatgate-circles"], seed=0)
    save_network(path, network, seed=3, recipe="{}", history=history)
    return path


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
        assert report["by_plain_path"] == 0

    def test_evaluate_says_what_left_the_fast_path(self, run, tmp_path, monkeypatch):
        monkeypatch.delenv(PATH_VARIABLE, raising=False)
        network = random_network(SPECS["floatgate-circles"], seed=0)
        with torch.no_grad():
            network.fg_layers[0].weight[0, 0] = 5e-17
        path = tmp_path / "small.npz"
        save_network(path, network, seed=3, recipe="{}", history=np.zeros((1, 3)))
        assert json.loads(run("evaluate", path, "--json")[1])["by_plain_path"] == 500 * 10
        assert "5000 cell evaluations by the plain formulas" in run("evaluate", path)[1]

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

    def test_a_class_without_images_has_no_power(self, run, tmp_path):
        """It is reported as such, and the others as ever."""
        network = random_network(SPECS["floatgate-digits"], seed=0)
        v = 1.8 + 0.7 * torch.rand(9, 64, generator=torch.Generator().manual_seed(1))
        labels = torch.tensor([0, 1, 2, 4, 5, 6, 8, 9, 0])
        path = tmp_path / "some.npz"
        arrays = {
            f"mlp_{k}_{name}": getattr(layer, one).detach().numpy()
            for k, layer in enumerate(network.fg_layers)
            for name, one in (("weights", "weight"), ("bias", "bias"))
        }
        np.savez(path, test_data=v.numpy(), labels=labels.numpy(), **arrays)
        status, out, err = run("power", path, "--json", "--per-class", "--all")
        assert (status, err) == (0, "")
        report = json.loads(out)
        watts = power_per_image(network, v).tolist()
        assert report["per_image_W"] == pytest.approx(watts)
        assert report["classes_without_images"] == [3, 7]
        assert report["first_of_class_mean_W"] is None
        first, mean = (report["per_class_W"][name] for name in ("first_image", "mean"))
        for c in range(10):
            of_class = [w for w, label in zip(watts, labels.tolist(), strict=True) if label == c]
            assert first[c] == (pytest.approx(of_class[0]) if of_class else None)
            expected = pytest.approx(sum(of_class) / len(of_class)) if of_class else None
            assert mean[c] == expected
        status, out, err = run("power", path, "--per-class")
        assert (status, err) == (0, "")
        assert "no image of class 3, 7: the paper's figure needs one of each class" in out
        np.savez(path, test_data=v[:1].numpy(), labels=labels[:1].numpy(), **arrays)
        assert json.loads(run("power", path, "--json")[1])["classes_without_images"] == [
            *range(1, 10)
        ]
        for command in (["evaluate"], ["evaluate", "--json"], ["predict", "--image", "0"]):
            assert run(command[0], path, *command[1:])[0] == 0
        assert run("plot", path, "--out", tmp_path / "figures")[0] == 0

    def test_no_energy_without_a_settling_time(self, run, saved):
        _, out, _ = run("power", saved, "--json")
        assert "mean_energy_J" not in json.loads(out)

    def test_predict(self, run, saved, tmp_path):
        data = load_network(saved)
        with torch.no_grad():
            outputs = data.network(data.v[7])
        status, out, _ = run("predict", saved, "--image", 7, "--json")
        assert status == 0
        report = json.loads(out)
        assert report["outputs"] == pytest.approx(outputs.tolist())
        assert report["answer"] == int(outputs.argmax())
        assert report["label"] == int(data.labels[7])
        status, out, _ = run("predict", saved, "--image", 7, "--plot", tmp_path / "seven.png")
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

    def test_doctor_prints_hints_and_folders_whole(self, run, monkeypatch, tmp_path):
        gone = replace(NEEDS["z3"], look=lambda: Availability(None, "z3 not found"))
        monkeypatch.setitem(NEEDS, "z3", gone)
        monkeypatch.setenv("OHMBENCH_HDL", str(tmp_path))
        monkeypatch.setenv("OHMBENCH_CACHE", str(tmp_path / "cache"))
        status, out, _ = run("doctor")
        assert status == 0
        assert "ohmbench[rtl]" in out
        assert f"OHMBENCH_CACHE: {tmp_path}/cache\n" in out
        assert f"error: {tmp_path}: no accelerator.v" in out

    def test_doctor_says_where_compiled_loops_are_kept(self, run, monkeypatch):
        folder = compiling.kept_in(edge_pass.evaluate_rows)
        assert f"compiled loops: kept in {folder}\n" in run("doctor")[1]
        monkeypatch.setattr(compiling, "kept_in", lambda _: None)
        out = run("doctor")[1]
        assert "compiled anew by each command" in out
        assert "set NUMBA_CACHE_DIR" in out
        monkeypatch.setattr(compiling, "COMPILER_ON", False)
        assert "compiled loops: none, since NUMBA_DISABLE_JIT is set" in run("doctor")[1]

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
        names = {
            "list_weights": "list",
            "evaluate_command": "evaluate",
            "plot_command": "plot",
            "import_command": "import",
            "quantize_command": "quantize",
        }
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
        assert_refused(run("evaluate", tmp_path / "no"), "no such file or folder")
        assert_refused(run("evaluate", ""), "NAME: is empty", "ohmbench list")

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
            assert_refused(run("predict", saved, "--image", index), "0 to 499")

    def test_settling_time(self, run, saved):
        for time in ("0", "-1", "nan", "inf"):
            assert_refused(run("power", saved, "--settling-time", time), "--settling-time")

    @pytest.mark.parametrize("name", ["plot.txt", "plot", "plot.png/"])
    def test_figure_that_is_none(self, run, saved, tmp_path, name):
        assert_refused(run("predict", saved, "--image", 0, "--plot", f"{tmp_path}/missing/{name}"))

    def test_existing_outputs_stay(self, run, saved, tmp_path):
        figure = tmp_path / "there.png"
        figure.write_bytes(b"mine")
        assert_refused(
            run("predict", saved, "--image", 0, "--plot", figure), "there.png", "--force"
        )
        assert figure.read_bytes() == b"mine"
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / "curves.png").write_bytes(b"mine")
        assert_refused(run("plot", saved, "--out", tmp_path / "figures"), "curves.png")
        assert [p.name for p in (tmp_path / "figures").iterdir()] == ["curves.png"]
        assert_refused(run("plot", saved, "--out", figure), "there.png")
        assert run("plot", saved, "--out", tmp_path / "figures", "--force")[0] == 0
        assert (tmp_path / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")

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

    @pytest.mark.parametrize(
        ("words", "asked"),
        [
            ("", "ohmbench"),
            ("evaluate x --tol", "ohmbench evaluate"),
            ("synth sweep --lanes x", "ohmbench synth sweep"),
            ("nonsense evaluate", "ohmbench"),
        ],
    )
    def test_the_command_that_was_asked(self, monkeypatch, words, asked):
        monkeypatch.setattr(sys, "argv", ["ohmbench", *words.split()])
        assert cli._command_asked() == asked

    def test_a_hint_names_the_command_that_was_asked(self, run):
        for words in (
            "evaluate x --tol",
            "evaluate x --json=3",
            "synth run x --clock",
            "bench show",
        ):
            command = words.partition(" x")[0]
            assert_refused(run(*words.split()), f"; see 'ohmbench {command} --help'")
        assert_refused(run("--nonsense"), "; see 'ohmbench --help'")

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
            run("predict", saved, "--image", 0, "--plot", f"{tmp_path}/x.png/"), "x.png/"
        )
        assert_refused(run("train", "floatgate-circles", "--out", f"{tmp_path}/x.npz/"), "x.npz/")
        assert [p.name for p in tmp_path.iterdir()] == [saved.name]

    def test_empty_option_values(self, run, saved, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OHMBENCH_PAPER_FANN", str(tmp_path))
        assert_refused(run("plot", saved, "--out", ""), "--out")
        assert_refused(run("predict", saved, "--image", 0, "--plot", ""))
        assert_refused(run("train", "floatgate-circles", "--out", ""))
        assert_refused(run("evaluate", "paper-v3", "--paper-fann", ""), "--paper-fann")
        assert [p.name for p in tmp_path.iterdir()] == [saved.name]

    def test_control_characters_never_reach_the_terminal(self, run, saved, tmp_path):
        odd = tmp_path / "e\x1b[31m\nx.npz"
        saved.rename(odd)
        for command in (("evaluate",), ("power",), ("predict", "--image", "0")):
            status, out, _ = run(command[0], odd, *command[1:])
            assert status == 0
            assert "\x1b" not in out

    @pytest.mark.parametrize("name", ["[/no].npz", "[red]x[/red].npz", "$x^$ $.npz", "a$b\\$c.npz"])
    def test_a_name_is_neither_markup_nor_a_formula(self, run, saved, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        Path(name).parent.mkdir(exist_ok=True)
        saved.rename(name)
        for words in ("power", "evaluate", "predict --image 0 --plot x.svg"):
            status, out, err = run(*words.split(), name)
            assert (status, err) == (0, "")
            assert name in out.splitlines()[0]

    @pytest.mark.parametrize(
        "error",
        [
            MemoryError(),
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 bytes"),
            torch.cuda.OutOfMemoryError("CUDA out of memory."),
        ],
        ids=["python", "torch", "cuda"],
    )
    def test_too_little_memory(self, run, monkeypatch, error):
        def asked_too_much():
            raise error

        monkeypatch.setattr("ohmbench.weights.read_manifest", asked_too_much)
        assert_refused(run("list"), "memory: not enough")

    def test_a_defect_keeps_its_traceback(self, run, monkeypatch):
        def broken():
            raise RuntimeError("a defect")

        monkeypatch.setattr("ohmbench.weights.read_manifest", broken)
        monkeypatch.setattr(sys, "argv", ["ohmbench", "list"])
        with pytest.raises(RuntimeError, match="a defect"):
            cli.main()

    def test_a_folder_that_was_deleted(self, run, tmp_path, monkeypatch):
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert_refused(run("train", "floatgate-circles"), "current folder: no longer exists")
        assert_refused(run("evaluate", "x.npz"), "x.npz: cannot open")
        assert run("list")[0] == 0

    def test_resume_and_force_exclude_each_other(self, run, tmp_path):
        out = tmp_path / "x.npz"
        result = run("train", "floatgate-circles", "--out", out, "--resume", "--force")
        assert_refused(result, "--resume", "--force")

    def test_resume_without_checkpoint_says_so(self, run, tmp_path, short_recipe):
        status, _, err = run("train", short_recipe, "--out", tmp_path / "x.npz", "--resume")
        assert status == 0
        assert "nothing to resume" in err

    def test_a_finished_training_is_not_resumed(self, run, tmp_path, short_recipe):
        out = tmp_path / "x.npz"
        assert run("train", short_recipe, "--out", out)[0] == 0
        before = out.read_bytes()
        result = run("train", short_recipe, "--out", out, "--resume")
        assert_refused(result, out, "nothing left to resume", "--force")
        assert out.read_bytes() == before

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

    def test_version(self, run):
        assert run("--version")[:2] == (0, f"ohmbench {version('ohmbench')}\n")


@pytest.fixture
def int8(tmp_path):
    """A small int8 network in a file, in the paper's layout, with images and answers."""
    path = tmp_path / "small.npz"
    network, x = random_scaled(0)
    answers = infer(network, x).classes
    labels = answers.copy()
    labels[0] = (labels[0] + 1) % 4
    save_int8(path, network, images=Images(x, labels, "test"), predictions=answers)
    return path


@pytest.fixture
def hardware(monkeypatch):
    """``hardware(simulate)``: what stands in for the simulation of the RTL."""

    def stand_in(simulate):
        module = SimpleNamespace(simulate=simulate)
        monkeypatch.setitem(sys.modules, "ohmbench.eda.simulation", module)

    return stand_in


class TestInt8:
    def test_evaluate(self, run, int8):
        status, out, err = run("evaluate", int8)
        assert (status, err) == (0, "")
        assert "19 of 20 correct" in out
        assert "20 of 20" in out
        rows = [line.split("│")[1:3] for line in out.splitlines() if line.startswith("│")]
        names = [row[0].strip() for row in rows]
        assert names[:2] == ["requantisation", "hidden values clamped at 255"]
        assert rows[0][1].strip().startswith("M = ")
        status, out, _ = run("evaluate", int8, "--json")
        report = json.loads(out)
        data = load_int8(int8)
        found = evaluate_int8(data.network, data.images().x, data.images().labels)
        assert report["accuracy"] == 0.95
        assert report["confusion"] == found.confusion.tolist()
        assert report["sizes"] == [16, 12, 4]
        assert (report["M"], report["S"]) == (data.network.M, 24)
        assert report["largest_product"] == found.largest_product
        assert report["answers_as_stored"] == 20
        assert report["network"] is None

    def test_predict(self, run, int8, tmp_path):
        data = load_int8(int8)
        found = infer(data.network, data.images().x)
        status, out, _ = run("predict", int8, "--image", 3, "--json")
        assert status == 0
        report = json.loads(out)
        assert report["logits"] == found.logits[3].tolist()
        assert report["hidden"] == found.hidden[3].tolist()
        assert (report["answer"], report["value"]) == (found.classes[3], found.values[3])
        status, out, _ = run("predict", int8, "--image", 0, "--plot", tmp_path / "zero.png")
        assert status == 0
        assert "wrong" in out
        assert str(found.logits[0, 0]) in out
        assert (tmp_path / "zero.png").read_bytes().startswith(b"\x89PNG")
        assert_refused(run("predict", int8, "--image", 20), "0 to 19")

    def test_plot(self, run, int8, tmp_path):
        status, out, _ = run("plot", int8, "--out", tmp_path / "figures")
        assert status == 0
        drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
        assert drawn == ["confusion.png", "weights.png"]
        assert all(name in out for name in drawn)

    def test_list_names_them(self, run):
        _, out, _ = run("list", "--all")
        assert "int8-digits-seed9" in out

    def test_train_and_refuse_to_store(self, run, tmp_path, monkeypatch):
        name = "int8-digits"
        monkeypatch.setitem(INT8_RECIPES, name, replace(INT8_RECIPES[name], steps=30))
        path = tmp_path / "net.npz"
        status, out, _ = run("train", name, "--seed", 5, "--out", path)
        assert status == 0
        assert "of 360 correct" in out
        assert "digits-fann, held-out part" in out
        assert not checkpoint_path(path).exists()
        assert load_int8(path).seed == 5
        assert_refused(run("train", name, "--out", path), "--force")
        for reserved in ("paper-int8", "paper-v3"):
            assert_refused(run("store", path, "--name", reserved), reserved)

    def test_training_names_every_network(self, run):
        assert_refused(run("train", "nonsense"), "floatgate-digits", "int8-digits", "int8-mnist28")

    def test_store_refuses_what_training_did_not_write(self, run, int8, tmp_path):
        assert_refused(run("store", int8, "--name", "x"), "seed")
        network, x = random_scaled(0)
        path = tmp_path / "nameless.npz"
        images = Images(x, np.zeros(20, np.int64), "test")
        save_int8(path, network, seed=1, recipe="{}", images=images)
        assert_refused(run("store", path, "--name", "x"), "network")

    def test_store_writes_manifest_and_file(self, run, tmp_path, monkeypatch):
        folder = tmp_path / "store"
        folder.mkdir()
        monkeypatch.setattr("ohmbench.cli.storing.WEIGHTS_FOLDER", folder)
        entries = {}
        monkeypatch.setattr("ohmbench.weights.register", entries.__setitem__)
        spec = INT8_SPECS["int8-digits"]
        network, _ = random_scaled(0, spec.sizes)
        path = tmp_path / "net.npz"
        save_int8(path, network, spec=spec, seed=4, recipe='{"steps": 3}', history=np.ones((1, 3)))
        assert run("store", path, "--name", "mine")[0] == 0
        assert load_int8(folder / "mine.npz").network == network
        entry = entries["mine"]
        assert entry.command == "ohmbench train int8-digits --seed 4"
        assert entry.metrics.keys() == {"accuracy", "correct", "total"}
        assert entry.metrics["total"] == 360
        assert entry.recipe == {"steps": 3}

    def test_commands_of_the_other_family(self, run, int8, saved):
        assert_refused(run("power", int8), "small.npz", "floating-gate")
        assert_refused(run("prove", saved), "circles.npz", "int8")
        assert_refused(run("trace", saved), "circles.npz", "int8")

    def test_bad_files(self, run, int8, tmp_path):
        with np.load(int8) as file:
            arrays = dict(file)
        for changes, words in (
            ({"mlp_0.weight_q": np.zeros((12, 16))}, ["mlp_0.weight_q", "float64"]),
            ({"mlp_0.weight_q": np.array([object()])}, ["mlp_0.weight_q"]),
            ({"mlp_0.weight_q": None}, ["mlp_0.weight_q: is missing; found mlp_0.bias_q"]),
            ({"mlp_0.bias_q": np.zeros(3, np.int32)}, ["mlp_0.bias_q"]),
            ({"mlp_0.out_scale": np.array([0], np.float32)}, ["mlp_0.out_scale", "positive"]),
        ):
            there = {k: v for k, v in (arrays | changes).items() if v is not None}
            np.savez(tmp_path / "bad.npz", **there)
            for command in ("evaluate", "prove", "trace", "predict --image 0"):
                name, *options = command.split()
                assert_refused(run(name, tmp_path / "bad.npz", *options), "bad.npz", *words)

    def test_without_images(self, run, tmp_path):
        network, _ = random_int8(0, (5, 4, 3))
        path = tmp_path / "bare.npz"
        save_int8(path, network)
        assert_refused(run("evaluate", path), "bare.npz", "test_inputs_u8")
        assert run("prove", path)[0] == 0

    def test_paper(self, run, tmp_path):
        assert_refused(run("evaluate", "paper-int8", "--paper-fann", tmp_path), "mnist8x8_int8W")
        (tmp_path / "Digital").mkdir()
        path = tmp_path / "Digital" / "mnist8x8_int8W_int32B_uint8A.npz"
        network, x = random_scaled(0)
        save_int8(path, network)
        assert_refused(run("evaluate", "paper-int8", "--paper-fann", tmp_path), "64-100-10")
        network, x = random_scaled(0, (64, 100, 10))
        save_int8(path, network, images=Images(x, np.zeros(20, np.int64), "test"), overwrite=True)
        result = run("evaluate", "paper-int8", "--paper-fann", tmp_path)
        assert_refused(result, "pytorch_test_pred")


class TestProve:
    def test_certificate(self, run, int8):
        status, out, err = run("prove", int8)
        assert (status, err) == (0, "")
        assert "proven; no image overflows" in out
        assert "48 unsigned" in out

    def test_a_narrow_product_is_broken_by_an_image(self, run, int8):
        status, out, err = run("prove", int8, "--product-bits", 30)
        assert (status, err) == (1, "")
        assert "product (30 bits unsigned), neuron" in out
        status, out, _ = run("prove", int8, "--product-bits", 30, "--json")
        assert status == 1
        report = json.loads(out)
        assert report["proven"] is False
        broken = report["registers"]["product"]
        assert broken["verdict"] == "BROKEN"
        example = broken["counterexample"]
        found = infer(load_int8(int8).network, np.array([example["image"]], np.uint8))
        assert found.product[0, example["neuron"]] == example["value"] >= 2**30
        assert example["kept"] == example["value"] % 2**30

    def test_each_width_can_be_narrowed(self, run, int8):
        for option, register in (
            ("--acc-bits", "acc0"),
            ("--sum-bits", "sum0"),
            ("--r-bits", "r"),
            ("--bias-bits", "bias0"),
            ("--scale-bits", "M"),
            ("--shift-bits", "S"),
        ):
            status, out, _ = run("prove", int8, option, 2, "--json")
            assert status == 1
            assert json.loads(out)["registers"][register]["verdict"] == "BROKEN", option

    def test_numbers_are_whole_on_a_narrow_terminal(self, run, int8, monkeypatch):
        monkeypatch.setattr(common, "console_out", lambda: Console(width=50))
        status, out, _ = run("prove", int8)
        assert status == 0
        bounds = json.loads(run("prove", int8, "--json")[1])["registers"]
        assert "…" not in out
        for name, b in bounds.items():
            (row,) = [line for line in out.splitlines() if line.startswith(f"│ {name} ")]
            least, most = f"{b['low']} ({b['low_neuron']})", f"{b['high']} ({b['high_neuron']})"
            alone = name in ("M", "S")
            assert f"│ {b['low'] if alone else least} " in row
            assert f"│ {b['high'] if alone else most} " in row
            assert len(row) <= 80

    def test_one_neuron_of_several_is_named(self, run, tmp_path):
        path = tmp_path / "b2.npz"
        save_int8(path, zeros(M=1, S=0, w0={(3, 0): 100, (5, 0): 120}))
        status, out, _ = run("prove", path, "--acc-bits", 14, "--hardware", "published")
        assert status == 1
        assert "acc0 (14 bits signed), neuron 3 (first of 2 that leave it): 25500" in out
        # All weights plus 128: 64 * 128 * 255 = 2 088 960 and 100 * 255 more.
        status, out, _ = run("prove", path, "--acc-bits", 20)
        assert status == 1
        assert "acc0 (20 bits unsigned), neuron 0 (first of 100 that leave it): 2088960" in out
        status, out, _ = run("prove", path, "--shift-bits", 1, "--scale-bits", 1)
        assert status == 0
        save_int8(path, zeros(M=2, S=1), overwrite=True)
        status, out, _ = run("prove", path, "--scale-bits", 1)
        assert status == 1
        assert "M (1 bit unsigned): 2 is stored, 0 is left of it; needs 2 bits" in out

    def test_hardware_that_cannot_be_built_is_not_proven(self, run, int8):
        assert_refused(run("prove", int8, "--lanes", 12), "cannot be built for 16-12-4")
        assert_refused(run("prove", int8, "--classes", 300), "cannot be built for 16-12-300")

    def test_larger_and_smaller_hardware(self, run, int8):
        sizes = ("--inputs", 20, "--hidden", 30, "--classes", 8)
        status, out, _ = run("prove", int8, *sizes, "--lanes", 4)
        assert status == 0
        assert "16-12-4 on hardware for 20-30-8" in out
        assert_refused(run("prove", int8, "--inputs", 15), "16 inputs", "15")
        assert_refused(run("prove", int8, "--inputs", 0), "--inputs")
        assert_refused(run("prove", int8, "--hardware", "nonsense"), "--hardware")

    def test_published_hardware(self, run, tmp_path):
        path = tmp_path / "b2.npz"
        save_int8(path, zeros(M=32768, S=24, b0={0: 65536}))
        status, out, _ = run("prove", path, "--hardware", "published")
        assert status == 1
        assert "product (32 bits signed), neuron 0: 2147483648 is reached, -2147483648" in out
        assert run("prove", path)[0] == 0
        save_int8(path, random_int8(0, (784, 64, 10))[0], overwrite=True)
        assert_refused(run("prove", path, "--hardware", "published"), "784 inputs", "--inputs 784")


class TestTrace:
    def test_all_stages(self, run, int8, hardware):
        hardware(lambda network, images, **_: infer(network, images))
        status, out, err = run("trace", int8, "--all")
        assert (status, err) == (0, "")
        assert "20 images: every stage within its tolerance" in out
        assert "integers -> hardware: within tolerance" in out
        status, out, _ = run("trace", int8, "--image", 3, "--json")
        assert status == 0
        report = json.loads(out)
        assert report["images"] == 1
        assert [s["departure"] for s in report["stages"]] == [None] * 3

    def test_hardware_that_does_not_answer(self, run, int8, hardware):
        def dead(network, images, **_):
            raise HardwareFailure("0 of 1 results came within 100 clocks")

        hardware(dead)
        status, out, err = run("trace", int8, "--image", 2)
        assert (status, err) == (1, "")
        assert "image 2: integers -> hardware: 0 of 1 results came" in out
        assert "every stage within" not in out
        status, out, _ = run("trace", int8, "--json")
        assert status == 1
        assert json.loads(out)["stages"][2]["failure"].startswith("0 of 1 results")

    def test_options_that_exclude_each_other(self, run, int8):
        assert_refused(run("trace", int8, "--image", 1, "--all", "--no-rtl"), "--image", "--all")
        assert_refused(run("trace", int8, "--tolerance", "inf", "--no-rtl"), "tolerance is inf")

    def test_without_the_hardware(self, run, int8):
        status, out, _ = run("trace", int8, "--no-rtl")
        assert status == 0
        assert "-> hardware" not in out

    def test_a_fault_in_the_hardware_is_named(self, run, int8, hardware):
        def faulty(network, images, **_):
            found = infer(network, images)
            hidden = found.hidden.copy()
            hidden[-1, 7] ^= 0x10
            return replace(found, hidden=hidden)

        hardware(faulty)
        data = load_int8(int8)
        exact = int(infer(data.network, data.images().x).hidden[5, 7])
        status, out, err = run("trace", int8, "--image", 5)
        assert (status, err) == (1, "")
        assert (
            f"integers -> hardware: image 5, layer 0: hidden[7] = {exact ^ 0x10}, "
            f"but should be {exact}" in out
        )
        assert "every stage within" not in out
        status, out, _ = run("trace", int8, "--all", "--json")
        assert status == 1
        departure = json.loads(out)["stages"][2]["departure"]
        assert (departure["image"], departure["layer"], departure["neuron"]) == (19, 0, 7)

    def test_float_weights(self, run, int8, tmp_path):
        own = dequantised(load_int8(int8).network)
        path = tmp_path / "float.npz"

        def save(sign):
            np.savez(
                path,
                **{f"mlp_{k}.weight": sign * own.weight[k] for k in range(2)},
                **{f"mlp_{k}.bias": own.bias[k] for k in range(2)},
            )

        save(1)
        assert run("trace", int8, "--no-rtl", "--float", path)[0] == 0
        save(-1)
        status, out, _ = run("trace", int8, "--no-rtl", "--float", path)
        assert status == 1
        assert "float -> fake-quantised: image 0, layer 0: hidden[" in out
        assert_refused(run("trace", int8, "--no-rtl", "--float", int8), "mlp_0.weight")

    def test_bad_options(self, run, int8):
        for image in (-1, -20, 20):
            result = run("trace", int8, "--no-rtl", f"--image={image}")
            assert_refused(result, f"--image {image}: not in these data; choose 0 to 19")
        for image in (0, 19):
            status, out, _ = run("trace", int8, "--no-rtl", f"--image={image}")
            assert (status, f"image {image}: every stage" in out) == (0, True)
        assert_refused(run("trace", int8, "--no-rtl", "--tolerance", 0), "tolerance")

    def test_no_simulation_is_one_line(self, run, int8, monkeypatch):
        monkeypatch.setitem(sys.modules, "ohmbench.eda.simulation", None)
        assert_refused(run("trace", int8), "ohmbench.eda.simulation", "--no-rtl")


SCRIPT = (sys.executable, "-c", "from ohmbench.start import main; main()")


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">/dev/full", "ohmbench: standard output: No space left"),
        (">&-", "ohmbench: standard output: is closed"),
        ("2>&-", ""),
    ],
)
def test_output_that_goes_nowhere(redirection, said):
    """``test_streams`` has the rest; this is what only a process of its own shows."""
    words = ["evaluate", "nonsense"] if redirection == "2>&-" else ["list"]
    shell = ["/bin/sh", "-c", f'"$@" {redirection}', "sh"]
    done = subprocess.run([*shell, *SCRIPT, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)


def test_as_a_process(saved):
    """The installed console script: exit status and streams as a shell sees them."""
    good = subprocess.run([*SCRIPT, "evaluate", str(saved)], capture_output=True, text=True)
    assert good.returncode == 0
    assert good.stderr == ""
    bad = subprocess.run([*SCRIPT, "evaluate", "nonsense"], capture_output=True, text=True)
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.count("\n") == 1


def test_an_interrupt_while_it_starts(monkeypatch, capsys):
    """Imports take seconds: Ctrl-C in them is one line, as it is later."""

    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "ohmbench.cli", Interrupted("ohmbench.cli"))
    with pytest.raises(SystemExit) as stop:
        start.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "ohmbench: interrupted\n"


def test_an_interrupt_at_work(run, monkeypatch):
    """Also of a command that has nothing of its own to say about it."""

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ohmbench.weights.read_manifest", interrupted)
    status, out, err = run("list")
    assert (status, out, err) == (130, "", "ohmbench: interrupted\n")
