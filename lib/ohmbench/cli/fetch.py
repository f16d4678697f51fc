"""``ohmbench fetch``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ohmbench.fetching.getting import Fetched, FetchError
    from ohmbench.fetching.origins import Origin, Patience
    from ohmbench.fetching.sources import Source


def fetch(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[papers|mnist|housing|models|all]...",
            help="What to fetch.",
            show_default=False,
        ),
    ] = None,
    mirrors: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="[NAME=]URL",
            help="A mirror to use in the place of the public servers: an http(s) folder with the "
            "files as they are published, or a git repository (a URL that ends in .git or begins "
            "with git+, or a local folder). NAME is a source in --list; it may be left out where "
            "one source is fetched. Several are tried in their order.",
        ),
    ] = None,
    list_only: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Only show what would be fetched, from where, into which folder, and what is "
            "there already.",
        ),
    ] = False,
    if_possible: Annotated[
        bool,
        typer.Option(
            "--if-possible",
            help="Skip what an environment variable names or OHMBENCH_DATA holds, wait no more "
            "than seconds for a network, and exit with status 0 without one.",
        ),
    ] = False,
) -> None:
    """Fetch the papers' files, data sets and published networks.

    papers: the trained files of the FANN and KirchhoffNet papers, from their public repositories
    at a fixed commit. mnist, housing: data sets that some networks are judged on. models: integer
    networks that others published. all: all of these, about 20 MB.

    Every file is checked by its SHA-256 before it gets its name, and kept in the folder fetched/
    of the cache (OHMBENCH_CACHE). All commands find it there afterwards; folders that you name by
    an option or a variable (OHMBENCH_PAPER_FANN, OHMBENCH_PAPER_KIRCHHOFFNET, OHMBENCH_DATA,
    OHMBENCH_MODELS) still come first. Files that are there and whole are not fetched again, and a
    transfer that was cut off goes on where it ended.

    Without a network, put the same files into the folders that --list shows.

    Example: ohmbench fetch papers mnist
    """
    from ohmbench.cli.common import say, told
    from ohmbench.errors import OhmbenchError
    from ohmbench.fetching.copies import fetched_root
    from ohmbench.fetching.getting import FetchError, named_mirrors, usual_origins
    from ohmbench.fetching.origins import Patience

    sources = _sources(targets or (["all"] if list_only else []))
    mirrored = named_mirrors(mirrors or (), sources)
    origins = {
        source.name: mirrored.get(source.name) or usual_origins(source) for source in sources
    }
    if list_only:
        _show(sources, origins)
        return
    if if_possible:
        sources = [source for source in sources if not _is_given(source)]
    patience = Patience(connect_s=3, silence_s=5) if if_possible else Patience()
    try:
        done, errors = _fetch_all(sources, origins, patience)
    except OhmbenchError as error:
        if not if_possible:
            raise
        told(f"nothing more was fetched: {error}", 0)
        return
    for source, result in done:
        if result.files or not if_possible:
            say(_line(source, result))
    if errors:
        failure = FetchError.of_all(errors)
        if not if_possible:
            raise failure
        titles = ", ".join(source.title for source in failure.sources)
        told(f"not fetched: {titles} ({failure.said}); going on without", 0)
    elif if_possible and not any(result.files for _, result in done):
        say(f"nothing to fetch: what is needed is given by variables or in {fetched_root()}")


def _sources(targets: Sequence[str]) -> list[Source]:
    """The sources of these targets (or of that name), each once, in the order of the tables."""
    from ohmbench.errors import OhmbenchError
    from ohmbench.fetching.sources import SOURCES, TARGETS

    if not targets:
        raise OhmbenchError(f"fetch: nothing named; name one or more of {', '.join(TARGETS)}")
    wanted: set[str] = set()
    for target in targets:
        if target not in TARGETS and target not in SOURCES:
            raise OhmbenchError(f"{target}: cannot be fetched; name one of {', '.join(TARGETS)}")
        wanted.update(TARGETS.get(target, (target,)))
    return [source for name, source in SOURCES.items() if name in wanted]


def _is_given(source: Source) -> bool:
    """Whether the user's own folder makes a fetched copy needless."""
    from ohmbench.fetching.sources import HOUSING, MNIST
    from ohmbench.needs import NEEDS

    if not os.environ.get(source.variable):
        return False
    if source not in (MNIST, HOUSING):  # a folder that is named comes first, whatever it holds
        return True
    return NEEDS[source.name].look().where is not None


def _fetch_all(
    sources: Sequence[Source], origins: dict[str, list[Origin]], patience: Patience
) -> tuple[list[tuple[Source, Fetched]], list[FetchError]]:
    """What came of each source, and the errors of the others."""
    from ohmbench.fetching.copies import fetched_root
    from ohmbench.fetching.getting import FetchError, fetch_source, is_there
    from ohmbench.fetching.origins import host_of
    from ohmbench.fetching.reach import unreachable
    from ohmbench.progress import bytes_counted

    root = fetched_root()
    lacking = {
        source.name: [f for f in source.files if not is_there(root / source.folder, f)]
        for source in sources
    }
    asked = (one.probed for s in sources if lacking[s.name] for one in origins[s.name])
    reasons = unreachable(filter(None, asked), patience.connect_s)
    silent = {host_of(url): reason for url, reason in reasons.items()}
    done, errors = [], []
    for source in sources:
        sizes = [file.size for file in lacking[source.name]]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        try:
            with bytes_counted(source.title, total) as advance:
                result = fetch_source(
                    source,
                    root,
                    origins[source.name],
                    patience=patience,
                    silent=silent,
                    advance=advance,
                )
        except FetchError as error:
            errors.append(error)
        else:
            done.append((source, result))
    return done, errors


def _line(source: Source, result: Fetched) -> str:
    """What was done for a source."""
    from ohmbench.fetching.copies import fetched_root

    folder = fetched_root() / source.folder
    if result.files:
        number = "1 file" if len(result.files) == 1 else f"{len(result.files)} files"
        done = f"{number}, {result.size / 1e6:.2f} MB, fetched from {result.where} into {folder}"
    else:
        done = f"already in {folder}"
    comes_first = f" ({source.variable} is set and comes first)"
    return f"{source.title}: {done}" + comes_first * bool(os.environ.get(source.variable))


def _show(sources: Sequence[Source], origins: dict[str, list[Origin]]) -> None:
    """Each source: how large it is, from where it comes, into which folder, and what is missing."""
    from ohmbench.cli.common import say
    from ohmbench.fetching.copies import fetched_root
    from ohmbench.fetching.getting import is_there

    root = fetched_root()
    for source in sources:
        folder = root / source.folder
        sizes = [file.size for file in source.files]
        known = sum(size or 0 for size in sizes) / 1e6
        size = f"{known:.2f} MB" if None not in sizes else f"more than {known:.2f} MB"
        missing = [file.target for file in source.files if not is_there(folder, file)]
        there = f"{len(source.files) - len(missing)} of {len(source.files)} files there"
        say(f"{source.name}: {source.title}, {size * bool(known) or 'of unknown size'}, {there}")
        for k, origin in enumerate(origins[source.name]):
            say(f"    {'or' if k else 'from':4} {origin.where}")
        say(f"    into {folder}")
        for target in missing:
            say(f"    lacks {target}")
