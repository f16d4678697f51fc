"""tox plugin: all environments share one virtual environment, so that torch is installed once.

tox gives every environment a folder of its own and throws the folder away when it finds another
environment's name in it. This runner records one common name instead; everything else, such as
reinstalling when the dependencies change, is tox's own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class SharedInfo(Info):
    """What tox remembers of the folder, without the name of the environment that asks."""

    @contextmanager
    def compare(
        self, value: Any, section: str, sub_section: str | None = None
    ) -> Generator[tuple[bool, Any], None, None]:
        if isinstance(value, dict) and "name" in value:
            value = {**value, "name": "shared"}
        with super().compare(value, section, sub_section) as found:
            yield found


class SharedVirtualEnv(VirtualEnvRunner):
    """The virtualenv runner over a common ``env_dir``."""

    @staticmethod
    def id() -> str:
        return "shared-virtualenv"

    @property
    def cache(self) -> Info:
        return SharedInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    register.add_run_env(SharedVirtualEnv)
