"""What tools say that they read is understood for every path that can be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ohmbench.eda.dependencies import of_compiler, of_icarus, of_verilator, of_yosys
from ohmbench.eda.environment import tool_environment
from ohmbench.eda.tools import ToolError, require
from tests.unit.hostile_environment import ODD


@pytest.mark.needs("compiler")
def test_what_the_compiler_read(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    (folder / "x: y").mkdir(parents=True)
    source, header = folder / "a.cpp", folder / "x: y" / "b c.h"
    source.write_text('#include "x: y/b c.h"\n#include <cstddef>\n')
    header.write_text("\n")
    command = [require("compiler"), "-fsyntax-only", "-MMD", "-MF", "rules.d", "-MT", "rules"]
    subprocess.run(
        [*command, str(source)], cwd=tmp_path, env=tool_environment(), check=True, timeout=60
    )
    assert of_compiler(tmp_path / "rules.d") == [source, header]


def test_a_rule_of_yosys(tmp_path: Path) -> None:
    """It may lead to several files, or none, and names a file by a relative path."""
    rules = tmp_path / "rules.d"
    for targets in ("a.json b.json", ""):
        rules.write_text(f"{targets}: script.ys ../x\\ y.hex /abs.v /share/a.v /tmp/a.aig\n")
        expected = [tmp_path / "script.ys", tmp_path.parent / "x y.hex", Path("/abs.v")]
        assert of_yosys(rules) == expected


def test_what_verilator_read(tmp_path: Path) -> None:
    times = tmp_path / "V__verFiles.dat"
    times.write_text(
        '# DESCRIPTION: Verilator output\nC "--cc a.v"\n'
        f'S 1 2 3 4 5 6 "unhashed" "../verilator/bin/verilator_bin"\n'
        f'S 1 2 3 4 5 6 "AbC" "/x/{ODD}/a.v"\n'
        'T 1 2 3 4 5 6 "unhashed" "V.cpp"\n'
    )
    assert of_verilator(times) == [
        tmp_path / "../verilator/bin/verilator_bin",
        Path(f"/x/{ODD}/a.v"),
    ]


def test_what_icarus_read(tmp_path: Path) -> None:
    (tmp_path / "reads").write_text(f"a.v\n/x/{ODD}/b.v\n")
    assert of_icarus(tmp_path / "reads") == [tmp_path / "a.v", Path(f"/x/{ODD}/b.v")]


def test_a_tool_that_said_nothing_is_an_error(tmp_path: Path) -> None:
    for read in (of_compiler, of_icarus, of_verilator, of_yosys):
        with pytest.raises(ToolError, match="the files that were read are unknown"):
            read(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(ToolError, match="no rule"):
        of_compiler(tmp_path / "empty")
