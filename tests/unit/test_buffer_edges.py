"""Batches and buffers of every size about their blocks: at, one below and one above each multiple.

Where integrity is promised, no byte of a file can change unseen: each one is tried.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.digital import evaluation as int8_evaluation
from ohmbench.digital import infer, infer_all
from ohmbench.digital.prove import _climb
from ohmbench.eda.cache import content_key
from ohmbench.eda.synthesis.runs import COMPRESSED_FROM_BYTES, keep, take
from ohmbench.errors import FileError, one_line
from ohmbench.files import ArraySpec, opening, read_idx, read_npz, sha256_file, write_npz
from ohmbench.files.mat import read_mat
from ohmbench.files.opening import fill, read_exactly
from ohmbench.files.pth_reading import read_pth, write_pth
from ohmbench.files.records import read_records
from ohmbench.files.tables import Column, parse_table
from ohmbench.files.tarballs import read_tar_member
from ohmbench.floatgate import EKV, SPECS, SUBTHRESHOLD, WTA_CELL, evaluate, line_currents
from ohmbench.floatgate import evaluation as floatgate_evaluation
from ohmbench.floatgate.evaluation import in_chunks
from ohmbench.floatgate.fast import cell_pass
from ohmbench.kernels.lane_rows import lanes_of, numbers_of, rows_of, samples_of
from ohmbench.kernels.lanes import LANES
from ohmbench.kirchhoff.evaluation import outputs
from ohmbench.kirchhoff.simulation import Solver
from tests.unit import kernel_checks
from tests.unit.asserts import assert_same_integers
from tests.unit.circuits import random_circuit
from tests.unit.int8_networks import random_int8, zeros
from tests.unit.networks import random_network
from tests.unit.row_checks import error_of_currents, error_of_gradients, operands
from tests.unit.test_images import mat, matrix, packed


def about(block: int, most: int = 3, least: int = 1) -> list[int]:
    """One below, at and one above each of the first multiples of ``block``, and the least."""
    sizes = {least, *(block * k + d for k in range(1, most + 1) for d in (-1, 0, 1))}
    return sorted(size for size in sizes if size >= least)


# ------------------------------------------------------------------------------------------------
# Reading: buffers of 1 MiB, here of 16 bytes


class Dribble(io.RawIOBase):
    """A stream that gives ``step`` bytes at a time, however many are asked for."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step, self._at = data, step, 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "asked for all there is"
        found = self._data[self._at : self._at + min(size, self._step)]
        self._at += len(found)
        return found


def some_bytes(size: int) -> bytes:
    """No two neighbours alike, so that a byte that is lost or doubled is seen."""
    return bytes((37 * k + 11) % 256 for k in range(size))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_CHUNK", 16)


@pytest.mark.parametrize("step", [1, 5, 16, 1000])
@pytest.mark.parametrize("size", about(16, least=0))
def test_an_array_is_filled_to_its_last_byte(small_chunks: None, size: int, step: int) -> None:
    array = np.empty(size, np.uint8)
    fill(Dribble(some_bytes(size + 5), step), array)  # type: ignore[arg-type]
    assert array.tobytes() == some_bytes(size)
    assert read_exactly(Dribble(some_bytes(size + 5), step), size) == some_bytes(size)  # type: ignore[arg-type]
    if size:
        for read in (lambda s: fill(s, np.empty(size, np.uint8)), lambda s: read_exactly(s, size)):
            with pytest.raises(EOFError, match="end too early"):
                read(Dribble(some_bytes(size - 1), step))


@pytest.mark.parametrize("size", about(16, least=0))
def test_a_hash_is_of_every_byte(small_chunks: None, tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(some_bytes(size))
    assert sha256_file(path) == hashlib.sha256(some_bytes(size)).hexdigest()


def test_a_hash_of_a_file_larger_than_the_true_buffer(tmp_path: Path) -> None:
    for size in (2**20 - 1, 2**20, 2**20 + 1):
        (tmp_path / "f").write_bytes(bytes(size - 1) + b"x")
        expected = hashlib.sha256(bytes(size - 1) + b"x").hexdigest()
        assert sha256_file(tmp_path / "f") == expected


def packed_idx(size: int) -> bytes:
    """A packed IDX file of ``size`` bytes in all: stored blocks grow byte by byte."""
    for count in range(size - 60, size):
        data = bytes([0, 0, 8, 1]) + struct.pack(">I", count) + some_bytes(count)
        content = gzip.compress(data, 0, mtime=0)
        if len(content) == size:
            return content
    raise AssertionError("no file of that size")


@pytest.mark.parametrize("size", about(1 << 16, 2, least=100))
def test_packed_files_about_the_inflaters_buffer(tmp_path: Path, size: int) -> None:
    path, content = tmp_path / "f", packed_idx(size)
    path.write_bytes(content)
    found = read_idx(path, ndim=1)
    assert found.tobytes() == some_bytes(len(found))
    # One byte more, one less, or another one at the end or about the buffer's edges.
    wrong = [content + b"x", content[:-1]]
    for at in {len(content) - 9, len(content) - 5, 40, *about(1 << 16, 2)}:
        if at < len(content) - 4:
            wrong.append(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    for other in wrong:
        path.write_bytes(other)
        with pytest.raises(FileError):
            read_idx(path, ndim=1)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1023, 1024, 1025])
@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_members_of_a_tar_about_its_blocks(tmp_path: Path, size: int, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member in ("first", "second", "third"):
            info = tarfile.TarInfo(member)
            info.size = size
            tar.addfile(info, io.BytesIO(member[0].encode() * size))
    (tmp_path / "f").write_bytes(gzip.compress(stream.getvalue()))
    assert read_tar_member(tmp_path / "f", name) == name[0].encode() * size


@pytest.mark.parametrize("size", [1, 9, 10, 11, 19, 20, 21, 30])
def test_records_are_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(some_bytes(size))
    if size % 10:
        with pytest.raises(FileError, match="not a multiple of 10"):
            read_records(tmp_path / "f", 10)
    else:
        found = read_records(tmp_path / "f", 10)
        assert found.shape == (size // 10, 10)
        assert found.tobytes() == some_bytes(size)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["nothing", "LF", "CRLF"])
@pytest.mark.parametrize("lines", [1, 2, 3, 4])
def test_a_table_has_as_many_lines_as_are_asked_for(end: str, lines: int) -> None:
    newline = "\r\n" if end == "\r\n" else "\n"
    text = newline.join(str(k) for k in range(lines)) + end
    columns = [Column("x")]
    assert parse_table("t", text.encode(), columns, rows=lines).ravel().tolist() == [*range(lines)]
    for rows in (lines - 1, lines + 1):
        with pytest.raises(FileError, match=f"holds {lines} lines, expected {rows}"):
            parse_table("t", text.encode(), columns, rows=rows)


@pytest.mark.parametrize("size", [COMPRESSED_FROM_BYTES + d for d in (-1, 0, 1)])
def test_reports_are_kept_packed_from_a_size_on(tmp_path: Path, size: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "f").write_bytes(some_bytes(size))
    keep(tmp_path / "f", tmp_path / "kept")
    packed = size >= COMPRESSED_FROM_BYTES
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["f.gz" if packed else "f"]
    take(tmp_path / "kept", "f", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == some_bytes(size)


@pytest.mark.parametrize("length", [1, 299, 300, 301, 302, 303, 1000])
def test_a_line_is_cut_in_its_middle_from_301_characters_on(length: int) -> None:
    text = "".join(chr(ord("a") + k % 26) for k in range(length))
    expected = text if length <= 300 else f"{text[:150]}...{text[-150:]}"
    assert one_line(text) == expected


def test_a_key_tells_where_one_part_ends_and_the_next_begins(tmp_path: Path) -> None:
    def key_of(*parts: str, **files: str) -> str:
        paths = []
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            paths.append(tmp_path / name)
        return content_key(*parts, files=paths)

    keys = [
        key_of(),
        key_of(""),
        key_of("ab", "c"),
        key_of("a", "bc"),
        key_of("abc"),
        key_of("a", "b", "c"),
        key_of("c", "ab"),
        key_of("ab", "c", ""),
        key_of(one="text"),
        key_of(two="text"),  # another file of the same content
        key_of(one="tex", two="t"),
        key_of(one="t", two="ext"),
        key_of(two="ext", one="t"),  # ... in another order
    ]
    assert len(set(keys)) == len(keys)


# ------------------------------------------------------------------------------------------------
# No byte changes unseen

ARRAYS = {"W": np.arange(6.0).reshape(3, 2), "mask": np.array([True, False])}
SCHEMA = [ArraySpec("W", (3, 2), ("float64",)), ArraySpec("mask", (2,), ("bool",))]
TENSORS = {"a": torch.arange(6.0).reshape(2, 3)}


def npz_file(path: Path) -> Callable[[], dict[str, Any]]:
    write_npz(path, ARRAYS)
    return lambda: {k: a.tobytes() for k, a in read_npz(path, SCHEMA).items()}


def deflated_npz(path: Path) -> Callable[[], dict[str, Any]]:
    np.savez_compressed(path.with_suffix(".npz"), **ARRAYS)
    path.with_suffix(".npz").rename(path)
    return lambda: {k: a.tobytes() for k, a in read_npz(path, SCHEMA).items()}


def pth_file(path: Path) -> Callable[[], dict[str, Any]]:
    write_pth(path, TENSORS)
    return lambda: {k: a.tobytes() for k, a in read_pth(path).items()}


def idx_gz(path: Path) -> Callable[[], bytes]:
    path.write_bytes(packed_idx(200))
    return lambda: read_idx(path, ndim=1).tobytes()


def mat_file(path: Path) -> Callable[[], bytes]:
    path.write_bytes(mat(packed(matrix(b"X", (40, 2), some_bytes(80)))))
    return lambda: read_mat(path, {"X": 2})["X"].tobytes()


def tar_gz(path: Path) -> Callable[[], bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.size = 100
        tar.addfile(info, io.BytesIO(some_bytes(100)))
    path.write_bytes(gzip.compress(stream.getvalue(), mtime=0))
    return lambda: read_tar_member(path, "a")


@pytest.mark.parametrize(
    "make", [npz_file, deflated_npz, pth_file, idx_gz, mat_file, tar_gz], ids=lambda m: m.__name__
)
def test_a_byte_that_changed_is_refused_or_of_no_effect(
    tmp_path: Path, make: Callable[[Path], Callable[[], Any]]
) -> None:
    """Every byte of the file, one bit of it; dates and the like have no effect."""
    path = tmp_path / "f"
    read = make(path)
    content, expected = path.read_bytes(), read()
    refused = 0
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        try:
            found = read()
        except FileError:
            refused += 1
        else:
            assert found == expected, f"byte {at} of {len(content)} changed what was read"
    assert refused > 0.4 * len(content)


def test_checksums_are_compared_to_the_last(tmp_path: Path) -> None:
    """The data unchanged, but for each byte of the checksum behind them."""
    array = struct.pack(">4B", 0, 0, 8, 1) + struct.pack(">I", 5) + b"12345"
    crc = struct.pack("<I", zlib.crc32(array))
    content = gzip.compress(array, mtime=0)
    assert content[-8:-4] == crc
    for at in range(-8, 0):
        changed = bytearray(content)
        changed[at] ^= 0x80
        (tmp_path / "f").write_bytes(changed)
        with pytest.raises(FileError):
            read_idx(tmp_path / "f", ndim=1)


# ------------------------------------------------------------------------------------------------
# Batches: floating-gate networks and integers


@pytest.mark.parametrize("images", about(7))
def test_floating_gate_images_are_run_once_in_their_order(
    monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    network = random_network(SPECS["floatgate-circles"], seed=0)
    cells = max(layer.weight.numel() for layer in network.fg_layers)
    monkeypatch.setattr(floatgate_evaluation, "_CHUNK_ELEMENTS", 7 * cells + cells - 1)
    sizes: list[int] = []

    def f(chunk: torch.Tensor) -> torch.Tensor:
        sizes.append(len(chunk))
        return chunk[:, 0]

    v = torch.arange(2.0 * images).reshape(images, 2)
    assert torch.equal(in_chunks(network, v, f), v[:, 0])
    assert sizes == [7] * (images // 7) + [images % 7] * (images % 7 > 0)


def test_a_network_larger_than_a_chunk_is_run_image_by_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_network(SPECS["floatgate-circles"], seed=0)
    v = 1.8 + 0.7 * torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    whole = evaluate(network, v, torch.zeros(5).long())
    monkeypatch.setattr(floatgate_evaluation, "_CHUNK_ELEMENTS", 1)
    alone = evaluate(network, v, torch.zeros(5).long())
    assert torch.allclose(whole.outputs, alone.outputs, rtol=1e-5)
    assert [vars(c) for c in whole.ranges] == [vars(c) for c in alone.ranges]


@pytest.mark.parametrize("images", [*about(500, 2), 4000, 4001, 4499])
def test_integers_of_many_images_are_those_of_one_run(images: int) -> None:
    network, x = random_int8(1, (3, 2, 2), images=images)
    found = infer_all(network, x)
    assert_same_integers(found, infer(network, x), f"{images} images")
    assert all(len(array) == images for array in vars(found).values())


@pytest.mark.parametrize("threads", [1, 2])
def test_parts_of_many_images_on_several_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """The same with parts of three images, and enough to do for a second thread."""
    monkeypatch.setattr(int8_evaluation, "_CHUNK_IMAGES", 3)
    network, x = random_int8(2, (64, 50, 10), images=100)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for images in (1, 2, 3, 4, 23, 24, 25, 26, 100):
            found = infer_all(network, x[:images])
            assert_same_integers(found, infer(network, x[:images]), f"{images} images")
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("chunk", [1, 4, 5, 6, 11, 12, 13])
def test_outputs_of_a_model_are_those_of_every_sample(chunk: int) -> None:
    x, done = torch.arange(24.0).view(12, 2), []
    found = outputs(lambda part: part[:, :1] * 2, x, chunk=chunk, advance=done.append)
    assert torch.equal(found, 2 * x[:, :1])
    assert sum(done) == 12
    assert done[:-1] == [chunk] * (len(done) - 1)
    assert 1 <= done[-1] <= chunk


@pytest.mark.parametrize("inputs", [1, *about(64, 2)])
def test_a_search_looks_at_every_input(inputs: int) -> None:
    """Only one of them counts, wherever it is."""
    for wanted in {0, inputs - 1, inputs // 2, min(63, inputs - 1), min(64, inputs - 1)}:
        network = zeros(inputs, 1, 2, w0={(0, wanted): 1}, w1={(1, 0): 1})
        image = _climb(network, np.array([1]), np.zeros(inputs, np.uint8))
        assert np.flatnonzero(image).tolist() == [wanted]
        assert image[wanted] == 255


# ------------------------------------------------------------------------------------------------
# Lanes of compiled loops


@pytest.mark.parametrize("batch", [0, *about(LANES, 2), 8 * LANES, 8 * LANES + 1])
def test_samples_in_rows_of_lanes_and_back(batch: int) -> None:
    v = torch.arange(1.0, 3 * batch + 1).view(3, batch)
    rows = -(-batch // LANES)
    for spare in (False, True):
        found = rows_of(v, spare=spare)
        assert found.shape == (rows, 4, LANES)
        assert found.flags.c_contiguous
        assert not found[:, 0].any()  # ground
        assert torch.equal(samples_of(found, batch), v)
        left = found.transpose(1, 0, 2).reshape(4, -1)[1:, batch:]
        assert np.array_equal(
            left, np.repeat(v[:, -1:].numpy() if spare else np.zeros((3, 1)), left.shape[1], 1)
        )
    numbers = torch.arange(1.0, batch + 1)
    lanes = lanes_of(numbers, rows)
    assert lanes.shape == (rows, LANES)
    assert torch.equal(numbers_of(lanes, batch), numbers)
    assert not lanes.reshape(-1)[batch:].any()
    assert not lanes_of(torch.empty(0), rows).any()


def batches() -> Iterator[int]:
    """About one row of lanes, and about as many rows as there are parts."""
    yield from about(LANES, 2)
    yield from (8 * LANES - 1, 8 * LANES, 8 * LANES + 1, 9 * LANES + 1)


@pytest.mark.parametrize("kind", ["ShiftTanh2", "ShiftRelu1", "ShiftLeakyRelu2"])
def test_circuits_of_any_batch(kind: str) -> None:
    circuit = random_circuit(5, 3, 7, kind, dtype=torch.float32)
    for batch in batches():
        kernel_checks.judge_evaluation(circuit, "fused", batch)


def test_adaptive_slices_of_any_batch() -> None:
    """Lanes that are no samples are not in the norm by which a step is judged."""
    circuit = random_circuit(6, 4, 10, "ShiftTanh2", dtype=torch.float32)
    solver = Solver("dopri5", tol=1e-3, first_step=0.05)
    for batch in batches():
        if batch > 1:  # a single sample's errors can be nothing at all
            kernel_checks.judge_steps(circuit, batch, solver, reverse=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("cell", [EKV, SUBTHRESHOLD, WTA_CELL], ids=lambda c: c.name)
def test_rows_of_any_number_of_inputs_and_samples(cell: Any, dtype: torch.dtype) -> None:
    """About the lanes of a row's sum, and about the tiles and parts of a batch."""

    def path(cell: Any, *tensors: torch.Tensor) -> Any:
        return line_currents(cell, *tensors, path="fused")

    for inputs in (*about(cell_pass.LANES, 1), 2 * cell_pass.LANES + 1):
        ops = operands(cell, inputs, batch=3, out=2, inputs=inputs, dtype=dtype)
        assert error_of_currents(path, ops) <= 1, inputs
        assert error_of_gradients(path, ops, 0) <= 1, inputs
    for batch in sorted({*about(4, 1), *about(16, 2), 8 * 16 + 1}):
        ops = operands(cell, batch, batch=batch, out=2, inputs=5, dtype=dtype)
        assert error_of_currents(path, ops) <= 1, batch
        assert error_of_gradients(path, ops, 0) <= 1, batch
