"""Hardware with faults that a number switches on: is there a test for every line?

There are two kinds. Mutants: yosys changes single bits inside the netlist of ``accelerator``
(inverted, stuck, or flipped by a neighbour). Their number can be chosen; they are spread evenly
over cells and source lines, and the same seed gives the same ones. Written faults: an expression of
a source file is replaced with a wrong one.

Either way one netlist or one set of sources contains all of them, and the top module gets an input
``mutant_i`` that selects one; 0 selects none. Memories (module ``ram``, and the words of
``image_buffer``) are not changed, because yosys cannot mutate inside them; it can mutate their
ports.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.digital.widths import Hardware, clog2
from ohmbench.eda import verilog
from ohmbench.eda.cache import cache_folder, content_key, keep_text
from ohmbench.eda.hdl import parameters, sources
from ohmbench.eda.tools import TOOLS
from ohmbench.eda.verilog import encoded
from ohmbench.eda.yosys import yosys
from ohmbench.errors import OhmbenchError
from ohmbench.files import read_text

TOP = "accelerator"
CONTROL = "mutant_i"


class MutationError(OhmbenchError):
    """A list of mutants or a written fault does not apply to the sources."""


# ------------------------------------------------------------------------------------------------
# Sources


def without_comments(text: str) -> tuple[str, list[int]]:
    """Verilog without ``//`` comments and blank lines; and the kept lines' numbers in ``text``.

    Names in a netlist contain line numbers. Without comments, a comment may change and a list of
    mutants still applies.
    """
    lines = [(n, line.partition("//")[0].rstrip()) for n, line in enumerate(text.splitlines(), 1)]
    kept = [(n, line) for n, line in lines if line]
    return "".join(f"{line}\n" for _, line in kept), [n for n, _ in kept]


def used_sources(top: str = TOP, files: Sequence[Path] | None = None) -> list[Path]:
    """The files of all modules in ``top``, sorted by name."""
    by_module = {path.stem: path for path in (sources() if files is None else files)}
    if top not in by_module:
        raise MutationError(f"no file {top}.v")
    found, todo = set(), [top]
    while todo:
        module = todo.pop()
        found.add(module)
        (text,) = _texts([by_module[module]]).values()
        todo += [m for m in by_module if m not in found and re.search(rf"\b{m}\s+#?\s*\(", text)]
    return sorted(by_module[module] for module in found)


def source_hash(files: Iterable[Path]) -> str:
    """The hash of the Verilog alone: comments and blank lines do not count."""
    digest = hashlib.sha256()
    for name, text in _texts(files).items():
        digest.update(encoded(f"{name}\0{text}\0"))
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------
# Sources for yosys


def _texts(files: Iterable[Path]) -> dict[str, str]:
    return {name: without_comments(text)[0] for name, text in verilog.texts(tuple(files)).items()}


def _flat(files: Sequence[Path], hardware: Hardware) -> str:
    """A script that makes one flat, word-level ``accelerator`` with the memories beside it."""
    given = " ".join(f"-chparam {k} {v}" for k, v in parameters(hardware).items())
    others = " ".join(path.name for path in files if path.stem != "ram")
    return f"""
        read_verilog -setattr keep_hierarchy ram.v
        read_verilog {others}
        hierarchy -check -top {TOP} {given}
        rename -top {TOP}
        proc
        memory_collect
        flatten
        opt -full
        wreduce
        opt -full
        select {TOP}/t:$mem_v2
        submod -name image_words
        select -clear
        delete {TOP}/t:$scopeinfo
        opt_clean
    """


@dataclass(frozen=True)
class MutantList:
    """Mutants of one set of sources: ``commands[k - 1]`` is the yosys command of mutant ``k``."""

    yosys: str
    sources: str
    seed: int
    hardware: Hardware
    commands: tuple[str, ...]

    def location(self, mutant: int) -> str:
        """The place in the sources, ``file:line``, not counting comments and blank lines."""
        found = re.findall(r"-src (\S+?\.v):(\d+)", self.commands[mutant - 1])
        return ":".join(found[-1]) if found else "between modules"

    def module(self, mutant: int) -> str:
        return self.location(mutant).partition(".")[0]

    def write(self, path: Path) -> None:
        sizes = "-".join(
            map(str, (self.hardware.inputs, self.hardware.hidden, self.hardware.classes))
        )
        head = (
            f"# yosys {self.yosys}\n# sources {self.sources}\n# seed {self.seed}\n"
            f"# hardware {sizes}\n"
        )
        path.write_text(head + "".join(f"{c}\n" for c in self.commands), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> MutantList:
        lines = read_text(path).splitlines()
        head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
        commands = tuple(line for line in lines if line and not line.startswith("#"))
        try:
            sizes = [int(n) for n in head["hardware"].split("-")]
            inputs, hidden, classes = sizes
            return cls(
                head["yosys"],
                head["sources"],
                int(head["seed"]),
                Hardware(inputs, hidden, classes),
                commands,
            )
        except (KeyError, ValueError) as error:
            raise MutationError(f"{path}: not a list of mutants ({error})") from None

    def check_applies(self) -> None:
        """Raise MutationError when the list is for other sources or another yosys."""
        if self.sources != source_hash(used_sources()):
            raise MutationError("the list of mutants is of other sources than hdl/ now holds")
        here = TOOLS["yosys"].version()
        if self.yosys != here:
            raise MutationError(f"the list of mutants is of yosys {self.yosys}, but this is {here}")


def make_list(hardware: Hardware, number: int, seed: int) -> MutantList:
    """``number`` mutants of the current sources, drawn by yosys with ``seed``."""
    files = used_sources()
    script = _flat(files, hardware) + f"mutate -list {number} -seed {seed} -o list.txt {TOP}\n"
    text = yosys(script, _texts(files), ["list.txt"])["list.txt"]
    commands = tuple(
        line.removeprefix("mutate ").replace(f"-module {TOP} ", "") for line in text.splitlines()
    )
    if len(commands) != number:
        raise MutationError(f"yosys gave {len(commands)} of {number} mutants")
    return MutantList(TOOLS["yosys"].version(), source_hash(files), seed, hardware, commands)


def _apply(mutants: MutantList, numbers: Iterable[int]) -> str:
    width = clog2(len(mutants.commands) + 1)
    return "".join(
        f"mutate -ctrl {CONTROL} {width} {k} -module {TOP} {mutants.commands[k - 1]}\n"
        for k in numbers
    )


def netlist(mutants: MutantList, numbers: Sequence[int]) -> Path:
    """Verilog that contains the mutants of these numbers, from the cache or made now (seconds)."""
    mutants.check_applies()
    files = used_sources()
    script = _flat(files, mutants.hardware) + _apply(mutants, numbers)
    script += "opt_clean\nwrite_verilog -noattr netlist.v\n"
    key = content_key(TOOLS["yosys"].version(), script, mutants.sources)
    path = cache_folder() / "mutants" / f"{key}.v"
    if not path.is_file():
        keep_text(path, yosys(script, _texts(files), ["netlist.v"])["netlist.v"])
    return path


# ------------------------------------------------------------------------------------------------
# Mutants that change nothing

_CUT = """
module cut #(parameter WIDTH = 1) (input wire [WIDTH-1:0] D, output wire [WIDTH-1:0] Q);
assign Q = D;
endmodule
"""
_REGISTER_AS_CUT = r"""
module \$dff (CLK, D, Q);
parameter WIDTH = 1;
parameter CLK_POLARITY = 1;
input CLK;
input [WIDTH-1:0] D;
output [WIDTH-1:0] Q;
cut #(.WIDTH(WIDTH)) state (.D(D), .Q(Q));
endmodule
"""
_SAT_TIMEOUT_S = 20
_PROOFS_A_CALL = 10


def prove_no_change(mutants: MutantList, numbers: Sequence[int]) -> set[int]:
    """The mutants that provably change nothing.

    Registers and memories are cut open in both the original and the mutant: their contents become
    inputs, and the values they store become outputs. When a SAT solver finds no contents and no
    inputs for which any output differs, the two are the same in every clock, from any start. A
    mutant that differs only for unreachable contents is not proven.
    """
    mutants.check_applies()
    files = used_sources()
    texts = {**_texts(files), "cut.v": _CUT, "map.v": _REGISTER_AS_CUT}
    width = clog2(len(mutants.commands) + 1)
    proven: set[int] = set()
    for at in range(0, len(numbers), _PROOFS_A_CALL):
        script = _flat(files, mutants.hardware) + "design -save flat\n"
        for k in numbers[at : at + _PROOFS_A_CALL]:
            script += f"""
                design -load flat
                {_apply(mutants, [k])}
                dffunmap
                opt_clean
                read_verilog cut.v
                techmap -map map.v {TOP}
                hierarchy -top {TOP}
                select -assert-none {TOP}/t:$*dff*
                rename -enumerate -pattern state_% {TOP}/t:*cut*
                expose -evert {TOP}
                opt_clean
                copy {TOP} original
                copy {TOP} mutated
                delete -port original/{CONTROL} mutated/{CONTROL}
                cd original
                connect -set {CONTROL} {width}'d0
                cd mutated
                connect -set {CONTROL} {width}'d{k}
                cd ..
                opt_expr original mutated
                opt_clean original mutated
                miter -equiv -flatten original mutated miter
                hierarchy -top miter
                opt_expr miter
                opt_merge miter
                opt_clean miter
                opt_merge miter
                opt_expr -full miter
                opt_clean miter
                tee -a proofs.txt log mutant {k}
                tee -a proofs.txt sat -timeout {_SAT_TIMEOUT_S} -prove trigger 0 miter
            """
        text = yosys(script, texts, ["proofs.txt"])["proofs.txt"]
        for part in re.split(r"^mutant ", text, flags=re.MULTILINE)[1:]:
            number, _, result = part.partition("\n")
            if "SAT proof finished - no model found: SUCCESS!" in result:
                proven.add(int(number))
    return proven


# ------------------------------------------------------------------------------------------------
# Written faults


@dataclass(frozen=True)
class Fault:
    """One wrong expression. ``place`` is a piece of ``file`` that occurs once, with the expression
    in «»; ``wrong`` replaces the expression.

    ``what`` describes the fault in words; ``published`` names the published fault that it
    represents.
    """

    name: str
    file: str
    place: str
    wrong: str
    what: str
    published: str = ""

    def span(self, text: str) -> tuple[int, int]:
        """Place of the expression in the file's text. Raises MutationError unless there once."""
        before, opening, rest = self.place.partition("«")
        expression, closing, after = rest.partition("»")
        if not opening or not closing:
            raise MutationError(f"{self.name}: no «expression» in its place")
        whole = before + expression + after
        if text.count(whole) != 1:
            raise MutationError(
                f"{self.name}: {self.file} has {whole!r} {text.count(whole)} times, not once"
            )
        start = text.index(whole) + len(before)
        return start, start + len(expression)


def plant(faults: Sequence[Fault]) -> list[Path]:
    """Sources with all faults in them; ``mutant_i`` = k switches on ``faults[k - 1]``.

    They are kept in the cache folder by their contents. Raises MutationError when a fault does not
    apply.
    """
    files = used_sources()
    texts = verilog.texts(files)
    width = clog2(len(faults) + 1)
    spans: dict[str, dict[tuple[int, int], list[tuple[int, Fault]]]] = {name: {} for name in texts}
    for k, fault in enumerate(faults, 1):
        if fault.file not in texts:
            raise MutationError(f"{fault.name}: no file {fault.file}")
        spans[fault.file].setdefault(fault.span(texts[fault.file]), []).append((k, fault))
    for name, found in spans.items():
        text, limit = texts[name], len(texts[name])
        for (start, end), here in sorted(found.items(), reverse=True):
            if end > limit:
                raise MutationError(f"{here[0][1].name}: overlaps with another fault")
            choice = f"({text[start:end]})"
            for k, fault in here:
                choice = f"(({TOP}.{CONTROL} == {k}) ? ({fault.wrong}) : {choice})"
            text, limit = text[:start] + choice + text[end:], start
        texts[name] = text
    top = texts[f"{TOP}.v"]
    texts[f"{TOP}.v"] = re.sub(
        r"(input\s+wire\s+clk_i,)", rf"\1\n    input wire [{width - 1}:0] {CONTROL},", top, count=1
    )
    key = content_key(repr(sorted(texts.items())))
    folder = cache_folder() / "faults" / key
    for name, text in texts.items():
        if not (folder / name).is_file():
            keep_text(folder / name, text)
    return [folder / name for name in texts]
