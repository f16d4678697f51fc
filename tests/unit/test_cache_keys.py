"""What a kept build or run is called by: everything that it is made of, and nothing else.

Of each thing that is kept there is one as usual, and others that differ from it in one input: all
of their keys differ. What is no input (where a checkout lies, when a file was written, the
user's other variables) changes no key.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ohmbench.digital.widths import Hardware
from ohmbench.eda import libraries, verilator
from ohmbench.eda.cache import CacheEntry, content_key
from ohmbench.eda.hdl import sources
from ohmbench.eda.synthesis import activity, calibration, ecp5, vtr
from ohmbench.eda.synthesis.design import VerilogSource
from ohmbench.eda.synthesis.result import Clocks, Design, Versions
from ohmbench.eda.tools import TOOLS
from ohmbench.eda.verilator import Build
from tests.unit.int8_networks import random_int8

SMALL = Hardware(24, 6, 3, lanes=3, requants=1)


@contextmanager
def version_of(tool: str, version: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TOOLS, tool, replace(TOOLS[tool], version=lambda: version))
        yield


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        yield


@contextmanager
def changed_file(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    yield
    path.write_bytes(before)


def assert_all_differ(keys: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, key in keys.items():
        assert key not in seen, f"{name} is kept under the key of {seen[key]}"
        seen[key] = name


# ------------------------------------------------------------------------------------------------
# Simulations


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], tuple[list[Path], Path]]:
    """``checkout(name)``: a copy of the Verilog and of the harness in a folder of that name."""

    def copy(name: str) -> tuple[list[Path], Path]:
        folder = tmp_path / name
        folder.mkdir()
        files = [Path(shutil.copy(path, folder)) for path in sources()]
        return files, Path(shutil.copy(verilator.HARNESS, folder))

    return copy


def test_a_simulation(checkout: Callable[[str], tuple[list[Path], Path]]) -> None:
    """Each field of a build, each tool, and each variable that tells a compiler where to look."""
    files, harness = checkout("one")
    usual = Build(SMALL, verilog=files, harness=harness)
    other = harness.with_name("other.cpp")
    other.write_bytes(harness.read_bytes() + b"\n")
    changes: dict[str, dict[str, Any]] = {
        "hardware": {
            name: replace(SMALL, **{name: value})
            for name, value in (
                ("inputs", 25), ("hidden", 7), ("classes", 4), ("lanes", 2), ("requants", 2),
            )
        },
        "verilog": {"fewer": files[:-1], "in-another-order": files[::-1]},
        "mutants": {"on": True},
        "coverage": {"on": True},
        "top": {"another": "accelerator_axi"},
        "harness": {"another": other},
        "netlist": {"on": True},
    }  # fmt: skip
    assert set(changes) == {field.name for field in fields(Build)}
    keys = {"usual": usual.key()}
    for field, values in changes.items():
        for name, value in values.items():
            keys[f"{field} {name}"] = replace(usual, **{field: value}).key()
    for tool, name in (("verilator", "verilator"),):
        with version_of(tool, "0.1"):
            keys[name] = usual.key()
    for name in ("CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "SDKROOT", "NIX_CFLAGS_COMPILE"):
        with variable(name, "/somewhere"):
            keys[name] = usual.key()
    for path in (files[0], files[-1], harness):
        with changed_file(path, path.read_bytes() + b"// more\n"):
            keys[path.name] = usual.key()
    assert_all_differ(keys)


def test_simulations_of_sources_without_parameters(
    checkout: Callable[[str], tuple[list[Path], Path]],
) -> None:
    """Where Verilator is told no sizes, the harness is still compiled for them; and flags of the
    compiler and of coverage are parts of what they make."""
    files, harness = checkout("one")
    keys: dict[str, str] = {}
    for kind in ("netlist", "mutants"):
        options: dict[str, Any] = {"verilog": files, "harness": harness, kind: True}
        for name, value in (("classes", 3), ("classes", 4), ("hidden", 9), ("inputs", 40)):
            build = Build(replace(SMALL, **{name: value}), **options)
            keys[f"{kind} {name} {value}"] = build.key()
    usual = Build(SMALL, verilog=files, harness=harness, coverage=True)
    keys["usual"] = usual.key()
    for name, value in (("COMPILE_FLAGS", "-fPIC"), ("COVERAGE_FLAGS", ("--coverage-line",))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verilator, name, value)
            keys[name] = usual.key()
    assert_all_differ(keys)


def test_the_same_simulation(
    checkout: Callable[[str], tuple[list[Path], Path]], tmp_path: Path
) -> None:
    """... in another checkout, of older files, under other settings of the user."""
    files, harness = checkout("one")
    key = Build(SMALL, verilog=files, harness=harness).key()
    others, another = checkout("two")
    for path in (*others, another):
        os.utime(path, (0, 0))
    build = Build(replace(SMALL), verilog=tuple(others), harness=another)
    assert build.key() == key
    for name in ("CXXFLAGS", "MAKEFLAGS", "TMPDIR", "LANG"):
        with variable(name, str(tmp_path)):
            assert build.key() == key, name


# ------------------------------------------------------------------------------------------------
# Libraries


@pytest.fixture
def library_key(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The name under which a library would be kept, without a compiler."""

    def called(entry: CacheEntry, *_: Any, **__: Any) -> Path:
        return Path(entry.folder.name, entry.name())

    monkeypatch.setattr(libraries, "require", lambda name: "compiler")
    monkeypatch.setattr(CacheEntry, "file", called)
    return lambda *arguments: str(libraries.compile_library(*arguments))


def test_a_library(library_key: Callable[..., str], tmp_path: Path) -> None:
    source = tmp_path / "one" / "source.cpp"
    source.parent.mkdir()
    source.write_text("int x;\n")
    flags = ("-O2", "-DA=1")
    with version_of("compiler", "12"):
        keys = {
            "usual": library_key(source, flags, "kind"),
            "flag": library_key(source, ("-O2", "-DA=2"), "kind"),
            "fewer flags": library_key(source, ("-O2",), "kind"),
            "order of flags": library_key(source, flags[::-1], "kind"),
            "flags joined": library_key(source, ("-O2-DA=1",), "kind"),
            "kind": library_key(source, flags, "other"),
        }
        with variable("CPATH", "/somewhere"):
            keys["CPATH"] = library_key(source, flags, "kind")
        with changed_file(source, b"int y;\n"):
            keys["source"] = library_key(source, flags, "kind")
        elsewhere = tmp_path / "two" / "source.cpp"
        elsewhere.parent.mkdir()
        shutil.copy(source, elsewhere)
        assert library_key(elsewhere, flags, "kind") == keys["usual"]
        with variable("CXXFLAGS", "-O3"):
            assert library_key(source, flags, "kind") == keys["usual"]
    with version_of("compiler", "13"):
        keys["compiler"] = library_key(source, flags, "kind")
    assert_all_differ(keys)


# ------------------------------------------------------------------------------------------------
# Synthesis

DESIGN = Design(inputs=8, hidden=6, classes=3, lanes=3, requants=1, sources_sha256="0" * 64)


class Asked(Exception):
    """Ends a flow where it asks for what is kept."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def _asks(key: str, *_: Any, **__: Any) -> Any:
    raise Asked(key)


def key_of(call: Callable[[], object]) -> str:
    with pytest.raises(Asked) as caught:
        call()
    return str(caught.value.key)


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Both flows with tools that are not there, asked for keys alone; the folder of a VTR."""
    for module in (ecp5, vtr, activity):
        monkeypatch.setattr(module, "kept_run", _asks)
    monkeypatch.setattr(ecp5, "require", lambda name: name)
    for tool in ("yosys", "nextpnr", "vtr"):
        monkeypatch.setitem(TOOLS, tool, replace(TOOLS[tool], version=lambda: "1"))
    monkeypatch.setattr(vtr, "root", lambda: tmp_path)
    for name in (vtr.ARCHITECTURE, vtr.TECHNOLOGY, calibration.CIRCUIT, calibration.GOLDEN):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.usefixtures("flows")
def test_a_netlist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that makes it is a part of it."""

    def key(text: str = "module m; endmodule") -> str:
        return key_of(lambda: ecp5.netlist(VerilogSource(DESIGN, text)))

    keys = {"usual": key(), "source": key("module n; endmodule")}
    with version_of("yosys", "2"):
        keys["yosys"] = key()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ecp5, "_script", lambda: "synth_ecp5 -abc9")
        keys["script"] = key()
    assert_all_differ(keys)
    with version_of("nextpnr", "2"):  # which has no part in it
        assert key() == keys["usual"]


@pytest.mark.usefixtures("flows")
def test_a_run_of_nextpnr(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Path("/cache/netlist-1")
    monkeypatch.setattr(ecp5, "netlist", lambda source: (None, made))

    def key(seed: int = 1) -> str:
        return key_of(lambda: ecp5.synthesise(VerilogSource(DESIGN, "text"), seed))

    keys = {"usual": key(), "seed": key(2)}
    for tool in ("yosys", "nextpnr"):
        with version_of(tool, "2"):
            keys[tool] = key()
    for k in range(len(ecp5.OPTIONS)):
        with pytest.MonkeyPatch.context() as patch:
            options = (*ecp5.OPTIONS[:k], "other", *ecp5.OPTIONS[k + 1 :])
            patch.setattr(ecp5, "OPTIONS", options)
            keys[f"option {k}"] = key()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ecp5, "netlist", lambda source: (None, Path("/cache/netlist-2")))
        keys["netlist"] = key()
        patch.setattr(ecp5, "netlist", lambda source: (None, Path("/elsewhere") / made.name))
        assert key() == keys["usual"]
    assert_all_differ(keys)


@contextmanager
def file_of_vtr(folder: Path, name: str) -> Iterator[None]:
    """Another content of one of VTR's files, whose hashes are taken once a process."""
    vtr._hashes.cache_clear()
    with changed_file(folder / name, b"another"):
        yield
    vtr._hashes.cache_clear()


def test_a_run_of_vtr(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Architecture and technology are files of VTR's own, and parts of what is found."""
    monkeypatch.setattr(vtr, "calibrate", lambda: None)

    def key(seed: int = 1, text: str = "module m; endmodule") -> str:
        return key_of(lambda: vtr.synthesise(VerilogSource(DESIGN, text), seed))

    vtr._hashes.cache_clear()
    keys = {"usual": key(), "seed": key(2), "source": key(text="module n; endmodule")}
    with version_of("vtr", "2"):
        keys["vtr"] = key()
    for name in (vtr.ARCHITECTURE, vtr.TECHNOLOGY):
        with file_of_vtr(flows, name):
            keys[name] = key()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vtr, "OPTIONS", ("--route_chan_width", "90"))
        keys["options"] = key()
    assert_all_differ(keys)


def test_a_calibration(flows: Path) -> None:
    def key() -> str:
        return key_of(vtr.calibrate)

    vtr._hashes.cache_clear()
    keys = {"usual": key()}
    with version_of("vtr", "2"):
        keys["vtr"] = key()
    for name in (vtr.ARCHITECTURE, vtr.TECHNOLOGY, calibration.CIRCUIT, calibration.GOLDEN):
        with file_of_vtr(flows, name):
            keys[name] = key()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vtr, "OPTIONS", ("--route_chan_width", "90"))
        keys["options"] = key()
    assert_all_differ(keys)


@pytest.mark.usefixtures("flows")
def test_power_from_simulated_images(tmp_path: Path) -> None:
    network, x = random_int8(0, (8, 6, 3), images=20)
    clocks = Clocks(load=1, latency=20, interval=9, mean_interval=9.0, simulator="verilator 5")

    def key(folder: str = "run", seed: int = 1, images: int = 4, **changes: Any) -> str:
        stimulus = activity.Stimulus("x", network, x, images, seed)
        at = clocks.model_copy(update=changes)
        run: Any = None
        return key_of(lambda: activity.with_simulated_power(run, tmp_path / folder, stimulus, at))

    keys = {
        "usual": key(),
        "run": key("other"),
        "seed": key(seed=2),
        "images": key(images=5),
        **{
            name: key(**{name: value})
            for name, value in (
                ("load", 2), ("latency", 21), ("interval", 10), ("mean_interval", 8.5),
                ("simulator", "verilator 6"),
            )
        },
    }  # fmt: skip
    assert set(Clocks.model_fields) <= set(keys)
    assert_all_differ(keys)


def test_versions_are_told_apart_by_tool_and_file() -> None:
    """Two that exchange theirs are others."""
    one = Versions(tools={"a": "1", "b": "2"}, files={"c": "3", "d": "4"})
    other = Versions(tools={"a": "2", "b": "1"}, files={"c": "3", "d": "4"})
    third = Versions(tools={"a": "1", "b": "2"}, files={"c": "4", "d": "3"})
    assert len({v.model_dump_json() for v in (one, other, third)}) == 3


# ------------------------------------------------------------------------------------------------
# Keys of contents


def test_parts_are_kept_apart(tmp_path: Path) -> None:
    """Neither where one part ends, nor their order, nor which file has which content is lost."""
    (tmp_path / "sub").mkdir()
    a, b, other_a = tmp_path / "a", tmp_path / "b", tmp_path / "sub" / "a"
    a.write_text("one")
    b.write_text("two")
    other_a.write_text("one")
    keys = {
        "two": content_key("ab", "c"),
        "shifted": content_key("a", "bc"),
        "joined": content_key("abc"),
        "order": content_key("c", "ab"),
        "empty": content_key("ab", "", "c"),
        "file a": content_key(files=[a]),
        "file b": content_key(files=[b]),
        "both": content_key(files=[a, b]),
        "order of files": content_key(files=[b, a]),
        "a as text": content_key("one"),
    }
    assert content_key(files=[other_a]) == keys["file a"]
    b.write_text("one")
    keys["name of a file"] = content_key(files=[b])
    assert_all_differ(keys)


def test_entries_of_other_search_folders_know_other_files(tmp_path: Path) -> None:
    """What one build read says nothing of a build that looks elsewhere."""

    def entry(*search: str, key: str = "key") -> CacheEntry:
        return CacheEntry(tmp_path, key, lambda: ["text"], tuple(tmp_path / s for s in search))

    files = {entry("a")._file(), entry("b")._file(), entry("a", "b")._file(),
             entry("b", "a")._file(), entry("a", key="other")._file()}  # fmt: skip
    assert len(files) == 5
    names = {entry("a").name(), entry("a", key="other").name(),
             replace(entry("a"), inputs=lambda: ["other"]).name(),
             replace(entry("a"), inputs=lambda: ["text", ""]).name()}  # fmt: skip
    assert len(names) == 4
