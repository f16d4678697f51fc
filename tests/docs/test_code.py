"""The code in the pages runs, and prints what the pages say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .fences import RUN, FenceError, blocks, commands
from .outputs import difference
from .pages import name, pages
from .running import Commands, run_page

GUIDE = "docs/kirchhoff.md"
"""It is run by ``test_guide``, which also judges what it computes."""


@pytest.fixture(scope="module")
def runner() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


def has_code(page: Path) -> bool:
    return any(block.language in RUN for block in blocks(page.read_text(encoding="utf-8")))


WITH_CODE = [page for page in pages() if has_code(page) and name(page) != GUIDE]


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_page(page: Path, tmp_path: Path, runner: Commands, report: Callable[[str], None]) -> None:
    ran = run_page(page.read_text(encoding="utf-8"), tmp_path, runner, name(page))
    for line in ran.not_run:
        report(f"not run: {line}")
    assert not ran.faults, "\n".join(ran.faults)


# ------------------------------------------------------------------------------------------------
# A fault in a page is found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\n1 / 0\n```", "ZeroDivisionError"),
        ("```python\nx = 1\n```\n\n```python\nprint(y)\n```", "NameError"),
        ("```python\nprint(1)\n```\n\n```output\n2\n```", "+1"),
        ("```console\n$ echo 1\n2\n```", "+1"),
        ("```console\n$ echo 1\n1\n2\n```", "-2"),
        ("```console\n$ printf '1\\n2\\n'\n1\n```", "+2"),
        ("```console\n$ false\n```", "exit status 1, not 0"),
        ("```console\n$ false\n$ true\n```", "exit status 1, not 0"),
        ("<!-- exit status 1 -->\n```console\n$ true\n```", "exit status 0, not 1"),
        ("```sh\nfalse\n```", "exit status 1, not 0"),
        ("```console\n$ ohmbench --nonsense\n```", "exit status 2, not 0"),
        ("```console\n$ ohmbench --version\nohmbench 0.0.0\n```", "-ohmbench 0.0.0"),
        ("<!-- numbers within 10 % -->\n```console\n$ echo 1.2\n1\n```", "+1.2"),
        ("<!-- numbers within -->\n```console\n$ true\n```", "means nothing"),
        ("<!-- not run: too slow -->\n```yaml\na: 1\n```", "is not run anyway"),
        ("```console\ntrue\n```", "without '$ '"),
        ("```console\n1\n$ true\n```", "before the first command"),
        ("```console\n$ true\n", "without its end"),
        ("```python\nprint(open('a.txt').read())\n```", "FileNotFoundError"),
    ],
)
def test_a_fault_is_found(text: str, fault: str, tmp_path: Path, runner: Commands) -> None:
    ran = run_page(f"# A page\n\n{text}\n", tmp_path, runner)
    (found,) = ran.faults
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```output\n1\n```",
        "```python\nprint('a  ')\nprint(2)\n```\n\n```output\n...\n2\n```",
        "```console\n$ echo 1\n1\n\n$ echo 2 # a comment\n2\n```",
        "```console\n$ echo 1 \\\n>   2\n1 2\n```",
        "```console\n$ printf '1\\n2\\n3\\n'\n1\n...\n```",
        "```console\n$ echo prints what it likes\n```",
        "<!-- exit status 1 -->\n```console\n$ false\n```",
        "<!-- numbers within 10 % -->\n```console\n$ echo a 1.05 b\na 1 b\n```",
        "```sh\n# a comment\ntrue\n```",
        "```yaml title=\"a.yaml\"\nb: 1\n```\n\n```console\n$ cat a.yaml\nb: 1\n```",
        "- a list\n\n    ```python\n    x = [\n        1,\n    ]\n    ```",
        "```console\n$ echo 1 > a\n```\n\n```python\nassert open('a').read() == '1\\n'\n```",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_what_is_right_is_not_found(text: str, tmp_path: Path, runner: Commands) -> None:
    ran = run_page(f"# A page\n\n{text}\n", tmp_path, runner)
    assert ran.faults == []
    assert ran.ran > 0


def test_what_does_not_run_is_listed(tmp_path: Path, runner: Commands) -> None:
    text = "<!-- not run: too slow -->\n```python\n1 / 0\n```\n"
    ran = run_page(text, tmp_path, runner)
    assert (ran.ran, ran.faults, ran.not_run) == (0, [], ["page:2: too slow"])


def test_a_block_that_needs_what_is_missing(
    tmp_path: Path, runner: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OHMBENCH_PAPER_FANN", raising=False)
    ran = run_page("<!-- needs: paper-fann -->\n```python\n1 / 0\n```\n", tmp_path, runner)
    assert ran.faults == []
    assert "paper-fann" in ran.not_run[0]


def test_commands_see_the_environment(tmp_path: Path, runner: Commands) -> None:
    """One width for all tables, and the folder of the page."""
    text = "```console\n$ echo $COLUMNS $NO_COLOR $(basename $PWD)\n100 1 " + tmp_path.name
    assert run_page(f"{text}\n```\n", tmp_path, runner).faults == []


# ------------------------------------------------------------------------------------------------
# Comparing


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("a", "a  "),
        ("a ... c", "a b c"),
        ("...", ""),
        ("...\nb", "a\na\nb"),
        ("a\n...\nb\n...", "a\nx\ny\nb\nb"),
    ],
)
def test_same(said: str, printed: str) -> None:
    assert difference(said.split("\n"), printed.split("\n")) is None


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("a", "b"),
        ("a", " a"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("...\nb", "a"),
        ("a ... c", "a b d"),
        ("a\n...\nb", "a\nb\nc"),
        ("a.c", "abc"),
        ("1", "1.0"),
    ],
)
def test_different(said: str, printed: str) -> None:
    assert difference(said.split("\n"), printed.split("\n")) is not None


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("1.00", "1.09", True),
        ("1.00", "1.11", False),
        ("-2", "-2.1", True),
        ("-2", "2", False),
        ("0", "0", True),
        ("0", "0.001", False),
        ("│ 1e-5   │", "│ 1.05e-05 │", True),
        ("┏━━━┓", "┏━━━━━┓", True),
        ("a 1 b", "c 1 b", False),
        ("1 2", "1", False),
        ("layer1", "layer2", False),
        ("1 ... 2", "1.01 and more 2.01", True),
    ],
)
def test_numbers_within_ten_percent(said: str, printed: str, same: bool) -> None:
    assert (difference([said], [printed], 0.1) is None) is same


def test_a_command_goes_on_in_the_next_line() -> None:
    (block,) = blocks("```console\n$ a \\\n    --b\nc\n\n$ d\n```\n")
    assert [(c.text, c.printed) for c in commands(block)] == [("a --b", ("c",)), ("d", ())]


def test_a_fence_in_a_fence_is_text() -> None:
    (block,) = blocks("````text\n```python\n1 / 0\n```\n````\n")
    assert block.language == "text"


def test_an_unknown_comment_is_refused() -> None:
    with pytest.raises(FenceError, match="means nothing"):
        blocks("<!-- no run: a slip -->\n```python\n1\n```\n")
