"""Files from a web server: what came before a connection broke is kept, and the rest asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import requests
from pooch import HTTPDownloader

from ohmbench.fetching.origins import MAX_BYTES, OriginError, Patience, Read
from ohmbench.fetching.sources import PATH, Published
from ohmbench.files import read_bytes

_CHUNK = 1 << 14
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class WebOrigin:
    """A server whose URL of a file is ``url`` with the path in the place of ``PATH``."""

    url: str

    @property
    def where(self) -> str:
        """The URL up to the path."""
        return self.url.partition(PATH)[0]

    @property
    def probed(self) -> str:
        """The URL: whoever answers there also has the files."""
        return self.url

    @contextmanager
    def opened(self, patience: Patience, advance: Callable[[int], None]) -> Iterator[Read]:
        """As ``Origin.opened``."""
        yield lambda file, part: self._read(file, part, patience, advance)

    def _read(
        self, file: Published, part: Path, patience: Patience, advance: Callable[[int], None]
    ) -> bytes:
        url = self.url.replace(PATH, quote(file.path))
        while True:
            before = part.stat().st_size if part.exists() else 0
            if not before or _sha256(part) != file.sha256:
                _transfer(url, part, before, file.size or MAX_BYTES, patience, advance)
            data = read_bytes(part)
            if hashlib.sha256(data).hexdigest() == file.sha256:
                return data
            if file.size is not None and len(data) < file.size:
                raise OriginError(url, f"sent {len(data)} of {file.size} bytes")
            part.unlink()
            if not before:
                raise OriginError(url, "is not the published file: its SHA-256 is another")
            # Its beginning came from elsewhere: once more from the start.


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()


class _Restart(Exception):
    """The server does not go on where the part ends that is there."""


class _Sink:
    """The file into which pooch writes: it counts, and takes no more than ``limit`` bytes."""

    def __init__(self, url: str, file: BinaryIO, limit: int, advance: Callable[[int], None]):
        self.url, self.file, self.limit, self.advance = url, file, limit, advance
        self.responses: list[requests.Response] = []

    def begin(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Look at the head of an answer before its content is written."""
        self.responses.append(response)
        if response.is_redirect or not response.ok:
            if response.status_code == _RANGE_NOT_SATISFIABLE and self.file.tell():
                raise _Restart
            return
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise OriginError(self.url, "answers with a web page in the place of the file")
        have = self.file.tell()
        if response.status_code != 206:  # a server without ranges sends all of it
            self.file.truncate(0)
            self.file.seek(0)
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            if have:
                raise _Restart
            raise OriginError(self.url, "answers with a part of the file that nobody asked for")

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        if self.file.tell() + len(data) > self.limit:
            self.file.truncate(0)
            raise OriginError(self.url, f"sends more than the {self.limit} bytes of the file")
        self.file.write(data)
        self.advance(len(data))

    def close(self) -> None:
        """Close the connections, however far they came."""
        for response in self.responses:
            response.close()

    def flush(self) -> None:
        """Hand what was written to the system, so that it outlives this process."""
        self.file.flush()


def _transfer(
    url: str,
    part: Path,
    before: int,
    limit: int,
    patience: Patience,
    advance: Callable[[int], None],
) -> None:
    """Bring the file ``part``, of ``before`` bytes, up to what is at ``url``."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "ohmbench"}
    if before:
        headers["Range"] = f"bytes={before}-"
    with open(part, "r+b" if before else "wb") as file:
        file.seek(before)
        sink = _Sink(url, file, limit, advance)
        download = HTTPDownloader(
            chunk_size=_CHUNK,
            timeout=(patience.connect_s, patience.silence_s),
            headers=headers,
            hooks={"response": sink.begin},
        )
        try:
            download(url, sink, None)
            return
        except requests.RequestException as error:
            reason = _reason(error, patience, file.tell())
            silent = isinstance(error, requests.ConnectTimeout | requests.ReadTimeout)
            raise OriginError(url, reason, silent=silent) from None
        except _Restart:
            file.truncate(0)
        finally:
            sink.close()
    _transfer(url, part, 0, limit, patience, advance)


def _reason(error: requests.RequestException, patience: Patience, had: int) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answers {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        limit = patience.connect_s if isinstance(error, requests.ConnectTimeout) else None
        return f"no answer within {limit or patience.silence_s:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not accepted ({_innermost(error)})"
    if had:
        return f"the connection ended after {had} bytes; run the same command again to go on"
    return _innermost(error)


def _cause(error: BaseException) -> BaseException:
    """The first exception of a chain of exceptions that carry each other."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _cause(inner) if isinstance(inner, BaseException) else error


def _innermost(error: BaseException) -> str:
    cause = _cause(error)
    return str(cause).rpartition(": ")[2] or type(cause).__name__
