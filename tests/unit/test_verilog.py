"""Verilog as the tools get it: includes resolved in one way, bytes as they are, nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohmbench.digital.widths import Hardware
from ohmbench.eda import verilog
from ohmbench.eda.hdl import HDL_VARIABLE, sources
from ohmbench.eda.synthesis.design import source
from ohmbench.eda.tools import ToolError
from ohmbench.eda.verilator import Build
from ohmbench.eda.verilog import (
    SIMPLE_PATH,
    data_files,
    encoded,
    read_verilog,
    staged,
    texts,
    write_verilog,
)
from tests.eda.mutation import used_sources

SMALL = Hardware(8, 2, 2, lanes=1, requants=1)


@pytest.fixture
def hdl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the project's Verilog under OHMBENCH_HDL."""
    folder = tmp_path / "hdl"
    folder.mkdir()
    for path in sources():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv(HDL_VARIABLE, str(folder))
    return folder


def code(text: str) -> list[str]:
    """The lines without those that only say where they are from."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("`line")]


# ------------------------------------------------------------------------------------------------
# Includes


def test_files_that_include_nothing_stay_what_they_are(hdl: Path) -> None:
    found = read_verilog(sources())
    assert all(file.alone for file in found)
    assert [file.text for file in found] == [path.read_text() for path in sources()]


def test_the_folder_of_the_including_file_comes_before_that_of_the_projects_verilog(
    hdl: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    (own / "deep").mkdir(parents=True)
    top = own / "top.v"
    top.write_text('`include "deep/a.vh"\n`include "b.vh"\n')
    (own / "deep" / "a.vh").write_text('`include "b.vh"\n')
    (hdl / "b.vh").write_text("of hdl\n")
    assert code(texts([top])["top.v"]) == ["of hdl", "of hdl"]
    (own / "b.vh").write_text("of own\n")  # beside top.v, not beside a.vh
    assert code(texts([top])["top.v"]) == ["of hdl", "of own"]
    (own / "deep" / "b.vh").write_text("of deep\n")
    assert code(texts([top])["top.v"]) == ["of deep", "of own"]


def test_absolute_names(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.vh").write_text("included\n")
    (tmp_path / "top.v").write_text(f'before `include "{tmp_path}/x/a.vh" after\n')
    assert code(texts([tmp_path / "top.v"])["top.v"]) == ["before ", "included", " after"]


def test_lines_are_still_from_where_they_were(tmp_path: Path) -> None:
    (tmp_path / "a.vh").write_text("in a 1\nin a 2")
    top = tmp_path / "top.v"
    top.write_text('in top 1\n\n/* 3\n4 */ `include "a.vh"\nin top 5\n')
    place, seen = ("", 0), {}
    for line in texts([top])["top.v"].splitlines():
        if line.startswith("`line"):
            _, number, name, _ = line.split()
            place = (name.strip('"'), int(number))
            continue
        seen[line.strip()] = place
        place = (place[0], place[1] + 1)
    assert seen["in a 2"] == ("a.vh", 2)
    assert seen["in top 1"] == ("top.v", 1)
    assert seen["in top 5"] == ("top.v", 5)


@pytest.mark.parametrize(
    "line",
    [
        '// `include "a.vh"',
        '/* `include "a.vh"\n */',
        '$display("`include \\"a.vh\\"");',
        '`define TAKE_IT \\\n `include "a.vh"',
        '`include "gone.vh"',
        "`include `NAME",
        'wire \\odd"name ; // `include "a.vh"',
    ],
)
def test_what_is_no_include_stays(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.vh").write_text("included\n")
    (tmp_path / "top.v").write_text(f"module top;\n{line}\nendmodule\n")
    (found,) = read_verilog([tmp_path / "top.v"])
    assert found.alone
    assert "included" not in found.text


def test_guarded_files_may_include_each_other(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.vh").write_text(
            f'`ifndef {name}\n`define {name}\n`include "{other}.vh"\nin {name}\n`endif\n'
        )
    (tmp_path / "top.v").write_text('`include "a.vh"\n')
    text = texts([tmp_path / "top.v"])["top.v"]
    assert (text.count("in a"), text.count("in b")) == (1, 1)
    assert text.count('`include "a.vh"') == 1  # in the branch that is not taken


def test_files_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilog, "_MOST_CHARACTERS", 20_000)
    (tmp_path / "x0.vh").write_text("x" * 1000)
    for k in range(30):
        (tmp_path / f"x{k + 1}.vh").write_text(f'`include "x{k}.vh"\n' * 2)
    (tmp_path / "top.v").write_text('`include "x30.vh"\n')
    with pytest.raises(ToolError, match="characters long"):
        texts([tmp_path / "top.v"])


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "top.v").symlink_to("nowhere")
    with pytest.raises(ToolError, match=r"top\.v: cannot open: no such file"):
        texts([tmp_path / "top.v"])
    (tmp_path / "a.v").mkdir()
    with pytest.raises(ToolError, match=r"a\.v: is a folder"):
        read_verilog([tmp_path / "a.v"])
    (tmp_path / "endless.vh").symlink_to("/dev/zero")
    (tmp_path / "b.v").write_text('`include "endless.vh"\n')
    with pytest.raises(ToolError, match=r"endless\.vh: is a device"):
        read_verilog([tmp_path / "b.v"])


# ------------------------------------------------------------------------------------------------
# What is built of them


def split(hdl: Path) -> Path:
    """The body of requantize.v in a file that it includes."""
    file = hdl / "requantize.v"
    head, semicolon, body = file.read_text().partition(");\n")
    assert "assign h_o" in body
    file.write_text(f'{head}{semicolon}`include "body.vh"\n')
    (hdl / "body.vh").write_text(body)
    return hdl / "body.vh"


def test_every_flow_sees_a_change_of_an_included_file(hdl: Path) -> None:
    body = split(hdl)

    def seen() -> tuple[str, ...]:
        design = source(SMALL)
        return (
            Build(SMALL).key(),
            design.verilog,
            design.design.sources_sha256,
            texts(used_sources())["requantize.v"],
        )

    before = seen()
    body.write_text(body.read_text().replace("assign h_o", "assign  h_o"))
    assert all(a != b for a, b in zip(before, seen(), strict=True))
    assert "`include" not in seen()[1]


def test_modules_of_included_files_are_found(hdl: Path) -> None:
    """Which files a module is made of is read from the whole text."""
    split(hdl)
    assert {path.name for path in used_sources()} == {
        path.name for path in sources() if "axi" not in path.name
    }


# ------------------------------------------------------------------------------------------------
# Bytes


def test_any_encoding_comes_through(hdl: Path, tmp_path: Path) -> None:
    ram = hdl / "ram.v"
    ram.write_bytes(b"// caf\xe9 \xff\r\n" + ram.read_bytes())
    text = texts([ram])["ram.v"]
    write_verilog(tmp_path / "copy.v", text)
    assert (tmp_path / "copy.v").read_bytes() == ram.read_bytes().replace(b"\r\n", b"\n")
    assert b"caf\xe9 \xff\n" in encoded(source(SMALL).verilog)
    assert Build(SMALL).key()


def test_what_editors_leave_is_no_source(hdl: Path) -> None:
    before = sources()
    (hdl / ".#ram.v").symlink_to("someone@somewhere.1234:5678")  # Emacs's lock
    for name in ("#ram.v#", "ram.v~", "._ram.v", ".ram.v.swp", "ram.v.orig", ".hidden.v"):
        (hdl / name).write_bytes(b"\x00\xff")
    assert sources() == before
    assert Build(SMALL).key()


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="gone: No such file"):
        sources(tmp_path / "gone")


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb"])
def test_paths_that_no_tool_can_quote_are_not_given_to_one(tmp_path: Path, odd: str) -> None:
    (tmp_path / odd).mkdir()
    files = [tmp_path / odd / "top.v", tmp_path / odd / f"{odd}.v"]
    for file in files:
        file.write_text("module m; endmodule\n")
    given = staged(read_verilog(files), tmp_path / "staged")
    assert [path.name for path in given] == ["top.v", "file1.v"]
    assert all(path.read_text() == "module m; endmodule\n" for path in given)
    # Others are, where the tool can take them.
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "top.v").write_text("module m; endmodule\n")
    spaced = read_verilog([tmp_path / "a b" / "top.v"])
    assert staged(spaced, tmp_path / "more") == [tmp_path / "a b" / "top.v"]
    assert staged(spaced, tmp_path / "most", SIMPLE_PATH) == [tmp_path / "most" / "top.v"]


def test_two_files_of_one_name_stay_two(tmp_path: Path) -> None:
    files = [tmp_path / "a b" / "top.v", tmp_path / "c d" / "top.v"]
    for file in files:
        file.parent.mkdir()
        file.write_text(str(file))
    given = staged(read_verilog(files), tmp_path / "staged", SIMPLE_PATH)
    assert [path.read_text() for path in given] == list(map(str, files))


# ------------------------------------------------------------------------------------------------
# Data files


def test_data_files_that_are_named_in_the_text() -> None:
    text = """
    // $readmemh("comment", m);
    initial $readmemh("/x/a.hex", m);
    initial $readmemb ( "/x/b.bin", m, 0, 3);
    initial $display("$readmemh(\\"/x/c.hex\\", m)");
    """
    assert data_files(text) == [Path("/x/a.hex"), Path("/x/b.bin")]


@pytest.mark.parametrize("line", ["initial $readmemh(FILE, m);", "`include `FILE"])
def test_a_name_that_only_the_tool_could_tell_is_refused(line: str) -> None:
    with pytest.raises(ToolError, match=r"line 2: .*write its name there, in quotes"):
        data_files(f"module m;\n{line}\nendmodule\n")
