"""Small JPEG pictures of one known size, as red, green and blue planes."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from ohmbench.errors import FileError
from ohmbench.files.opening import PathLike, damaged, only_file_errors, open_bounded


def read_jpeg(path: PathLike, *, side: int, max_bytes: int = 2**20) -> npt.NDArray[np.uint8]:
    """The picture as uint8 (3, side, side); grey pictures have three equal planes.

    Nothing is decoded before the header has shown the right size, so a small file cannot become a
    large picture. Other formats that Pillow can read are not tried. Raises `FileError`.
    """
    name, file, _ = open_bounded(path, max_bytes)
    with file, only_file_errors(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes, which are checked here, and odd metadata
        data = file.read()
        try:
            picture = Image.open(io.BytesIO(data), formats=("JPEG",))
        except Image.DecompressionBombError as error:
            raise FileError(name, f"is far larger than {side} x {side} pixels") from error
        except OSError:
            raise damaged(name, "not a JPEG picture") from None
        with picture:
            if picture.size != (side, side):
                width, height = picture.size
                raise FileError(name, f"has {width} x {height} pixels, expected {side} x {side}")
            try:
                pixels = np.asarray(picture.convert("RGB"))
            except SyntaxError as error:  # Pillow's exception for a broken stream
                raise damaged(name, f"damaged: {error}") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
