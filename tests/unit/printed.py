"""What reads the tables that commands print."""

from __future__ import annotations


def tables(out: str) -> list[list[dict[str, str]]]:
    """The tables of a text, each a list of rows, by the words above their columns."""
    found: list[list[dict[str, str]]] = []
    headers: list[str] = []
    for line in out.splitlines():
        mark = line[:1]
        cells = [cell.strip() for cell in line.strip(mark).split(mark)] if mark in "┃│" else []
        if mark == "┏":
            found.append([])
            headers = []
        elif mark == "┃" and cells:
            lines = zip(headers or [""] * len(cells), cells, strict=True)
            headers = [" ".join(filter(None, pair)) for pair in lines]
        elif mark == "│" and cells:
            assert len(cells) == len(headers), line
            found[-1].append(dict(zip(headers, cells, strict=True)))
    return found


def column(rows: list[dict[str, str]], header: str) -> list[str]:
    return [row[header] for row in rows]


def by_name(rows: list[dict[str, str]]) -> dict[str, str]:
    """A table of two columns: names and values."""
    return dict(tuple(row.values()) for row in rows)  # type: ignore[misc]
