"""What the papers and others published and ``ohmbench fetch`` gets: tables, copies, transfers.

``sources`` says which files there are, from where, with which SHA-256. ``copies`` finds and checks
those that were fetched; all that reads such files asks it. ``web`` and ``git`` are the two ways to
a file, ``reach`` asks which hosts answer at all, and ``getting`` puts it together.
"""

from ohmbench.fetching.copies import (
    check_copy,
    fetched_folder,
    fetched_root,
    is_copy,
    model_file,
)

__all__ = [
    "check_copy",
    "fetched_folder",
    "fetched_root",
    "is_copy",
    "model_file",
]
