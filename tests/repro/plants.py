"""``python -m tests.repro.plants [ID ...]``: plant the fault of each row and see the row turn red.

Rows are planted one after the other, each in a process of its own. What became of them is kept in
``--results FILE``: a row that was seen red with the same fault is not run again, unless ``--again``
says so. The exit status is 1 when a row that ran did not turn red.
"""

import argparse
import sys
import time
from pathlib import Path

from ohmbench.claims.ledger import ClaimStatus, read_ledger
from ohmbench.claims.planting import faulty_text, plant
from ohmbench.claims.running import ClaimsRunError, own_ledger
from ohmbench.files import read_json, write_json


def planted(ledger, row):
    """Whether the row turned red, what there is to say of it, and whether its test ran."""
    try:
        found = plant(ledger, row, show=False)
    except ClaimsRunError as error:
        return False, f"NOT RED: {error}", True
    return found.red, found.text, found.outcome.status is not ClaimStatus.NOT_RUN


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.repro.plants", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="rows of the ledger; default: all")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep the results here")
    parser.add_argument("--again", action="store_true", help="run also what was seen red before")
    given = parser.parse_args(arguments)
    ledger = own_ledger()
    rows = {name: row for name, row in read_ledger(ledger).items() if row.fault is not None}
    for name in given.ids:
        if name not in rows:
            parser.error(f"{ledger} has no claim {name} with a fault")
    chosen = given.ids or list(rows)
    for name in chosen:
        faulty_text(ledger, rows[name])  # all faults fit before the first one is planted
    kept = read_json(given.results) if given.results and given.results.is_file() else {}
    green = 0
    for number, name in enumerate(chosen, 1):
        fault = rows[name].fault.model_dump()
        known = kept.get(name, {})
        if known.get("red") and known["fault"] == fault and not given.again:
            continue
        begun = time.monotonic()
        red, text, ran = planted(ledger, rows[name])
        seconds = round(time.monotonic() - begun, 1)
        print(f"{number}/{len(chosen)} {name}: {text} [{seconds:g} s]", flush=True)
        green += ran and not red
        kept[name] = {"red": red, "text": text, "seconds": seconds, "fault": fault}
        if given.results:
            write_json(given.results, kept, overwrite=True)
    return 1 if green else 0


if __name__ == "__main__":
    sys.exit(main())
