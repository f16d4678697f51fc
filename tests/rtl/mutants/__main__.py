"""``python -m tests.rtl.mutants``: a new list of mutants for the sources as they are (minutes)."""

from __future__ import annotations

from ohmbench.digital.widths import Hardware
from tests.eda.mutation import make_list, prove_no_change

from . import (
    LIST,
    NUMBER,
    PROVEN,
    SEED,
    SURVIVORS,
    Survivor,
    describe,
    hunt,
    rates,
    read_survivors,
    write_survivors,
)


def main() -> None:
    reasons = {}
    if SURVIVORS.is_file():
        reasons = {s.where: s.reason for s in read_survivors().values() if s.reason != PROVEN}
    mutants = make_list(Hardware(64, 100, 10), NUMBER, SEED)
    killers = hunt(mutants, range(1, NUMBER + 1))
    alive = [k for k, killer in killers.items() if killer is None]
    proven = prove_no_change(mutants, alive)
    survivors = [
        Survivor(k, where, PROVEN if k in proven else reasons.get(where, "?"))
        for k in alive
        for where in [describe(mutants, k)]
    ]
    mutants.write(LIST)
    write_survivors(survivors)
    print(rates(mutants, killers))
    print(f"{len(alive)} survive, {len(proven)} of them proven to change nothing")
    for each in survivors:
        if each.reason == "?":
            where = f"{each.mutant} ({mutants.location(each.mutant)}): {each.where}"
            print(f"{where}: kill it, or say why")


if __name__ == "__main__":
    main()
