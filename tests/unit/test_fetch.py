"""``ohmbench fetch``: from servers and repositories on this machine, good ones and others."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ohmbench.constants import DATA_VARIABLE, MODELS_VARIABLE
from ohmbench.errors import FileError, OhmbenchError
from ohmbench.fetching import check_copy, copies, model_file, reach, sources
from ohmbench.fetching import getting as getting_module
from ohmbench.fetching.getting import FetchError, fetch_source, named_mirrors, usual_origins
from ohmbench.fetching.git import GitOrigin
from ohmbench.fetching.origins import MAX_BYTES, Origin, Patience
from ohmbench.fetching.sources import PATH, SOURCES, TARGETS, Source
from ohmbench.fetching.web import WebOrigin, _Sink
from ohmbench.files import locking, sha256_file
from ohmbench.needs import NEEDS, skip_reason
from ohmbench.paper import fann_folder, kirchhoff_folder, read_fann_int8, read_kirchhoff_folder
from tests.unit import servers
from tests.unit.command_line import assert_refused
from tests.unit.servers import CONTENT, FIRST, published, repository, serving, wait_for

ROOT = Path(__file__).parents[2]
QUICK = Patience(connect_s=2, silence_s=0.3)
SOURCE = published()


def web(server: servers.Server) -> WebOrigin:
    return WebOrigin(f"{server.url}/{PATH}")


def get(root: Path, *origins: Origin, source: Source = SOURCE, **options: Any) -> Any:
    return fetch_source(source, root, origins, **{"patience": QUICK, **options})


def files_in(folder: Path) -> dict[str, bytes]:
    """Path -> content of each file below ``folder``."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def kept(content: dict[str, bytes] = CONTENT) -> dict[str, bytes]:
    return {f"fann/{path}": data for path, data in content.items()}


def refusal(root: Path, *origins: Origin, source: Source = SOURCE) -> str:
    with pytest.raises(FetchError) as caught:
        get(root, *origins, source=source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def plant_part(root: Path, data: bytes, path: str = FIRST) -> Path:
    """What an earlier transfer of a file left."""
    part = root / "fann.partial" / hashlib.sha256(CONTENT[path]).hexdigest()
    part.parent.mkdir(parents=True)
    part.write_bytes(data)
    return part


# ------------------------------------------------------------------------------------------------
# From a server


def test_every_file_comes_once_and_is_not_asked_for_again(tmp_path: Path) -> None:
    told: list[int] = []
    with serving() as server:
        result = get(tmp_path, web(server), advance=told.append)
        assert files_in(tmp_path) == kept()
        assert [file.path for file in result.files] == list(CONTENT)
        assert result.size == sum(told) == sum(map(len, CONTENT.values()))
        assert get(tmp_path, web(server)).files == ()
        assert len(server.asked) == len(CONTENT)
        (tmp_path / "fann" / FIRST).unlink()
        assert [file.path for file in get(tmp_path, web(server)).files] == [FIRST]
        assert len(server.asked) == len(CONTENT) + 1
    assert not (tmp_path / "fann.partial").exists()


FAULTS: dict[str, tuple[servers.Way, str]] = {
    "corrupted": (servers.corrupted, "is not the published file: its SHA-256 is another"),
    "truncated": (servers.half, "the connection ended after 16384 bytes; run the same command"),
    "truncated-silently": (servers.half_without_length, "sent 20000 of 40000 bytes"),
    "web-page": (servers.web_page, "answers with a web page"),
    "too-much": (servers.too_much, "sends more than the 40000 bytes"),
    "missing": (servers.failing(404), "answers 404 Not Found"),
    "broken": (servers.failing(503), "answers 503 Service Unavailable"),
    "silent": (servers.silent, "no answer within 0.3 s"),
    "silent-in-the-middle": (servers.silent_in_the_middle, "no answer within 0.3 s"),
    "hangs-up": (servers.hangs_up, "Remote end closed connection without response"),
    "circle": (servers.redirected_for_ever, "Exceeded 30 redirects"),
    "unasked-part": (servers.unasked_part, "a part of the file that nobody asked for"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_server_is_refused_in_one_line_and_nothing_lost(
    tmp_path: Path, fault: str
) -> None:
    way, words = FAULTS[fault]
    there = tmp_path / "fann" / FIRST
    there.parent.mkdir(parents=True)
    there.write_bytes(b"an older version")
    with serving(way) as server:
        message = refusal(tmp_path, web(server))
        assert words in message
        assert server.url in message
        assert (
            f"put a checkout of github.com/nobody/nothing at 000000000000 into {tmp_path}/fann"
            in message
        )
        assert server.asked[0][0].startswith("/files/Analog/a.npz")
        assert there.read_bytes() == b"an older version"
        named = {path for path in files_in(tmp_path) if not path.startswith("fann.partial/")}
        assert named == {f"fann/{FIRST}"}
        # Another attempt, at a server that is well, brings everything.
        server.way = servers.with_ranges
        get(tmp_path, web(server))
    assert files_in(tmp_path) == kept()


def test_a_host_that_cannot_be_reached(tmp_path: Path) -> None:
    with serving() as server:
        gone = web(server)
    assert "refused" in refusal(tmp_path, gone)
    reasons = reach.unreachable([gone.probed], 2)
    assert reasons == {gone.probed: "Connection refused"}


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/", "http://[::1/"])
def test_a_url_that_is_none(tmp_path: Path, url: str) -> None:
    assert reach.unreachable([url], 0.2) == {}
    refusal(tmp_path, WebOrigin(f"{url}{PATH}"))


def test_what_came_before_the_connection_ended_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(servers.half) as server:
        refusal(tmp_path, web(server))
        server.way = servers.with_ranges
        server.asked.clear()
        told: list[int] = []
        get(tmp_path, web(server), advance=told.append)
        assert server.asked[0] == ("/files/Analog/a.npz", "bytes=16384-")
        assert told[0] + told[1] == 40_000 - 16_384
    assert files_in(tmp_path) == kept()


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    with serving(servers.redirected) as server:
        get(tmp_path, web(server))
        assert [path for path, _ in server.asked if "?" in path]
    assert files_in(tmp_path) == kept()


BEGINNINGS = {
    "right": (CONTENT[FIRST][:5000], ["bytes=5000-"]),
    "wrong": (b"x" * 5000, ["bytes=5000-", None]),
    "whole": (CONTENT[FIRST], []),
    "longer": (CONTENT[FIRST] + b"x", ["bytes=40001-", None]),
    "empty": (b"", [None]),
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("way", [servers.with_ranges, servers.whole, servers.other_part])
def test_a_part_is_gone_on_with_or_begun_anew(
    tmp_path: Path, beginning: str, way: servers.Way
) -> None:
    data, ranges = BEGINNINGS[beginning]
    plant_part(tmp_path, data)
    with serving(way) as server:
        get(tmp_path, web(server))
        asked = [asked for path, asked in server.asked if path == "/files/Analog/a.npz"]
    assert files_in(tmp_path) == kept()
    if way is servers.with_ranges:
        assert asked == ranges
    elif way is servers.whole:
        assert asked == ranges[:1], "it sends all of it at the first question"


def test_a_file_of_unknown_size_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ohmbench.fetching.web.MAX_BYTES", 1000)
    for size, good in ((1000, True), (1001, False)):
        content = {"a": b"x" * size}
        with serving(content=content) as server:
            source = published(content)
            if good:
                get(tmp_path, web(server), source=source)
            else:
                assert "more than the 1000 bytes" in refusal(tmp_path, web(server), source=source)
    assert all((file.size or 0) < MAX_BYTES for s in SOURCES.values() for file in s.files)


# ------------------------------------------------------------------------------------------------
# Several origins


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "circle"])
def test_the_second_mirror_gives_what_the_first_does_not(tmp_path: Path, fault: str) -> None:
    with serving(FAULTS[fault][0]) as bad, serving() as good:
        result = get(tmp_path, web(bad), web(good))
        assert result.where == f"{good.url}/"
        asked = {path for path, _ in bad.asked}
        assert asked == {"/files/Analog/a.npz"}, "one that failed is asked no more"
    assert files_in(tmp_path) == kept()


def test_the_first_mirror_keeps_what_it_has_brought(tmp_path: Path) -> None:
    content = dict(list(CONTENT.items())[:2])
    with serving(content=content) as first, serving() as second:
        get(tmp_path, web(first), web(second))
        assert [path for path, _ in second.asked] == ["/files/c%20d/%C3%BC.yaml"]
    assert files_in(tmp_path) == kept()


def test_all_reasons_are_said_and_silent_hosts_asked_once(tmp_path: Path) -> None:
    hosts: dict[str, str] = {}
    with serving(servers.silent) as one, serving(servers.corrupted) as two:
        for attempt in range(2):
            with pytest.raises(FetchError) as caught:
                get(tmp_path, web(one), web(two), silent=hosts)
            assert [error.reason for error in caught.value.reasons] == [
                "no answer within 0.3 s",
                "is not the published file: its SHA-256 is another",
            ]
            assert len(one.asked) == 1
            assert len(two.asked) == attempt + 1
    assert list(hosts) == [one.url.split("/")[2]]


# ------------------------------------------------------------------------------------------------
# From a git repository


def pinned(commit: str, content: dict[str, bytes] = CONTENT) -> Source:
    return published(content, commit=commit)


def cloned(folder: Path, commit: str) -> GitOrigin:
    return GitOrigin(str(folder), commit)


def test_the_listed_files_of_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of a later commit, and no others; whatever repository a hook is in."""
    mirror = tmp_path / "mirror"
    commit = repository(mirror, {**CONTENT, "huge.bin": b"not wanted"})
    (mirror / FIRST).write_bytes(b"changed later")
    servers.git(mirror, "commit", "-q", "-a", "-m", "later")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    root = tmp_path / "root"
    result = get(root, cloned(mirror, commit), source=pinned(commit))
    assert files_in(root) == kept()
    assert result.where == f"git {mirror}"
    assert get(root, source=pinned(commit)).files == ()


def test_git_comes_second(tmp_path: Path) -> None:
    commit = repository(tmp_path / "mirror")
    with serving(servers.failing(404)) as server:
        get(
            tmp_path / "root",
            web(server),
            cloned(tmp_path / "mirror", commit),
            source=pinned(commit),
        )
    assert files_in(tmp_path / "root") == kept()
    first, second = usual_origins(SOURCES["fann"])
    assert first.where.startswith("https://raw.githubusercontent.com/a-folabi/FANN/19ec224d7a36")
    assert second == GitOrigin("https://github.com/a-folabi/FANN", SOURCES["fann"].commit)


def _without(*paths: str) -> dict[str, bytes]:
    return {path: data for path, data in CONTENT.items() if path not in paths}


REPOSITORIES: dict[str, tuple[dict[str, Any], str]] = {
    "file-missing": ({"content": _without(FIRST)}, "Analog/a.npz: not in commit"),
    "link": ({"content": _without(FIRST), "links": {FIRST: "/etc/passwd"}}, "is a symbolic link"),
    "link-above": (
        {"content": _without(FIRST), "links": {"Analog": "/etc"}},
        "Analog/a.npz: not in commit",
    ),
    "folder": ({"content": {**_without(FIRST), f"{FIRST}/x": b""}}, "is a folder in commit"),
    "other-content": ({"content": {**CONTENT, FIRST: bytes(40_000)}}, "SHA-256 is another"),
    "larger": ({"content": {**CONTENT, FIRST: bytes(40_001)}}, "more than the 40000 of the file"),
}


@pytest.mark.parametrize("fault", REPOSITORIES)
def test_a_faulty_repository_is_refused(tmp_path: Path, fault: str) -> None:
    settings, words = REPOSITORIES[fault]
    commit = repository(tmp_path / "mirror", **settings)
    root = tmp_path / "root"
    message = refusal(root, cloned(tmp_path / "mirror", commit), source=pinned(commit))
    assert words in message
    assert files_in(root) == {}


def test_a_repository_without_the_commit(tmp_path: Path) -> None:
    repository(tmp_path / "mirror")
    other = "1" * 40
    message = refusal(tmp_path / "root", cloned(tmp_path / "mirror", other), source=pinned(other))
    assert f"does not have commit {other}" in message


def test_names_in_a_tree_lead_nowhere(tmp_path: Path) -> None:
    commit = servers.hostile_tree(tmp_path / "mirror")
    names = servers.git(tmp_path / "mirror", "ls-tree", "--name-only", commit)
    assert "../evil" in names.split()
    before = {path for path in tmp_path.rglob("*") if "mirror" not in path.parts}
    root = tmp_path / "a" / "root"
    get(root, cloned(tmp_path / "mirror", commit), source=pinned(commit))
    assert files_in(root) == kept()
    after = {path for path in tmp_path.rglob("*") if "mirror" not in path.parts}
    assert {path.name for path in after - before if path.is_file()} == {
        Path(path).name for path in CONTENT
    }


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("{tmp_path}/none", "does not appear to be a git repository"),
        ("ext::touch {tmp_path}/ran", "transport 'ext' not allowed"),
        ("--upload-pack=touch {tmp_path}/ran", "git --upload-pack"),
        ("http://127.0.0.1:1/x.git", "unable to access"),
    ],
)
def test_what_is_no_repository(tmp_path: Path, url: str, words: str) -> None:
    origin = GitOrigin(url.format(tmp_path=tmp_path), "0" * 40)
    assert words in refusal(tmp_path / "root", origin)
    assert not (tmp_path / "ran").exists()


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not on PATH" in refusal(tmp_path, cloned(tmp_path, "0" * 40))


def test_a_git_that_is_set_up_for_a_proxy_is_not_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may get through where a direct connection does not."""
    origin = GitOrigin("https://github.com/a/b", "0" * 40)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for text, probed in (
        ("[user]\nname = a\n", origin.url),
        ("[http]\nproxy = http://127.0.0.1:3128\n", ""),
        ('[http "https://github.com"]\nproxy = http://127.0.0.1:3128\n', ""),
        ('[url "https://mirror/"]\ninsteadOf = https://github.com/\n', ""),
    ):
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
        assert origin.probed == probed


# ------------------------------------------------------------------------------------------------
# The folder


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with serving() as server, pytest.raises(FileError, match="Not a directory; set OHMBENCH_CACHE"):
        get(tmp_path / "cache", web(server))
    assert server.asked == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, **_: Any) -> None:
        raise FileError(path, "cannot write: the file system is read-only", remedy="elsewhere")

    monkeypatch.setattr(getting_module, "check_writable", refused)
    with serving() as server, pytest.raises(FileError, match="read-only; set OHMBENCH_CACHE"):
        get(tmp_path, web(server))
    assert server.asked == []


@pytest.mark.parametrize("written", [0, 20_000])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    write = _Sink.write

    def full(sink: _Sink, data: bytes) -> None:
        if sink.file.tell() >= written:
            raise OSError(errno.ENOSPC, "No space left on device", "part")
        write(sink, data)

    with serving() as server:
        with monkeypatch.context() as patch:
            patch.setattr(_Sink, "write", full)
            with pytest.raises(
                FileError, match="part: No space left on device; set OHMBENCH_CACHE"
            ):
                get(tmp_path, web(server))
        assert not (tmp_path / "fann" / FIRST).exists()
        get(tmp_path, web(server))
    assert files_in(tmp_path) == kept()


FETCH = """
import sys
from pathlib import Path
from ohmbench.fetching.getting import fetch_source
from ohmbench.fetching.origins import Patience
from ohmbench.fetching.web import WebOrigin
from tests.unit.servers import published
result = fetch_source(published(), Path(sys.argv[1]), [WebOrigin(sys.argv[2])], patience=Patience())
print(len(result.files))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[servers.Server], subprocess.Popen[str]]]:
    """``start(server)``: another process that fetches from it."""
    processes: list[subprocess.Popen[str]] = []

    def call(server: servers.Server) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", FETCH, str(tmp_path), web(server).url]
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield call
    for process in processes:
        process.kill()
        process.communicate()


def test_two_processes_fetch_each_file_once(tmp_path: Path, start: Any) -> None:
    """The second waits for the first, and then finds everything there."""

    def slow(handler: servers.Handler, data: bytes) -> None:
        # Not before both have begun, if they would.
        handler.server.over.wait(0.1)
        servers.with_ranges(handler, data)

    with serving(slow) as server:
        both = start(server), start(server)
        counts = [process.communicate(timeout=30)[0].strip() for process in both]
        assert sorted(counts) == ["0", "3"]
        assert len(server.asked) == len(CONTENT)
    assert files_in(tmp_path) == kept()


def test_killed_in_the_middle_leaves_no_name_and_can_go_on(tmp_path: Path, start: Any) -> None:
    with serving(servers.silent_in_the_middle) as server:
        process = start(server)
        part = tmp_path / "fann.partial" / SOURCE.files[0].sha256
        wait_for(lambda: part.exists() and part.stat().st_size == 16_384)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert set(files_in(tmp_path)) == {part.relative_to(tmp_path).as_posix()}
        server.way = servers.with_ranges
        server.asked.clear()
        get(tmp_path, web(server))
        assert server.asked[0][1] == "bytes=16384-"
    assert files_in(tmp_path) == kept()


def test_killed_between_the_last_byte_and_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with serving() as server:
        with monkeypatch.context() as patch:
            patch.setattr(getting_module, "write_bytes", killed)
            with pytest.raises(KeyboardInterrupt):
                get(tmp_path, web(server))
        server.asked.clear()
        get(tmp_path, web(server))
        assert [path for path, _ in server.asked] == [
            "/files/Digital/b.npz",
            "/files/c%20d/%C3%BC.yaml",
        ]
    assert files_in(tmp_path) == kept()


def test_waiting_for_another_writer(tmp_path: Path) -> None:
    """``wait`` waits; without it there is an error."""
    with locking.only_writer(tmp_path), pytest.raises(FileError, match="another process"):
        locking.only_writer(tmp_path).__enter__()
    with locking.only_writer(tmp_path):
        done: list[int] = []
        thread = threading.Thread(target=_hold, args=(tmp_path, done))
        thread.start()
        thread.join(0.1)
        assert not done
    thread.join(10)
    assert done == [1]


def _hold(path: Path, done: list[int]) -> None:
    with locking.only_writer(path, wait=True):
        done.append(1)


# ------------------------------------------------------------------------------------------------
# Mirrors that a user names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://m.org/x", WebOrigin(f"https://m.org/x/{PATH}")),
        ("http://m.org/x/", WebOrigin(f"http://m.org/x/{PATH}")),
        ("https://m.org/x?a=b", WebOrigin(f"https://m.org/x?a=b/{PATH}")),
        ("fann=https://m.org/x", WebOrigin(f"https://m.org/x/{PATH}")),
        ("https://m.org/x.git", GitOrigin("https://m.org/x.git", SOURCES["fann"].commit)),
        ("git+https://m.org/x", GitOrigin("https://m.org/x", SOURCES["fann"].commit)),
        ("git@m.org:a/x", GitOrigin("git@m.org:a/x", SOURCES["fann"].commit)),
        ("fann=/srv/fann", GitOrigin("/srv/fann", SOURCES["fann"].commit)),
    ],
)
def test_a_mirror(text: str, expected: Origin) -> None:
    assert named_mirrors([text], [SOURCES["fann"]]) == {"fann": [expected]}


@pytest.mark.parametrize(
    ("text", "targets", "words"),
    [
        ("https://m.org/x", "papers", "does not say for which source; write --from NAME="),
        ("mnist=https://m.org/x", "papers", "mnist is not fetched; name one of fann"),
        ("nobody=https://m.org/x", "papers", "nobody is not fetched"),
        ("/srv/mnist", "mnist", "MNIST is not in a git repository"),
    ],
)
def test_a_mirror_of_nothing(run: Any, text: str, targets: str, words: str) -> None:
    assert_refused(run("fetch", targets, "--from", text), f"--from {text}", words)


# ------------------------------------------------------------------------------------------------
# Copies are found, after what the user names, and checked


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what was fetched; no variable names another."""
    folder = tmp_path / "fetched"
    monkeypatch.setattr(copies, "fetched_root", lambda: folder)
    for source in SOURCES.values():
        monkeypatch.delenv(source.variable, raising=False)
    return folder


def put(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the tables is ``b"data"``."""
    digest = hashlib.sha256(b"data").hexdigest()
    for name, source in SOURCES.items():
        files = tuple(replace(file, sha256=digest, size=None) for file in source.files)
        monkeypatch.setitem(sources.SOURCES, name, replace(source, files=files))


@pytest.mark.parametrize(
    ("find", "name"), [(fann_folder, "fann"), (kirchhoff_folder, "kirchhoffnet")]
)
def test_a_papers_copy_comes_after_option_and_variable(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find: Any, name: str
) -> None:
    with pytest.raises(FileError, match="no folder named; run 'ohmbench fetch papers', or give"):
        find()
    (root / name).mkdir(parents=True)
    assert find() == root / name
    for other in ("variable", "option"):
        (tmp_path / other).mkdir()
    monkeypatch.setenv(SOURCES[name].variable, str(tmp_path / "variable"))
    assert find() == tmp_path / "variable"
    assert find(tmp_path / "option") == tmp_path / "option"
    # A variable that names nothing is an error, and not the copy instead.
    monkeypatch.setenv(SOURCES[name].variable, str(tmp_path / "none"))
    with pytest.raises(FileError, match="none: is not a folder"):
        find()


def test_a_damaged_copy_of_a_papers_file_is_not_read(root: Path) -> None:
    int8 = put(root / "fann/Digital/mnist8x8_int8W_int32B_uint8A.npz")
    config = put(root / "kirchhoffnet/src/results/twomoon/config.yaml")
    for path, read in (
        (int8, read_fann_int8),
        (config, lambda: read_kirchhoff_folder(config.parent)),
    ):
        with pytest.raises(FileError) as caught:
            read()
        assert str(caught.value) == (
            f"{path}: is no longer the published file: its SHA-256 is another; run 'ohmbench "
            "fetch papers' again"
        )
    looked = NEEDS["paper-fann-int8"].look()
    assert (looked.where, looked.is_copy) == (None, False)
    assert "no longer the published file" in looked.reason


def test_an_incomplete_copy_says_what_completes_it(root: Path) -> None:
    (root / "fann").mkdir(parents=True)
    (root / "kirchhoffnet" / "src" / "results").mkdir(parents=True)
    with pytest.raises(FileError, match=r"\.npz: not found; run 'ohmbench fetch papers'"):
        read_fann_int8()
    from ohmbench.paper import read_kirchhoff

    with pytest.raises(FileError, match=r"twomoon: not found; run 'ohmbench fetch papers'"):
        read_kirchhoff("twomoon")


def test_a_data_set_is_where_the_variable_says_else_the_copy(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_tables: None
) -> None:
    from ohmbench.data.mnist import missing_files, mnist_folder

    with pytest.raises(FileError, match="is not set; run 'ohmbench fetch mnist', or point it at"):
        mnist_folder()
    for file in SOURCES["mnist"].files:
        put(root / "mnist" / file.target)
    assert mnist_folder() == root / "mnist"
    looked = NEEDS["mnist"].look()
    assert (looked.where, looked.is_copy) == (str(root / "mnist"), True)
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(own))
    assert mnist_folder() == root / "mnist", "there is nothing of MNIST in the user's folder"
    put(own / SOURCES["mnist"].files[0].target)
    assert mnist_folder() == own, "what the user has counts, complete or not"
    assert len(missing_files()) == 3
    assert not NEEDS["mnist"].look().is_copy
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(FileError, match="is not a folder"):
        mnist_folder()


def test_a_damaged_data_set_is_not_replaced_by_the_copy(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own is what is read, and what is wrong with it is said."""
    from ohmbench.data.mnist import read_mnist

    put(root / "mnist" / "train-images-idx3-ubyte.gz")
    with pytest.raises(
        FileError, match=r"no longer the published file.*run 'ohmbench fetch mnist'"
    ):
        read_mnist("train")
    assert "lacks train-labels" in NEEDS["mnist"].look().reason
    for file in SOURCES["mnist"].files:
        put(root / "mnist" / file.target)
    assert "no longer the published file" in NEEDS["mnist"].look().reason
    own = put(tmp_path / "own" / "train-images-idx3-ubyte.gz")
    monkeypatch.setenv(DATA_VARIABLE, str(own.parent))
    with pytest.raises(FileError, match=str(own)):
        read_mnist("train")


def test_housing_is_read_from_the_fetched_archive(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ohmbench.data.regression import housing_file
    from tests.unit.test_regression_data import text, tgz

    archive = tgz(text())
    digest = hashlib.sha256(archive).hexdigest()
    housing = SOURCES["housing"]
    files = (replace(housing.files[0], sha256=digest),)
    monkeypatch.setitem(sources.SOURCES, "housing", replace(housing, files=files))
    path = put(root / "housing" / "cal_housing.tgz", archive)
    assert housing_file() == path
    put(path, archive[:-1])
    with pytest.raises(FileError, match="no longer the published file"):
        housing_file()


def test_a_model(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_tables: None
) -> None:
    name = "finn_tfc/input.npy"
    with pytest.raises(FileError, match="not fetched; run 'ohmbench fetch models', or point"):
        model_file(name)
    copy = put(root / "models" / name)
    assert model_file(name) == copy
    with pytest.raises(
        FileError, match=r"ad01_int8\.tflite: not found; run 'ohmbench fetch models'"
    ):
        model_file("ad01_int8.tflite")
    copy.write_bytes(b"damaged")
    with pytest.raises(
        FileError, match=r"no longer the published file.*'ohmbench fetch models' again"
    ):
        model_file(name)
    own = put(tmp_path / "own" / name, b"the user's own")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "own"))
    assert model_file(name) == own
    with pytest.raises(FileError, match="not found; put it there"):
        model_file("ad01_int8.tflite")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(FileError, match="OHMBENCH_MODELS: is not a folder"):
        model_file(name)


def test_only_published_files_of_the_copy_are_checked(root: Path, tmp_path: Path) -> None:
    check_copy(put(tmp_path / "elsewhere" / "Analog" / "fg_mnist_weights_v3.npz"))
    check_copy(put(root / "fann" / "notes.txt"))
    check_copy(root / "fann" / "Analog" / "fg_mnist_weights_v3.npz")
    with pytest.raises(FileError):
        check_copy(put(root / "fann" / "Analog" / "fg_mnist_weights_v3.npz"))


def test_the_doctor_says_which_copy_is_used(root: Path, small_tables: None, run: Any) -> None:
    put(root / "fann/Analog/fg_mnist_weights_v3.npz")
    status, out, err = run("doctor")
    assert (status, err) == (0, "")
    text = "".join(character for character in out if character not in "│\n ")
    assert "fg_mnist_weights_v3.npz(fetchedcopy)" in text
    assert "run 'ohmbench fetch housing', or set" in str(skip_reason("housing"))


# ------------------------------------------------------------------------------------------------
# The command


@pytest.fixture
def small(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Server]:
    """The sources are small files at a server, which is given; nothing else can be reached."""
    with serving() as server:
        for name, source in SOURCES.items():
            made = replace(
                published(repository="", commit="", urls=(f"{server.url}/{PATH}",)),
                name=name,
                title=source.title,
                folder=source.folder,
                variable=source.variable,
            )
            monkeypatch.setitem(sources.SOURCES, name, made)
        yield server


def test_the_command_fetches_and_says_what(
    small: servers.Server, root: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = run("fetch", "papers", "mnist")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        f"the FANN paper's trained files: 3 files, 0.04 MB, fetched from {small.url}/ into "
        f"{root}/fann"
    )
    assert [line.split(":")[0] for line in lines] == [
        SOURCES[name].title for name in ("fann", "kirchhoffnet", "mnist")
    ]
    assert {path.name for path in root.iterdir()} == {"fann", "kirchhoffnet", "mnist"}
    monkeypatch.setenv("OHMBENCH_PAPER_FANN", str(root))
    assert run("fetch", "fann") == (
        0,
        f"the FANN paper's trained files: already in {root}/fann (OHMBENCH_PAPER_FANN is set and "
        "comes first)\n",
        "",
    )
    assert len(small.asked) == 9


def test_the_command_lists_without_fetching(small: servers.Server, root: Path, run: Any) -> None:
    put(root / "mnist" / FIRST, CONTENT[FIRST])
    put(root / "housing" / FIRST, b"damaged")
    status, out, err = run("fetch", "mnist", "housing", "--list")
    assert (status, err) == (0, "")
    assert "mnist: MNIST, more than 0.04 MB, 1 of 3 files there" in out
    assert "housing: California housing, more than 0.04 MB, 0 of 3 files there" in out
    assert f"    from {small.url}/\n    into {root}/mnist\n    lacks Digital/b.npz\n" in out
    assert small.asked == []
    assert {
        line.split(":")[0] for line in run("fetch", "--list")[1].splitlines() if line[0] != " "
    } == {*SOURCES}


def test_what_is_wrong_with_one_source_does_not_keep_others(
    small: servers.Server, root: Path, run: Any
) -> None:
    result = run("fetch", "mnist", "housing", "--from", "mnist=http://127.0.0.1:1/x")
    status, out, err = result
    assert status == 2
    assert out.startswith("California housing: 3 files")
    assert err.count("\n") == 1
    assert err.startswith(
        "ohmbench: MNIST: 127.0.0.1:1: Connection refused; name a mirror by --from, or put "
    )
    assert err.endswith(f"into {root}/mnist\n")


@pytest.mark.parametrize("words", [(), ("nothing",), ("papers", "nothing")])
def test_what_to_fetch(run: Any, words: tuple[str, ...]) -> None:
    assert_refused(run("fetch", *words), "papers, mnist, housing, models, all")


@pytest.fixture
def offline(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """No name is known to any server; what was asked for."""
    asked: list[tuple[str, int]] = []

    def unknown(endpoint: tuple[str, int], **_: Any) -> None:
        asked.append(endpoint)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return asked


def test_without_a_network_one_line_says_what_to_put_where(
    offline: list[tuple[str, int]], root: Path, run: Any
) -> None:
    result = run("fetch", "papers", "mnist")
    assert_refused(
        result,
        "raw.githubusercontent.com, github.com, ossci-datasets.s3.amazonaws.com, "
        "storage.googleapis.com: the host name is not known",
        f"put a checkout of github.com/a-folabi/FANN at 19ec224d7a36 into {root}/fann",
        f"put a checkout of github.com/zhengqigao/kirchhoffnet at 7024072aa115 into {root}/kirch",
        f"put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        f"t10k-labels-idx1-ubyte.gz into {root}/mnist",
    )
    assert sorted(offline) == sorted({*offline}), "each host is asked once"


def test_if_possible_ends_well_without_a_network(
    offline: list[tuple[str, int]], root: Path, run: Any
) -> None:
    start = time.monotonic()
    status, out, err = run("fetch", "papers", "housing", "--if-possible")
    assert time.monotonic() - start < 3
    assert (status, out) == (0, "")
    assert err.count("\n") == 1
    assert err.startswith(
        "ohmbench: not fetched: the FANN paper's trained files, the KirchhoffNet "
    )
    assert "ndownloader.figshare.com: the host name is not known); going on without" in err
    # An empty folder would be taken for a copy, and the error be another than before.
    assert list(root.glob("*")) == []


def test_if_possible_asks_for_nothing_that_is_given(
    offline: list[tuple[str, int]],
    root: Path,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A folder that a variable names is the user's word, even if it does not exist."""
    monkeypatch.setenv("OHMBENCH_PAPER_FANN", str(tmp_path))
    monkeypatch.setenv("OHMBENCH_PAPER_KIRCHHOFFNET", str(tmp_path / "none"))
    for file in SOURCES["mnist"].files:
        put(tmp_path / "data" / file.target)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    status, out, err = run("fetch", "papers", "mnist", "--if-possible")
    assert (status, err) == (0, "")
    assert out.startswith("nothing to fetch: ")
    assert offline == []
    # The same folder has no housing.
    run("fetch", "housing", "--if-possible")
    assert [host for host, _ in offline] == ["ndownloader.figshare.com"]


def test_if_possible_says_what_it_fetched(small: servers.Server, run: Any) -> None:
    status, out, err = run("fetch", "papers", "--if-possible")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 2
    assert run("fetch", "papers", "--if-possible")[1].startswith("nothing to fetch: ")
    small.way = servers.corrupted
    status, out, err = run("fetch", "papers", "mnist", "--if-possible")
    assert status == 0
    assert err.startswith("ohmbench: not fetched: MNIST (")


def test_if_possible_survives_a_folder_that_cannot_be_written(
    small: servers.Server, root: Path, run: Any
) -> None:
    root.write_text("a file in the way")
    status, out, err = run("fetch", "papers", "--if-possible")
    assert (status, out) == (0, "")
    assert "set OHMBENCH_CACHE" in err


def test_name_servers_that_do_not_answer_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def wait(*_: Any, **__: Any) -> None:
        over.wait(10)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", wait)
    start = time.monotonic()
    urls = [f"https://a{k}.invalid/" for k in range(20)]
    assert reach.unreachable(urls, 0.1) == dict.fromkeys(urls, "no answer within 0.1 s")
    assert time.monotonic() - start < 1
    over.set()


def test_a_proxy_is_asked_in_the_place_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "near.example.org")
    assert reach._endpoint("https://far.example.org/x") == ("127.0.0.1", 3128)
    assert reach._endpoint("https://near.example.org/x") == ("near.example.org", 443)
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("no_proxy", "*")
    assert reach._endpoint("https://far.example.org/x") == ("far.example.org", 443)
    assert reach._endpoint("http://far.example.org:81/x") == ("far.example.org", 81)
    assert reach._endpoint("git@far.example.org:x") is None
    assert reach._endpoint("/a/folder") is None


def test_the_reproduction_fetches_first_and_never_fails_of_it() -> None:
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    section = tox.partition("[testenv:repro]")[2].partition("[testenv:")[0]
    before, _, after = section.partition("\ncommands = ")
    assert before.splitlines()[-1] == "    ohmbench fetch papers models mnist housing --if-possible"
    assert after.startswith("pytest tests/repro")


# ------------------------------------------------------------------------------------------------
# The tables


def test_the_tables_are_whole() -> None:
    places = [(s.folder, file.target) for s in SOURCES.values() for file in s.files]
    assert len({*places}) == len(places) == 36
    digests = [file.sha256 for source in SOURCES.values() for file in source.files]
    assert len({*digests}) == len(digests)
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
    for source in SOURCES.values():
        assert not source.repository or len(source.commit) == 40
        assert bool(source.repository) != bool(source.urls)
        for file in source.files:
            assert ".." not in file.target
            assert not os.path.isabs(file.target)
    assert {name for names in TARGETS.values() for name in names} == set(SOURCES)


@pytest.mark.parametrize(
    ("name", "find"),
    [
        pytest.param("fann", fann_folder, marks=pytest.mark.needs("paper-fann")),
        pytest.param(
            "kirchhoffnet", kirchhoff_folder, marks=pytest.mark.needs("paper-kirchhoffnet")
        ),
        pytest.param("mnist", None, marks=pytest.mark.needs("mnist")),
    ],
)
def test_the_tables_say_what_the_published_files_are(name: str, find: Any) -> None:
    from ohmbench.data.mnist import mnist_folder

    folder = (find or mnist_folder)()
    there = [file for file in SOURCES[name].files if (folder / file.target).is_file()]
    assert there
    for file in there:
        assert sha256_file(folder / file.target) == file.sha256
        assert file.size in (None, (folder / file.target).stat().st_size)


def test_errors_of_several_sources_are_one(tmp_path: Path) -> None:
    with serving(servers.failing(404)) as server:
        errors = []
        for source in (SOURCE, replace(SOURCE, title="others", folder="b")):
            with pytest.raises(FetchError) as caught:
                get(tmp_path, web(server), source=source)
            errors.append(caught.value)
    message = str(FetchError.of_all(errors))
    assert message.startswith("small files and others: http://127.0.0.1")
    assert message.count("answers 404 Not Found") == 1
    assert message.count("put a checkout") == 2
    assert isinstance(errors[0], OhmbenchError)
