"""This project's own configurations, under the names that ``ohmbench train`` accepts."""

from __future__ import annotations

from pathlib import Path

from ohmbench.errors import OperandError
from ohmbench.kirchhoff.configuration import Config, read_config

_FOLDER = Path(__file__).parent / "configs"


CONFIG_NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Names of the configurations that come with ohmbench: the stems of ``configs/*.yaml``."""


def own_config(name: str) -> Config:
    """The configuration called ``name``. Raises OperandError for an unknown name."""
    if name not in CONFIG_NAMES:
        raise OperandError(
            f"unknown configuration {name!r}; choose one of {', '.join(CONFIG_NAMES)}"
        )
    return read_config(_FOLDER / f"{name}.yaml")


def name_of(config: Config) -> str | None:
    """The name whose configuration equals ``config``, or None."""
    return next((name for name in CONFIG_NAMES if own_config(name) == config), None)
