"""PyTorch checkpoints: what torch saves is read bit for bit, without torch, and never run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import DtypeError, FileError, RangeError, ShapeError
from ohmbench.files import read_pth, write_pth
from ohmbench.paper import kirchhoff_results
from tests.unit import hostile, hostile_kirchhoff
from tests.unit.hostile_kirchhoff import checkpoint, one, parts, saved


def judge_same(found: dict[str, np.ndarray], expected: dict[str, torch.Tensor]) -> None:
    """Same keys in the same order, and the same bits."""
    assert list(found) == list(expected)
    for key, tensor in expected.items():
        array = tensor.detach().cpu().numpy()
        assert found[key].dtype == array.dtype, f"{key}: type {found[key].dtype}"
        assert found[key].shape == array.shape, f"{key}: shape {found[key].shape}"
        assert found[key].tobytes() == array.tobytes(), f"{key}: other bits"


def reread(path: Path, value: Any, **options: Any) -> dict[str, np.ndarray]:
    path.write_bytes(saved(value, **options))
    return read_pth(path)


BASE = torch.arange(12.0)
STATES: dict[str, dict[str, torch.Tensor]] = {
    "module": torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict(),
    "dict": {"a": torch.ones(2, 3), "b": torch.tensor(3), "c": torch.tensor(0.5).double()},
    "ordered": OrderedDict(z=BASE, a=BASE + 1),
    "parameter": {"p": torch.nn.Parameter(torch.linspace(0, 1, 5))},
    "tied": {"a": BASE, "b": BASE},
    "views": {"a": BASE[3:7], "b": BASE.reshape(3, 4)[1:], "c": BASE[4]},
    "strided": {"a": BASE[::2], "b": BASE[1::5], "c": BASE.reshape(3, 4)[:, 1:3]},
    "transposed": {"a": BASE.reshape(3, 4).T, "b": BASE.reshape(2, 3, 2).permute(2, 0, 1)},
    "expanded": {"a": BASE[:1].expand(9), "b": BASE[:3, None].expand(3, 4)[1:]},
    "one-row-of-many": {"a": torch.ones(1, 5).T.contiguous(), "b": torch.ones(3, 1)},
    "many": {f"circuit.layer_list.{i}.model.param": torch.full((3, 2), i / 7) for i in range(300)},
    "subnormal": {"a": torch.tensor([1e-45, -0.0, 3.4e38])},
}


@pytest.mark.parametrize("name", list(STATES))
def test_what_torch_saves_is_read_bit_for_bit(name: str, tmp_path: Path) -> None:
    found = reread(tmp_path / "f", STATES[name])
    judge_same(found, STATES[name])
    judge_same(found, torch.load(tmp_path / "f", weights_only=True, map_location="cpu"))
    for array in found.values():
        assert array.flags.owndata
        assert array.flags.writeable


def test_big_endian_storages_are_swapped(tmp_path: Path) -> None:
    floats = np.frombuffer(hostile_kirchhoff.FLOATS, "<f4")
    swapped = floats.astype(">f4").tobytes()
    path = tmp_path / "f"
    path.write_bytes(checkpoint(parts(byteorder=b"big", _0=swapped, _1=swapped)))
    for array in read_pth(path).values():
        assert array.dtype.isnative
        assert array.reshape(-1).tolist() == floats.tolist()


def test_a_checkpoint_without_zip64_records_or_notes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(hostile.pack(parts(byteorder=None, version=None)))
    assert list(read_pth(path)) == ["p", "q"]


@pytest.mark.needs("paper-kirchhoffnet")
def test_the_papers_checkpoints_are_read_as_torch_reads_them() -> None:
    paths = sorted(kirchhoff_results().glob("*/model.pth"))
    assert paths
    for path in paths:
        judge_same(read_pth(path), torch.load(path, weights_only=True, map_location="cpu"))


def test_reading_does_not_import_torch(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(checkpoint())
    code = (
        "import sys; from ohmbench.files import read_pth; print(len(read_pth(sys.argv[1])));"
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "2\n"), result.stderr


# ------------------------------------------------------------------------------------------------
# Complaints: what a well-meaning user may bring


@pytest.mark.parametrize(
    ("value", "field", "complaint"),
    [
        pytest.param(
            {"a": BASE, "e": torch.ones(1).expand(2**24)},
            "e",
            "67108912 bytes",
            id="expanded-64MiB",
        ),
        pytest.param({"e": BASE.half()}, "e", "torch.HalfStorage", id="half"),
        pytest.param({"e": BASE.bfloat16()}, "e", "torch.BFloat16Storage", id="bfloat16"),
        pytest.param({"e": BASE > 3}, "e", "torch.BoolStorage", id="bool"),
        pytest.param({"e": torch.zeros(0)}, "e", "without elements", id="no-elements"),
        pytest.param({"e": BASE / 0 * 0}, "e", "element [0] is nan", id="nan"),
        pytest.param({"e": torch.tensor([[1.0, torch.inf]])}, "e", "[0, 1] is inf", id="inf"),
        pytest.param({"state_dict": {"a": BASE}}, "state_dict", "expected a tensor", id="nested"),
        pytest.param({"a": BASE, "epoch": 3}, "epoch", "holds int", id="epoch"),
        pytest.param(BASE, None, "holds no state dict", id="tensor"),
        pytest.param([BASE], "data.pkl", "EMPTY_LIST", id="list"),
        pytest.param({}, None, "holds no state dict", id="nothing"),
        pytest.param({3: BASE}, "data.pkl", "a key that is not text", id="number-key"),
        pytest.param({"a b": BASE}, None, "not the name of a tensor", id="odd-key"),
        pytest.param(
            torch.nn.Linear(2, 2), "data.pkl", "torch.nn.modules.linear.Linear", id="module"
        ),
        pytest.param({"e": np.ones(3)}, "data.pkl", "holds code (numpy", id="numpy"),
        pytest.param({"e": os.getcwd}, "data.pkl", "holds code (posix.getcwd)", id="function"),
    ],
)
def test_what_is_no_plain_state_dict_is_refused(
    value: Any, field: str | None, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError) as caught, np.errstate(all="ignore"):
        reread(tmp_path / "f", value)
    assert caught.value.field == field
    assert complaint in str(caught.value)


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.float64, 8)], ids=str)
def test_the_limit_is_of_the_tensors_bytes(dtype: torch.dtype, size: int, tmp_path: Path) -> None:
    path = tmp_path / "f"
    torch.save({"a": torch.ones(1, dtype=dtype).expand(10_000)}, path)  # of one element's bytes
    read_pth(path, max_bytes=10_000 * size)
    with pytest.raises(FileError, match="are accepted"):
        read_pth(path, max_bytes=10_000 * size - 1)


def test_the_format_before_1_6_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"PyTorch before 1\.6"):
        reread(tmp_path / "f", {"a": BASE}, _use_new_zipfile_serialization=False)


def test_another_pickle_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="protocol other than 2"):
        reread(tmp_path / "f", {"a": BASE}, pickle_protocol=4)


def test_code_is_named_with_what_it_would_call(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(checkpoint(parts(one(tail=b"\x89cos\nsystem\n"))))
    with pytest.raises(FileError, match=r"holds code \(os\.system\)") as caught:
        read_pth(path)
    assert "do not load it" in str(caught.value)


def test_bytes_and_promises_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(checkpoint(parts(_1=bytes(20))))
    with pytest.raises(FileError, match="holds 20 bytes, 24 are promised"):
        read_pth(path)


def test_the_sum_of_all_tensors_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "f"
    shared = torch.ones(5000)
    path.write_bytes(saved({f"k{i}": shared for i in range(20)}))
    assert path.stat().st_size < 30_000
    assert len(read_pth(path, max_bytes=400_000)) == 20
    with pytest.raises(FileError, match="tensors of 400000 bytes, at most 100000"):
        read_pth(path, max_bytes=100_000)


# ------------------------------------------------------------------------------------------------
# Writing

NAMES = st.text("abcxyz._019", min_size=1, max_size=20).filter(lambda name: name[0] != ".")
FINITE = {"allow_nan": False, "allow_infinity": False}
ARRAYS = st.sampled_from(["float32", "float64", "int64"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
        elements=FINITE if dtype != "int64" else None,
    )
)


@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=4))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.pth"
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    write_pth(path, tensors, overwrite=True)
    judge_same(read_pth(path), tensors)
    judge_same(read_pth(path), torch.load(path, weights_only=True))


def test_a_part_is_written_without_its_whole(tmp_path: Path) -> None:
    whole = torch.ones(1_000_000)
    write_pth(tmp_path / "f", {"a": whole[5:8], "b": whole.reshape(1000, 1000).T[:2, :2]})
    assert (tmp_path / "f").stat().st_size < 5000
    assert {k: a.shape for k, a in read_pth(tmp_path / "f").items()} == {"a": (3,), "b": (2, 2)}


@pytest.mark.parametrize(
    ("tensors", "error", "complaint"),
    [
        pytest.param({}, ShapeError, "0 tensors", id="none"),
        pytest.param({"a b": BASE}, RangeError, "'a b'", id="name"),
        pytest.param({"a": BASE.half()}, DtypeError, "a: tensors of torch.float16", id="half"),
        pytest.param({"a": torch.zeros(0)}, ShapeError, "a: a tensor without", id="empty"),
        pytest.param({"a": BASE * torch.nan}, RangeError, "a: holds NaN", id="nan"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    tensors: dict[str, torch.Tensor], error: type[Exception], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=complaint):
        write_pth(tmp_path / "f", tensors)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_only_replaced_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_pth(path, {"a": BASE})
    with pytest.raises(FileError, match="exists already"):
        write_pth(path, {"a": BASE + 1})
    judge_same(read_pth(path), {"a": BASE})
    write_pth(path, {"a": BASE + 1}, overwrite=True)
    judge_same(read_pth(path), {"a": BASE + 1})


# ------------------------------------------------------------------------------------------------
# The judge goes red


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        pytest.param({"b": BASE}, "'b'", id="name"),
        pytest.param({"a": BASE.double()}, "type", id="type"),
        pytest.param({"a": BASE.reshape(3, 4)}, "shape", id="shape"),
        pytest.param({"a": BASE.flip(0)}, "other bits", id="order"),
    ],
)
def test_planted_differences_are_caught(found: dict[str, torch.Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_same({key: tensor.numpy() for key, tensor in found.items()}, {"a": BASE})


def test_a_payload_runs_when_torch_unpickles_it(tmp_path: Path) -> None:
    # Otherwise the hostile checkpoints could be harmless, and refusing them no achievement.
    for name in ("payload-value", "payload-hooks", "payload-inst", "payload-legacy"):
        path = tmp_path / name / "f"
        path.parent.mkdir()
        kinds = {kind.name: kind for kind in hostile_kirchhoff.pth_kinds()}
        kinds[f"pth-{name}"].build(path)
        try:
            torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
        except Exception as error:
            print(f"{name}: {error!r}")
        assert hostile.canary(path).exists(), name
