"""``fetch_source``: every file of a source that is not there yet, checked before it is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ohmbench.errors import FileError, OhmbenchError
from ohmbench.fetching.git import GitOrigin
from ohmbench.fetching.origins import Origin, OriginError, Patience, host_of
from ohmbench.fetching.sources import PATH, SOURCES, Published, Source
from ohmbench.fetching.web import WebOrigin
from ohmbench.files import check_writable, only_writer, sha256_file, write_bytes

_NAMED = re.compile(r"([a-z][a-z0-9-]*)=(.+)", re.DOTALL)
_WEB = ("http://", "https://")
_GIT = "git+"
_CACHE_REMEDY = "set OHMBENCH_CACHE to a folder that can be written"


class FetchError(OhmbenchError):
    """Sources whose files cannot be had: why, and what to put where instead.

    Attributes: ``sources``, ``folder`` (of all that is fetched), ``reasons``.
    """

    def __init__(
        self, sources: Sequence[Source], folder: Path, reasons: Sequence[OriginError]
    ) -> None:
        self.sources, self.folder, self.reasons = tuple(sources), folder, tuple(reasons)
        titles = " and ".join(source.title for source in sources)
        by_hand = "; ".join(source.by_hand(str(folder / source.folder)) for source in sources)
        super().__init__(f"{titles}: {self.said}; name a mirror by --from, or {by_hand}")

    @property
    def said(self) -> str:
        """Why: each reason once, with those for which it holds."""
        where: dict[str, dict[str, None]] = {}
        for error in self.reasons:
            where.setdefault(error.reason, {})[error.where] = None
        return "; ".join(f"{', '.join(them)}: {reason}" for reason, them in where.items())

    @classmethod
    def of_all(cls, errors: Sequence[FetchError]) -> FetchError:
        """One error in the place of several."""
        sources = [source for error in errors for source in error.sources]
        return cls(sources, errors[0].folder, [one for error in errors for one in error.reasons])


@dataclass(frozen=True)
class Fetched:
    """What ``fetch_source`` did: the files that came, how many bytes, and from where."""

    files: tuple[Published, ...]
    size: int
    where: str = ""


def usual_origins(source: Source) -> list[Origin]:
    """Where the files of ``source`` are published: plain files over https first, then git."""
    origins: list[Origin] = [WebOrigin(url) for url in source.web_urls]
    return [*origins, GitOrigin(source.git_url, source.commit)] if source.git_url else origins


def named_mirrors(texts: Sequence[str], sources: Sequence[Source]) -> dict[str, list[Origin]]:
    """The mirrors in ``NAME=URL`` (``NAME=`` is needed where there are several ``sources``).

    An http(s) URL is a folder with the files as they are published, or a git repository where it
    ends in ``.git`` or begins with ``git+``. Everything else is a git repository. Raises
    OhmbenchError for what is none of these, or for nobody.
    """
    names = [source.name for source in sources]
    found: dict[str, list[Origin]] = {}
    for text in texts:
        match = _NAMED.fullmatch(text)
        if match is None and len(names) != 1:
            raise OhmbenchError(
                f"--from {text}: does not say for which source; write --from NAME={text}, where "
                f"NAME is one of {', '.join(names)}"
            )
        name, url = (names[0], text) if match is None else match.groups()
        if name not in names:
            raise OhmbenchError(
                f"--from {text}: {name} is not fetched; name one of {', '.join(names)}"
            )
        found.setdefault(name, []).append(_mirror(SOURCES[name], url))
    return found


def _mirror(source: Source, url: str) -> Origin:
    if url.startswith(_WEB) and not url.endswith(".git"):
        return WebOrigin(f"{url.rstrip('/')}/{PATH}")
    if not source.commit:
        raise OhmbenchError(
            f"--from {url}: {source.title} is not in a git repository; name the folder at an "
            "http(s) URL that holds its files"
        )
    return GitOrigin(url.removeprefix(_GIT), source.commit)


def is_there(folder: Path, file: Published) -> bool:
    """Whether the file is there and is what was published."""
    path = folder / file.target
    try:
        return path.is_file() and sha256_file(path) == file.sha256
    except FileError:  # it cannot be read: then it is of no use
        return False


def fetch_source(
    source: Source,
    root: Path,
    origins: Sequence[Origin],
    *,
    patience: Patience,
    silent: dict[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Fetched:
    """Get the files of ``source`` that are not in its folder below ``root``, from ``origins``.

    An origin that fails is followed by the next, for what is left. ``silent`` says of hosts why
    they need not be asked, and hosts that turn out not to answer are added to it. A file gets its
    name when it is whole and its SHA-256 is right; until then what is there stays. Another process
    that fetches the same is waited for.

    Raises FetchError where no origin has a file, FileError where the folder cannot be written.
    """
    folder, parts = root / source.folder, root / "partial"
    silent = {} if silent is None else silent
    if all(is_there(folder, file) for file in source.files):
        return Fetched((), 0)
    with only_writer(folder, wait=True):
        lacking = [file for file in source.files if not is_there(folder, file)]
        if not lacking:
            return Fetched((), 0)
        _make_folders(parts, *((folder / file.target).parent for file in lacking))
        _check_writable(folder / lacking[0].target)
        came = list[Published]()
        size = 0
        errors = list[OriginError]()
        for origin in origins:
            host = host_of(origin.probed)
            if host in silent:
                errors.append(OriginError(host, silent[host]))
                continue
            try:
                with origin.opened(patience, advance) as read:
                    while lacking:
                        file, part = lacking[0], parts / lacking[0].sha256
                        size += _keep(folder / file.target, file, read(file, part), origin.where)
                        part.unlink(missing_ok=True)
                        came.append(lacking.pop(0))
            except OriginError as error:
                errors.append(error)
                if error.silent:
                    silent[host] = error.reason
            except OSError as error:  # of the part, which the cache does not take
                name, reason = error.filename or parts, error.strerror or str(error)
                raise FileError(name, reason, remedy=_CACHE_REMEDY) from None
            else:
                with suppress(OSError):  # others are at work in it
                    parts.rmdir()
                return Fetched(tuple(came), size, origin.where)
        raise FetchError([source], root, errors)


def _keep(path: Path, file: Published, data: bytes, where: str) -> int:
    """Write the file where it belongs, if it is what was published."""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise OriginError(
            f"{where}: {file.path}", "is not the published file: its SHA-256 is another"
        )
    try:
        write_bytes(path, data, overwrite=True)
    except FileError as error:
        raise FileError(path, error.reason, remedy=_CACHE_REMEDY) from None
    return len(data)


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(
                folder, f"cannot be made: {error.strerror}", remedy=_CACHE_REMEDY
            ) from None


def _check_writable(path: Path) -> None:
    try:
        check_writable(path, overwrite=True)
    except FileError as error:
        raise FileError(path, error.reason, remedy=_CACHE_REMEDY) from None
