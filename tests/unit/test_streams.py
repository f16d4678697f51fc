"""Closed, full and unread standard streams: the status stays right and no work is lost."""

import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ohmbench import streams
from ohmbench.digital import save_int8
from tests.unit.int8_networks import random_scaled

UNREAD = "a pipe without a reader"
NAMES = ("/dev/full", UNREAD)


def opened(name):
    """A text stream that cannot be written."""
    if name != UNREAD:
        return open(name, "w")
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.fixture
def broken(request, monkeypatch):
    """``broken("stdout", name)``: a standard stream that cannot be written, until the test ends."""
    made = []

    def replace(which, name):
        made.append(opened(name))
        monkeypatch.setattr(sys, which, made[-1])

    yield replace
    monkeypatch.undo()
    for stream in made:
        stream.close()  # as at the end of the process: what is still buffered must not fail again


@pytest.fixture
def int8(tmp_path):
    path = tmp_path / "small.npz"
    save_int8(path, random_scaled(0)[0])
    return path


def status_of(run, *words):
    """Only the status: what is written goes elsewhere in these tests."""
    return run(*words)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_lossy_stream_goes_on(name):
    with opened(name) as stream:
        lossy = streams.Lossy(stream)
        assert lossy.write("a" * 100_000) == 100_000
        lossy.write("b")
        lossy.flush()
        assert lossy.fileno() == stream.fileno()
        if name == UNREAD:
            assert lossy.error is None
        else:
            assert lossy.error.errno == errno.ENOSPC


def test_a_lossy_stream_loses_nothing_of_one_that_works():
    inner = io.StringIO()
    lossy = streams.Lossy(inner)
    assert lossy.write("abc") == 3
    lossy.flush()
    assert (inner.getvalue(), lossy.error) == ("abc", None)


@pytest.mark.parametrize("word", ["list", "--help", "--version"])
@pytest.mark.parametrize(("name", "status"), [("/dev/full", 2), (UNREAD, 0)])
def test_output_that_is_not_taken(run, broken, word, name, status):
    broken("stdout", name)
    assert status_of(run, word) == status


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_is_the_status_whoever_reads(run, broken, int8, name):
    """`prove ... | head -1` of hardware that overflows is not a proof."""
    broken("stdout", name)
    assert status_of(run, "prove", int8, "--product-bits", 30) == 1
    assert status_of(run, "prove", int8, "--product-bits", 30, "--json") == 1
    assert status_of(run, "evaluate", "no such thing") == 2


@pytest.mark.parametrize("name", NAMES)
def test_files_are_written_whoever_reads(run, broken, tmp_path, name):
    broken("stdout", name)
    run("sample", "gauss", "-n", 20000, "--json", "--out", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        assert file["x"].shape == (20000, 2)


@pytest.mark.parametrize("name", NAMES)
def test_errors_that_nobody_sees(run, broken, int8, name):
    broken("stderr", name)
    assert status_of(run, "evaluate", "no such thing") == 2
    assert status_of(run, "nonsense") == 2
    broken("stdout", "/dev/full")
    assert status_of(run, "list") == 2
    assert status_of(run, "prove", int8, "--product-bits", 30) == 1


def test_an_unreadable_file_is_not_blamed_on_the_output(run, monkeypatch):
    def refused():
        raise OSError(errno.EMFILE, "Too many open files", "/some/where")

    monkeypatch.setattr("ohmbench.weights.read_manifest", refused)
    status, out, err = run("list")
    assert (status, out) == (2, "")
    assert err == "ohmbench: /some/where: Too many open files; see 'ohmbench list --help'\n"


CLOSED = """
import os, sys
for number in map(int, sys.argv[1:]):
    os.close(number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], None)
from ohmbench import streams
streams.open_missing()
file = open(os.devnull)
sys.stderr.write("nobody\\n")
os.write(2, b"nobody")
assert sys.stdout is None or "1" not in sys.argv[1:]
os._exit(0 if file.fileno() > 2 else 7)
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "1 2", "0 1 2"])
def test_no_file_gets_the_number_of_a_closed_stream(closed):
    """It would get what a library prints: an output file with a warning in its midst."""
    command = [sys.executable, "-c", CLOSED, *closed.split()]
    assert subprocess.run(command, capture_output=True).returncode == 0


ASCII = """
from ohmbench import streams
streams.write_any_character()
import sys
print("Ω²", "\\udcff")
sys.stderr.write("Ω\\n")
"""


def test_terminals_of_few_characters():
    done = subprocess.run(
        [sys.executable, "-c", ASCII],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )
    assert done.returncode == 0
    assert (done.stdout, done.stderr) == (b"\\u03a9\\xb2 \\udcff\n", b"\\u03a9\n")


def test_output_and_errors_are_back_afterwards(run):
    before = sys.stdout, sys.stderr
    status, out, _ = run("prove", "int8-digits", "--json")
    assert status == 0
    assert json.loads(out)["proven"] is True
    assert (sys.stdout, sys.stderr) == before
