"""The one place through which ohmbench reads files from strangers and saves results.

Reading: everything that can be checked is checked before the data are touched (kind of file, size,
archive directory, array headers against a schema). Inflation never goes past what a checked header
promises, nothing in a file is ever executed, and every failure is a `FileError` of one line.

Writing: a hidden temporary file in the target's folder is flushed to the disk, then published in
one step. A reader sees the old file or the new one, never a part, wherever the writer is killed.

Reading order: ``opening`` and ``schema`` first; then ``archive``, ``array_header`` and
``npz_reading`` follow an npz file from its end to its data. ``npz_writing`` and ``json_files`` save
through ``temporary`` and ``saving``. ``pth_pickle`` and ``pth_reading`` read PyTorch's checkpoints,
without torch. ``idx`` reads through ``gzip_members``; ``yaml_files``, ``texts`` and ``locking`` are
independent of the others.
"""

from ohmbench.files.idx import read_idx
from ohmbench.files.json_files import parse_json, read_json, write_json
from ohmbench.files.locking import only_writer
from ohmbench.files.npz_reading import npz_bytes, npz_fields, read_npz
from ohmbench.files.npz_writing import write_npz
from ohmbench.files.opening import sha256_file
from ohmbench.files.pth_reading import read_pth, write_pth
from ohmbench.files.saving import atomic_write, check_writable, write_bytes
from ohmbench.files.schema import ArraySpec
from ohmbench.files.texts import read_bytes, read_text
from ohmbench.files.yaml_files import item_lines, parse_yaml, read_yaml

__all__ = [
    "ArraySpec",
    "atomic_write",
    "check_writable",
    "item_lines",
    "npz_bytes",
    "npz_fields",
    "only_writer",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_idx",
    "read_json",
    "read_npz",
    "read_pth",
    "read_text",
    "read_yaml",
    "sha256_file",
    "write_bytes",
    "write_json",
    "write_npz",
    "write_pth",
]
