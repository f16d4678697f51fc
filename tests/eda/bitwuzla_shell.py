"""Bitwuzla as a program that reads SMT-LIB on standard input, as smtbmc requires.

The Python package has no program, and its parser neither reads a pipe command by command nor keeps
its push levels from one call to the next. So the commands are kept here, every ``(check-sat)`` is a
new problem for a new solver, and ``(get-...)`` asks the last one. Run it by its path, not as a
module: it must start fast, so it imports nothing of ohmbench.
"""

from __future__ import annotations

import sys


def main() -> None:
    from bitwuzla import (  # type: ignore[import-not-found]
        Option,
        Options,
        Parser,
        TermManager,
    )

    levels: list[list[str]] = [[]]
    solver = None
    since: list[str] = []  # definitions since the last (check-sat), for later queries
    for line in sys.stdin:
        command = line.split(None, 1)[0] if line.strip() else ""
        if command == "(push":
            levels.append([])
        elif command == "(pop":
            levels.pop()
        elif command == "(exit)":
            return
        elif command == "(check-sat)":
            options = Options()
            options.set(Option.PRODUCE_MODELS, True)
            solver = Parser(TermManager(), options)
            solver.parse("".join(map("".join, levels)) + line, False, False)
            since = []
        elif command.startswith("(get-"):
            if solver is None:
                raise SystemExit(f"{command} before (check-sat)")
            solver.parse("".join(since) + line, False, False)
            since = []
        else:
            levels[-1].append(line)
            if command in ("(define-fun", "(declare-fun"):
                since.append(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
