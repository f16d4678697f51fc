"""Which hosts answer at all: asked together and before any work, so that no network is no wait."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

_PORTS = {"http": 80, "https": 443, "git": 9418}


def _endpoint(url: str) -> tuple[str, int] | None:
    """Host and port to which ``url`` connects: its own, or those of the proxy that is set.

    None for what is not looked into here, such as a folder or ssh.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
            if proxy:
                parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        port = parts.port or _PORTS.get(parts.scheme)
        return None if parts.hostname is None or port is None else (parts.hostname, port)
    except ValueError:  # the transfer says what is wrong with it
        return None


def unreachable(urls: Iterable[str], within_s: float) -> dict[str, str]:
    """Why no connection can be made: URL -> reason, of those ``urls`` for which it is so.

    Name servers that do not answer would hold up a connection for longer than its time limit; here
    nothing takes longer than ``within_s`` seconds, however many hosts there are.
    """
    endpoints = {url: _endpoint(url) for url in urls}
    reasons = dict.fromkeys(endpoints.values(), f"no answer within {within_s:g} s")

    def ask(endpoint: tuple[str, int]) -> None:
        try:
            socket.create_connection(endpoint, timeout=within_s).close()
        except socket.gaierror:
            reasons[endpoint] = "the host name is not known"
        except TimeoutError:
            pass
        except (OSError, UnicodeError) as error:
            reasons[endpoint] = getattr(error, "strerror", None) or str(error)
        else:
            reasons[endpoint] = ""

    asked = {endpoint for endpoint in endpoints.values() if endpoint is not None}
    # Daemons: one that waits for a name server must not keep the process alive.
    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in asked]
    for thread in threads:
        thread.start()
    end = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {url: reasons[e] for url, e in endpoints.items() if e is not None and reasons[e]}
