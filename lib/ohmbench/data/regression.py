"""Regression data of the KirchhoffNet experiments, scaled to [0, 1], split by seed.

- ``toyregress``: Friedman's first function (J. Friedman, "Multivariate adaptive regression
  splines", Annals of Statistics 19, 1991), 10 sin(pi x1 x2) + 20 (x3 - 0.5)^2 + 10 x4 + 5 x5, at
  4 096 uniform points in five dimensions. The artifacts do not say how much noise they add: none.
- ``diabete``: scikit-learn's 442 diabetes patients, ten features (Efron et al., 2004).
- ``housing``: California housing (Pace and Barry, "Sparse spatial autoregressions", Statistics and
  Probability Letters 33, 1997), 20 640 block groups, read from a file that the user has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.model_selection import train_test_split

from ohmbench.data.folders import DataSet, Pickled, Wanted
from ohmbench.errors import RangeError
from ohmbench.files.opening import PathLike, only_file_errors, open_bounded
from ohmbench.files.tables import Column, parse_table
from ohmbench.files.tarballs import read_tar_member

_Floats = NDArray[np.float64]

REGRESSION_HELD_OUT = 0.4
TOY_POINTS = 4096
HOUSING_ROWS = 20_640
_MAX_BYTES = 16 * 2**20  # eight times the original


@dataclass(frozen=True)
class RegressionSplit:
    """Features (n, d) and targets (n,), float64, for training and held out, scaled.

    Scaling is affine, column by column, so that the *training part* has minimum 0 and maximum 1;
    held-out values may lie a little outside. ``y_min`` and ``y_max`` are the target's own: an error
    times (y_max - y_min) is in the data set's unit.
    """

    train_x: _Floats
    train_y: _Floats
    test_x: _Floats
    test_y: _Floats
    y_min: float
    y_max: float


def _toy(seed: int) -> tuple[_Floats, _Floats]:
    x, y = make_friedman1(TOY_POINTS, n_features=5, noise=0.0, random_state=seed)
    return np.asarray(x), np.asarray(y)


def _diabetes(seed: int) -> tuple[_Floats, _Floats]:
    x, y = load_diabetes(return_X_y=True)
    return np.asarray(x), np.asarray(y)


# The order of the StatLib file. Everything below is a count of its block group but the first
# three and the last two: medianIncome in 10 000 dollars, medianHouseValue in dollars.
_HOUSING_COLUMNS = (
    Column("longitude", -180, 180),
    Column("latitude", -90, 90),
    Column("housingMedianAge", 0, 200),
    Column("totalRooms", 0, 1e6),
    Column("totalBedrooms", 0, 1e6),
    Column("population", 0, 1e6),
    Column("households", 1, 1e6),
    Column("medianIncome", 0, 1e3),
    Column("medianHouseValue", 0, 1e8),
)
_ARCHIVE, _MEMBER = "cal_housing.tgz", "CaliforniaHousing/cal_housing.data"


def read_housing(path: PathLike) -> tuple[_Floats, _Floats]:
    """Features (20640, 8) and target (20640,) from StatLib's ``cal_housing.data`` or its archive.

    Features as scikit-learn's `fetch_california_housing` defines them: median income, age, rooms
    and bedrooms per household, population, people per household, latitude, longitude; the target is
    the median house value in 100 000 dollars. Raises FileError, which names line and column.
    """
    name, file, _ = open_bounded(path, _MAX_BYTES)
    with file, only_file_errors(name):
        data = file.read()
    if data.startswith(b"\x1f\x8b"):
        data = read_tar_member(path, _MEMBER, max_bytes=_MAX_BYTES)
    table = parse_table(name, data, _HOUSING_COLUMNS, rows=HOUSING_ROWS)
    longitude, latitude, age, rooms, bedrooms, population, households, income, value = table.T
    features = (
        income,
        age,
        rooms / households,
        bedrooms / households,
        population,
        population / households,
        latitude,
        longitude,
    )
    return np.stack(features, 1), value / 100_000


_HOUSING = DataSet(
    "housing",
    "California housing",
    pickled=Pickled(
        "cal_housing_py3.pkz", "scikit-learn's own copy", f"put StatLib's {_ARCHIVE} beside it"
    ),
)
_HOUSING_FILE = Wanted(("cal_housing.data", _MEMBER, _ARCHIVE), read_housing)


def housing_file() -> Path:
    """The user's file of California housing, read to see that it is. Raises FileError."""
    ((path, _),) = _HOUSING.read(_HOUSING_FILE)
    return path


def _housing(seed: int) -> tuple[_Floats, _Floats]:
    ((_, data),) = _HOUSING.read(_HOUSING_FILE)
    x, y = data
    return x, y


REGRESSIONS: dict[str, Callable[[int], tuple[_Floats, _Floats]]] = {
    "toyregress": _toy,
    "diabete": _diabetes,
    "housing": _housing,
}


def _limits(name: str, train: _Floats) -> tuple[_Floats, _Floats]:
    low, high = train.min(0), train.max(0)
    if not np.all(high > low):
        raise RangeError(f"{name}: a column does not vary over the training part")
    return low, high


def regression_split(name: str, seed: int) -> RegressionSplit:
    """The data set ``name`` split by ``seed``, 40 % held out; ``toyregress`` is also drawn by it.

    Raises KeyError for an unknown data set, FileError when California housing's file is missing or
    not what it should be, and RangeError for a column without a range.
    """
    x, y = REGRESSIONS[name](seed)
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=REGRESSION_HELD_OUT, random_state=seed
    )
    x_low, x_high = _limits(name, train_x)
    y_low, y_high = _limits(name, train_y)
    return RegressionSplit(
        (train_x - x_low) / (x_high - x_low),
        (train_y - y_low) / (y_high - y_low),
        (test_x - x_low) / (x_high - x_low),
        (test_y - y_low) / (y_high - y_low),
        float(y_low),
        float(y_high),
    )
