"""Building the site for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BUILD_S = 200


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The strict build of the site of ``root`` into ``folder``: a warning ends it with an error."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=BUILD_S,
        check=False,
    )  # fmt: skip
