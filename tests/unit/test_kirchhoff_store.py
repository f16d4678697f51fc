"""KirchhoffNets in files: every bit comes back, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.errors import FileError
from ohmbench.files import read_pth, write_npz, write_pth
from ohmbench.kirchhoff.configuration import config_text
from ohmbench.kirchhoff.models import Model, build
from ohmbench.kirchhoff.store import (
    checkpoint_arrays,
    load_checkpoint,
    load_kirchhoff,
    save_kirchhoff,
)
from ohmbench.paper import KIRCHHOFF_CHECKPOINT, KIRCHHOFF_CONFIG, read_kirchhoff_folder
from tests.unit.circuits import (
    baseline_config,
    classifier_config,
    config,
    fully,
    mixed,
    regression_config,
)

HISTORY = np.array([[10.0, 1.5, 1e-3], [20.0, 1.25, 5e-4]])
SLICE = "circuit.layer_list.{}.model.param"
CONFIGS = {
    "flow": config(),
    "matching": config("potential1", network__model={"name": "ShiftRelu1", "args": {}}),
    "regression": regression_config(network__encoder="mlp_5_6", network__projector="mlp_7_1"),
    "classifier": classifier_config(network__net_struct=[mixed(28, 2, 10)]),
    "general-device": config(
        network__model={"name": "Device", "args": {"activation": "softplus", "difference": False}}
    ),
    "shared": config(
        "genmnist",
        network__net_struct=[
            {
                "name": "_neighbor_index",
                "args": {
                    "num_channel": 1, "width": 28, "height": 28, "neighbor_size": 2,
                    "sharing": True,
                },
            }
        ],
        simulation__t_end=[0.0, 1.0],
    ),
    "eleven-slices": config(
        network__net_struct=[fully(3, (1, k)) for k in range(11)],
        simulation__t_end=[0.1 * k for k in range(12)],
    ),
    "feed-forward": baseline_config("toyregress"),
    "hyper-network": baseline_config("gauss"),
}  # fmt: skip
each_config = pytest.mark.parametrize("name", CONFIGS)


def made(name: str, seed: int = 3) -> Model:
    """Parameters that no initialisation gives, extremes of float32 among them."""
    model = build(CONFIGS[name], torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for p in model.parameters():
            flat = p.view(-1)
            flat[0], flat[-1] = 1e-45, torch.finfo(torch.float32).min
    return model


def assert_same_parameters(one: Model, other: Model) -> None:
    mine, others = one.state_dict(), other.state_dict()
    assert list(mine) == list(others)
    for name, p in mine.items():
        assert p.dtype == others[name].dtype
        assert p.numpy().tobytes() == others[name].numpy().tobytes(), f"{name} differs"


def saved(path: Path, name: str = "flow", **options: Any) -> Path:
    options = {"seed": 7, "recipe": '{"seed": 7}', "history": HISTORY, **options}
    save_kirchhoff(path, made(name), **options)
    return path


@each_config
def test_npz_gives_back_every_bit(tmp_path: Path, name: str) -> None:
    found = load_kirchhoff(saved(tmp_path / "net.npz", name))
    assert_same_parameters(found.model, made(name))
    assert found.config == CONFIGS[name] == found.model.config
    assert (found.seed, found.recipe) == (7, '{"seed": 7}')
    assert np.array_equal(found.history, HISTORY)
    saved(tmp_path / "again.npz", name)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "net.npz").read_bytes()


@each_config
def test_pth_gives_back_every_bit(tmp_path: Path, name: str) -> None:
    model, path = made(name), tmp_path / "net.pth"
    write_pth(path, checkpoint_arrays(model))
    other = build(CONFIGS[name])
    load_checkpoint(str(path), other, read_pth(path))
    assert_same_parameters(other, model)
    by_torch = torch.load(path, weights_only=True)
    assert {k: v.shape for k, v in by_torch.items()} == {
        k: v.shape for k, v in checkpoint_arrays(model).items()
    }


def test_arrays_have_the_names_of_the_papers_checkpoints() -> None:
    names = list(checkpoint_arrays(made("eleven-slices")))
    assert names == [SLICE.format(i) for i in range(11)]
    assert list(checkpoint_arrays(made("flow")).values())[1].shape == (3, 48)


def papers_folder(folder: Path, name: str, arrays: dict[str, torch.Tensor]) -> Path:
    """As the paper's are, written by torch itself."""
    folder.mkdir()
    (folder / KIRCHHOFF_CONFIG).write_text(config_text(CONFIGS[name]))
    torch.save(arrays, folder / KIRCHHOFF_CHECKPOINT)
    return folder


@pytest.mark.parametrize("name", ["flow", "matching", "classifier", "eleven-slices"])
def test_a_folder_like_the_papers_is_read(tmp_path: Path, name: str) -> None:
    model = made(name)
    arrays = {SLICE.format(i): c.param.detach() for i, c in enumerate(model.circuits)}
    found = read_kirchhoff_folder(papers_folder(tmp_path / name, name, arrays))
    assert_same_parameters(found.model, model)
    assert (found.seed, found.recipe, found.history) == (None, None, None)


def arrays_of(name: str, **changes: Any) -> dict[str, np.ndarray]:
    arrays = {k: p.numpy() for k, p in checkpoint_arrays(made(name)).items()}
    for place, change in changes.items():
        field = SLICE.format(place.removeprefix("slice"))
        if change is None:
            del arrays[field]
        else:
            arrays[field] = change
    return arrays


ONES = np.ones((3, 48), dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "field", "complaint"),
    [
        ({"slice1": ONES[:, :47]}, 1, r"shape \(3, 47\), expected \(3, 48\)"),
        ({"slice0": ONES[:2]}, 0, r"shape \(2, 48\), expected \(3, 48\)"),
        ({"slice0": ONES.T}, 0, r"shape \(48, 3\), expected \(3, 48\)"),
        ({"slice1": None}, 1, r"is missing; expected \(3, 48\)"),
        ({"slice2": ONES}, 2, "not expected: the configuration has 2 arrays"),
        ({"slice1": ONES.astype(np.int64)}, 1, "element type int64, expected float32"),
    ],
    ids=["columns", "rows", "transposed", "missing", "extra", "integers"],
)
def test_arrays_that_do_not_fit_are_named(
    tmp_path: Path, changes: dict[str, Any], field: int, complaint: str
) -> None:
    """The first slice at fault, what was found and what was expected; the model stays as it was."""
    model = build(CONFIGS["flow"])
    before = {k: p.clone() for k, p in model.state_dict().items()}
    with pytest.raises(FileError, match=complaint) as caught:
        load_checkpoint("some.pth", model, arrays_of("flow", **changes))
    assert caught.value.field == SLICE.format(field)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(p, before[k]) for k, p in model.state_dict().items())
    arrays = {k: torch.from_numpy(x.copy()) for k, x in arrays_of("flow", **changes).items()}
    folder = papers_folder(tmp_path / "folder", "flow", arrays)
    with pytest.raises(FileError, match=complaint):
        read_kirchhoff_folder(folder)


WRAPPERS = (
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "module.module._orig_mod.",
    "_orig_mod._orig_mod.module.module.",
)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, about its own
def test_torch_puts_these_prefixes_before_the_names() -> None:
    """The wrappers themselves, not what they are thought to do."""
    model = build(CONFIGS["flow"])
    plain = list(model.state_dict())
    parallel = torch.nn.DataParallel(model)
    assert list(parallel.state_dict()) == [f"module.{name}" for name in plain]
    # Nothing is compiled before it is called.
    compiled = torch.compile(parallel)
    assert list(compiled.state_dict()) == [f"_orig_mod.module.{name}" for name in plain]


@pytest.mark.parametrize("prefix", WRAPPERS)
@pytest.mark.parametrize("name", ["flow", "regression", "feed-forward"])
def test_wrapped_models_are_read(tmp_path: Path, name: str, prefix: str) -> None:
    model = made(name)
    arrays = {prefix + key: p for key, p in checkpoint_arrays(model).items()}
    write_pth(tmp_path / KIRCHHOFF_CHECKPOINT, arrays)
    (tmp_path / KIRCHHOFF_CONFIG).write_text(config_text(CONFIGS[name]))
    assert_same_parameters(read_kirchhoff_folder(tmp_path).model, model)


@pytest.mark.parametrize("prefix", ["", *WRAPPERS])
@pytest.mark.parametrize("odd", ["", "module.", "_orig_mod.", "module.module.", "modul."])
def test_prefixes_stand_before_every_name_or_none(prefix: str, odd: str) -> None:
    model = build(CONFIGS["eleven-slices"])
    names = {key: p.numpy() for key, p in checkpoint_arrays(model).items()}
    last = list(names)[-1]
    arrays = {(odd if key == last else prefix) + key: x for key, x in names.items()}
    if odd == prefix:
        load_checkpoint("f.pth", model, arrays)
        return
    with pytest.raises(FileError) as caught:
        load_checkpoint("f.pth", model, arrays)
    if prefix == "" and odd == "modul.":  # none that torch puts there: another name
        assert caught.value.field == last
        return
    mine, its = (
        f"the prefix {p}" if p else "no prefix" for p in (odd if odd != "modul." else "", prefix)
    )
    assert str(caught.value) == (
        f"f.pth: {odd + last}: has {mine}, but {prefix + next(iter(names))} has {its}: names of "
        "different models; save model.state_dict() of one model"
    )


def test_what_does_not_fit_is_named_as_the_file_has_it() -> None:
    model = build(CONFIGS["flow"])
    arrays = {f"module.{key}": p.numpy() for key, p in checkpoint_arrays(model).items()}
    wrong = f"module.{SLICE.format(1)}"
    with pytest.raises(FileError, match="shape") as caught:
        load_checkpoint("f.pth", model, arrays | {wrong: np.zeros((1, 1), np.float32)})
    assert caught.value.field == wrong
    del arrays[wrong]
    with pytest.raises(FileError, match="is missing") as caught:
        load_checkpoint("f.pth", model, arrays)
    assert caught.value.field == wrong
    with pytest.raises(FileError, match="is missing"):
        load_checkpoint("f.pth", model, {})


def test_double_precision_checkpoints_are_rounded_to_the_models() -> None:
    model = build(CONFIGS["flow"])
    arrays = {k: x.astype(np.float64) for k, x in arrays_of("flow").items()}
    load_checkpoint("some.pth", model, arrays)
    assert_same_parameters(model, made("flow"))


# ------------------------------------------------------------------------------------------------
# Damaged and foreign npz


def contents(name: str = "flow", **changes: Any) -> dict[str, np.ndarray]:
    """What an npz holds, some of it replaced or (None) left out; ``slice0`` is the first slice."""
    found: dict[str, Any] = {
        "config": np.array(config_text(CONFIGS[name]).splitlines()),
        "seed": np.array(7),
        "recipe": np.array("{}"),
        "history": HISTORY,
        **arrays_of(name),
    }
    for key, value in changes.items():
        key = SLICE.format(key.removeprefix("slice")) if key.startswith("slice") else key
        found[key] = value
    return {key: value for key, value in found.items() if value is not None}


def with_nan() -> np.ndarray:
    p = ONES.copy()
    p[1, 5] = np.nan
    return p


OTHER = np.array(config_text(CONFIGS["matching"]).splitlines())
HOSTILE: dict[str, tuple[dict[str, Any], str | None, str]] = {
    # name: changes, field named, complaint
    "config-no-yaml": ({"config": np.array(["a: [1", "b: }"])}, None, "config"),
    "config-empty-line": ({"config": np.array([""])}, None, "config"),
    "config-tag": ({"config": np.array(["!!python/object/apply:os.system ['true']"])}, None, ""),
    "config-anchor": ({"config": np.array(["a: &x 1", "b: *x"])}, None, ""),
    "config-one-text": ({"config": np.array(config_text(CONFIGS["flow"]))}, "config", "shape"),
    "config-missing": ({"config": None}, "config", "missing"),
    "config-unknown-key": (
        {"config": np.array([*config_text(CONFIGS["flow"]).splitlines(), "voltage: 5"])},
        "voltage",
        "unknown key",
    ),
    "config-of-another-network": ({"config": OTHER}, SLICE.format(0), ""),
    "slice-missing": ({"slice1": None}, SLICE.format(1), "missing"),
    "slice-short": ({"slice1": ONES[:, :47]}, SLICE.format(1), r"3, 4[78]"),
    "slice-nan": ({"slice0": with_nan()}, SLICE.format(0), "nan|finite"),
    "slice-infinite": ({"slice0": ONES * np.float32(np.inf)}, SLICE.format(0), "inf|finite"),
    "slice-double": ({"slice0": ONES.astype(np.float64)}, SLICE.format(0), "float64"),
    "extra": ({"slice2": ONES}, SLICE.format(2), ""),
    "seed-negative": ({"seed": np.array(-1)}, "seed", "-1"),
    "seed-missing": ({"seed": None}, "seed", "missing"),
    "history-columns": ({"history": HISTORY[:, :2]}, "history", "shape"),
    "history-nan": ({"history": HISTORY * np.nan}, "history", "nan|finite"),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_npz_that_is_no_network(tmp_path: Path, case: Any) -> None:
    changes, field, complaint = case
    path = tmp_path / "net.npz"
    with np.errstate(invalid="ignore"):
        write_npz(path, contents(**changes))
    with pytest.raises(FileError, match=f"(?i){complaint}") as caught:
        load_kirchhoff(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    if field is not None:
        assert caught.value.field == field


def test_unchanged_contents_are_a_network(tmp_path: Path) -> None:
    """The red cases above are red for what they change."""
    write_npz(tmp_path / "net.npz", contents())
    assert_same_parameters(load_kirchhoff(tmp_path / "net.npz").model, made("flow"))


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.npz")
    before = path.read_bytes()
    with pytest.raises(FileError, match="exists"):
        saved(path, "regression")
    assert path.read_bytes() == before
    saved(path, "regression", overwrite=True)
    assert load_kirchhoff(path).config == CONFIGS["regression"]


def test_an_empty_history_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        load_kirchhoff(saved(tmp_path / "net.npz", history=np.empty((0, 3))))
