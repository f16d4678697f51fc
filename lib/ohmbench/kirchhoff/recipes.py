"""This project's own configurations, under the names that ``ohmbench train`` accepts."""

from __future__ import annotations

from ohmbench.constants import CONFIG_NAMES, CONFIGS_FOLDER
from ohmbench.errors import OperandError
from ohmbench.kirchhoff.configuration import Config, read_config


def own_config(name: str) -> Config:
    """The configuration called ``name``. Raises OperandError for an unknown name."""
    if name not in CONFIG_NAMES:
        raise OperandError(
            f"unknown configuration {name!r}; choose one of {', '.join(CONFIG_NAMES)}"
        )
    return read_config(CONFIGS_FOLDER / f"{name}.yaml")


def name_of(config: Config) -> str | None:
    """The name whose configuration equals ``config``, or None."""
    return next((name for name in CONFIG_NAMES if own_config(name) == config), None)
