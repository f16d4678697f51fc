"""Bitwuzla as a program that speaks SMT-LIB on its standard streams, as smtbmc wants it.

The Python package has no program, and its parser neither reads a pipe command by command nor keeps
its push levels from one call to the next. So the commands are kept here, and every ``(check-sat)``
is a new problem for a new solver; ``(get-...)`` asks the last one.

Run by its path, not as a module: it must start fast, so nothing of ohmbench is imported.
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
    since: list[str] = []  # definitions since the last (check-sat), for what is asked afterwards
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
