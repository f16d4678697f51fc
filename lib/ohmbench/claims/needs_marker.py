"""A pytest plugin: ``@pytest.mark.needs("name")`` skips a test where a tool or file is missing.

The names are those of ``ohmbench.needs``. Load it with ``-p ohmbench.claims.needs_marker`` or in a
conftest's ``pytest_plugins``. The skip always says what is missing and how to get it, and
``--require-tools`` turns the skips into failures.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest's hook: ``--require-tools``."""
    parser.getgroup("claims").addoption(
        "--require-tools",
        action="store_true",
        help="a missing tool or file fails the tests that need it instead of skipping them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """pytest's hook: the marker ``needs``."""
    config.addinivalue_line(
        "markers",
        "needs(name, ...): skips with a reason where a tool or file of that name is missing",
    )


def pytest_report_header() -> list[str]:
    """pytest's hook: the tools with their versions, and a line for each need that is missing."""
    from ohmbench.needs import NEEDS, skip_reason

    tools = [
        f"{need.name} {need.version()}"
        for need in NEEDS.values()
        if need.version is not None and skip_reason(need.name) is None
    ]
    lines = ["tools: " + ", ".join(tools)] if tools else []
    return lines + [reason for name in NEEDS if (reason := skip_reason(name))]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """pytest's hook: skips, or fails under ``--require-tools``, where a need is missing."""
    for marker in item.iter_markers("needs"):
        from ohmbench.needs import skip_reason  # imports torch: only where a test needs something

        for name in marker.args:
            reason = skip_reason(name)
            if reason is None:
                continue
            if item.config.getoption("--require-tools"):
                pytest.fail(f"--require-tools: {reason}", pytrace=False)
            pytest.skip(reason)
