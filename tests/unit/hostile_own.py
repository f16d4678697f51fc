"""Hostile files of the user's own networks, in the style of ``hostile.py``.

Device cards, the YAML files of floating-gate and int8 networks, data as CSV and npz, and the files
of trained networks, which contain their configuration.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML

from ohmbench.data.classifier import Own
from ohmbench.digital import configuration as int8
from ohmbench.digital.store import save_int8
from ohmbench.floatgate import configuration as floatgate
from ohmbench.floatgate import save_network
from ohmbench.floatgate.card import CARDS_FOLDER, DEFAULT_CARD
from ohmbench.kirchhoff import configuration as kirchhoff
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.store import save_kirchhoff
from ohmbench.kirchhoff.training import with_data
from tests.unit import hostile, hostile_kirchhoff
from tests.unit.hostile import Kind, Member, canary, members_of, not_files, npy, npy_of, pack
from tests.unit.hostile_kirchhoff import REMOVED, changed, exchange, raw, yaml_of, yaml_texts
from tests.unit.int8_networks import random_scaled
from tests.unit.networks import random_network

YAMLS = ("card", "floatgate-yaml", "int8-yaml")
TRAININGS = ("floatgate-training", "int8-training")
FILES = ("own-floatgate", "own-int8", "own-kirchhoff")
LOADERS = (*YAMLS, *TRAININGS, "csv", "own-npz", *FILES)


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


# ------------------------------------------------------------------------------------------------
# Good ones


def loaded(text: str) -> Any:
    """The contents of good YAML, by another reader than the one under test."""
    return YAML(typ="safe", pure=True).load(text)


@cache
def _paper_card() -> str:
    text = (CARDS_FOLDER / f"{DEFAULT_CARD}.yaml").read_text(encoding="utf-8")
    return json.dumps(loaded(text) | {"name": "fg-own"})


def card() -> dict[str, Any]:
    """The paper's card under another name."""
    made: dict[str, Any] = json.loads(_paper_card())
    return made


def small_card() -> dict[str, Any]:
    """A card with only one circuit, and a cell of the other form."""
    whole = card()
    kept = ("card", "version", "source", "supply_V", "programmable", "relu", "logits", "power")
    cell = {
        "form": "subthreshold",
        "k1_per_V": -15.0,
        "k0_per_V": -30.0,
        "i_leak_A": 0,
        "fitted": whole["cell"]["fitted"],
    }
    return {key: whole[key] for key in kept} | {"name": "small", "cell": cell}


def floatgate_config() -> dict[str, Any]:
    """A network with every key that a user may write."""
    return {
        "family": "floatgate",
        "name": "mine",
        "card": DEFAULT_CARD,
        "data": {
            "file": "data.csv",
            "target": "kind",
            "features": ["a", "b"],
            "held_out": 0.25,
            "scale": "minmax",
        },
        "layers": [
            {"neurons": 4, "activation": "sigmoid"},
            {"neurons": 2, "activation": "sigmoid"},
        ],
        "encoding": {"low_V": 1.8, "span_V": 0.7},
        "train": {
            "steps": 10,
            "batch": 8,
            "population": 1,
            "learning_rate": 0.1,
            "noise_V": 0.03,
            "logit_gain": 2.0,
        },
    }


def int8_config() -> dict[str, Any]:
    """A network with every key that a user may write."""
    made = floatgate_config()
    return {
        "family": "int8",
        "name": "mine",
        "data": made["data"],
        "hidden": 5,
        "train": {
            "steps": 10,
            "batch": 8,
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "label_smoothing": 0.05,
        },
    }


def kirchhoff_config() -> dict[str, Any]:
    """A classifier of the data, one slice."""
    made = hostile_kirchhoff.config()
    made["test_bench"] = "classification"
    made["data"] = floatgate_config()["data"]
    part = {"name": "_fully_connect", "args": {"num_node": 5, "repeat": [1, 0]}}
    made["network"] |= {"net_struct": [part], "projector": "last2", "adjoint": False}
    made["simulation"]["t_end"] = [0.0, 1.0]
    made["test"]["metric"] = ["top1"]
    return made


BASES: dict[str, Callable[[], dict[str, Any]]] = {
    "card": card,
    "floatgate": floatgate_config,
    "int8": int8_config,
}


def table(rows: int = 16) -> str:
    """Two classes, alternating."""
    lines = [f"{k / 8!r},{(k * 7) % rows},{'down' if k % 2 else 'up'}" for k in range(rows)]
    return "\n".join(["a,b,kind", *lines, ""])


def surroundings(loader: str, folder: Path) -> None:
    """Write the files that good files of ``loader`` name into ``folder``."""
    if loader in TRAININGS:
        (folder / "data.csv").write_text(table(), encoding="utf-8")
        (folder / "small.yaml").write_text(yaml_of(small_card()), encoding="utf-8")


# ------------------------------------------------------------------------------------------------
# YAML

SLOW_TEXTS = frozenset((
    "dashes-20000", "questions-20000", "values-25000", "mapping-25000", "colons", "blocks-40-deep",
    "keys-long", "text-then-cut", "brackets-mixed", "line-separators", "lists-20000-open",
    "mappings-20000-open",
))  # fmt: skip
"""Texts that take the parser equally long in every loader; only YAML's own tests have them."""


def _texts() -> dict[str, bytes]:
    found = {
        name: text.encode() if isinstance(text, str) else text
        for name, text in yaml_texts().items()
        if name not in SLOW_TEXTS
    }
    return found | {
        "top-list": b"[]",
        "top-text": b"floatgate",
        "top-null": b"null",
        "top-number": b"5",
        "top-empty": b"{}",
        "utf16-big": "a: 1".encode("utf-16-be"),
        "mark-twice": b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n",
        "key-1000": b"? " + b"k" * 1000 + b"\n: 1\n",
        "key-escape": b'"\\e[2J": 1\n',
        "key-line-break": b'"a\\nerror: all is well": 1\n',
        "key-right-to-left": 'a\u202eb: "\u202e"\n'.encode(),
        "merge-alone": b"<<: {a: 1}\n",
        "gzip": gzip.compress(b"card: floatgate\n", mtime=0),
    }


def _within(base: dict[str, Any], value: str) -> dict[str, bytes]:
    """Hostile YAML inside a good file, in place of the last occurrence of ``value``."""
    text = yaml_of(base)
    place = text.rindex(value)

    def put(new: str) -> bytes:
        return (text[:place] + new + text[place + len(value) :]).encode()

    return {
        "within-tag": put("!!python/name:os.system"),
        "within-tag-float": put("!!float 1"),
        "within-anchor": put(f"&x {value}"),
        "within-alias": put("*x"),
        "within-deep": put("[" * 33 + "]" * 33),
        "within-wide": put("[" + "1," * 25_000 + "1]"),
        "within-digits": put("9" * 100_000),
        "within-overflow": put("1e999"),
        "within-surrogate": put('"\\ud800"'),
        "within-cut": text[:place].encode(),
        "within-nul": put("\0"),
        "within-latin1": put("@@").replace(b"@@", b"\xe9"),
        "within-mapping": put("{? a : b}"),
        "within-sexagesimal": put("1:30"),
        "within-octal": put("0o9"),
        "within-underscore": put("1_000"),
        "within-fullwidth": put("\uff11"),
        "within-second-document": (text + "\n---\n" + text).encode(),
        "within-after-end": (text + "\n]").encode(),
        "twice": (text.rstrip()[:-1] + "," + text.lstrip()[1:]).encode(),
    }


# Values that are never a valid number, text, list or mapping in these files.
NEVER: dict[str, Any] = {
    "nan": raw(".nan"),
    "inf": raw(".inf"),
    "minus-inf": raw("-.inf"),
    "bool": True,
    "list": [[]],
    "mapping": {"a": 1},
}


def places(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted path of every value in ``value``, whole parts first."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for k, part in enumerate(value):
            yield from places(part, f"{path}[{k}]")


def plain(value: Any) -> Any:
    """``raw`` values as YAML reads them."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    constants = {raw(".nan"): np.nan, raw(".inf"): np.inf, raw("-.inf"): -np.inf}
    return constants.get(value, value) if isinstance(value, str) else value


def wrong_values(base: str) -> Iterator[tuple[str, str, Any]]:
    """Every path of a good file, a name for a wrong value there, and all contents with it."""
    good = BASES[base]()
    for path, value in places(good):
        wrong = dict(NEVER)
        if isinstance(value, str):
            wrong |= {"number": 5, "empty": ""}
        elif isinstance(value, (dict, list)):
            wrong |= {"number": 5, "text": "a"}
            if isinstance(value, dict):
                wrong["surprise"] = value | {"surprise": 1}
        else:
            wrong |= {"null": None, "text": "1.0", "huge": 1e300, "minus-huge": -1e300}
            wrong |= {"300-digits": 10**300}
        if base == "card" and not path.endswith("]") and not isinstance(value, dict):
            wrong["missing"] = REMOVED
        for name, new in wrong.items():
            if (path, name) not in TAKEN:
                yield path, name, plain(changed(copied(good), {path: new}))


TAKEN = {
    ("version", "300-digits"),  # integers have no upper limit
    ("encoding.low_V", "huge"),  # the card decides, and training reads it
    ("encoding.low_V", "300-digits"),
    ("encoding.span_V", "huge"),
    ("encoding.span_V", "300-digits"),
    ("data.held_out", "text"),  # this is the name of a file
    ("data.target", "empty"),  # a column may have no name
    ("layers[0].neurons", "null"),  # means the same as a missing key, which other rows cover
    ("layers[1].neurons", "null"),
}


def _card_faults() -> dict[str, tuple[str, Any]]:
    """Kind -> the key at fault and its new value."""
    return {
        "form-of-rows": ("cell.form", "wta"),
        "form-unknown": ("cell.form", "bsim"),
        "form-number": ("cell.form", 1),
        "form-missing": ("cell.form", REMOVED),
        "form-other": ("positive_cell.form", "ekv"),
        "card-other": ("card", "int8"),
        "card-missing": ("card", REMOVED),
        "name-empty": ("name", ""),
        "name-1000": ("name", "n" * 1000),
        "source-10000": ("source", "s" * 10_000),
        "version-zero": ("version", 0),
        "version-float": ("version", 1.5),
        "version-text": ("version", "1"),
        "supply-zero": ("supply_V", 0),
        "supply-negative": ("supply_V", -2.5),
        "supply-kilovolts": ("supply_V", 1e3),
        "supply-subnormal-negative": ("supply_V", -5e-324),
        "programmable-turned": ("programmable.w_max_A", 1e-13),
        "programmable-equal": ("programmable.w_max_A", 1e-12),
        "programmable-zero": ("programmable.w_min_A", 0),
        "programmable-subnormal": ("programmable.w_min_A", 5e-324),
        "bits-zero": ("programmable.bits", 0),
        "bits-64": ("programmable.bits", 64),
        "bits-float": ("programmable.bits", 13.0),
        "slope-zero": ("cell.a_per_V", 0),
        "slope-negative": ("cell.a_per_V", -1),
        "is1-positive": ("cell.is1_A", 8e-9),
        "is1-zero": ("cell.is1_A", 0.0),
        "is0-amperes": ("cell.is0_A", 2),
        "leak-negative": ("cell.i_leak_A", -1e-15),
        "fitted-missing": ("cell.fitted", REMOVED),
        "fitted-turned": ("cell.fitted.v_V", [2.5, 1.7]),
        "fitted-equal": ("cell.fitted.w_A", [1e-9, 1e-9]),
        "fitted-one": ("cell.fitted.v_V", [1.7]),
        "fitted-three": ("cell.fitted.v_V", [1.7, 2.0, 2.5]),
        "fitted-number": ("cell.fitted.v_V", 2.5),
        "basis-empty": ("cell.fitted.basis", ""),
        "w_max-beyond": ("positive_cell.w_max_A", 7.7e-6),
        "w_max-below": ("positive_cell.w_max_A", 1e-13),
        "cell-alone": ("positive_cell", REMOVED),
        "wta-alone": ("wta", REMOVED),
        "lines-alone": ("lines", REMOVED),
        "sigmoid-alone": ("sigmoid", REMOVED),
        "cubic-three": ("lines.cubic_V", [1, 2, 3]),
        "cubic-five": ("lines.cubic_V", [1, 2, 3, 4, 5]),
        "cubic-many": ("lines.cubic_V", [0] * 1000),
        "logarithm-empty": ("lines.logarithm", []),
        "logarithm-mapping": ("lines.logarithm", {}),
        "lines-turned": ("lines.positive.i_last_A", 1e-12),
        "edges-turned": ("sigmoid.p_edges_V", [1.78, 0.38]),
        "edges-twice": ("sigmoid.p_edges_V", [1.0, 1.0]),
        "edges-100": ("sigmoid.p_edges_V", list(range(100))),
        "edges-none": ("sigmoid.regions", []),
        "regions-two": ("sigmoid.regions", [dict.fromkeys(_REGION, 0.0)] * 2),
        "regions-200": ("sigmoid.regions", [dict.fromkeys(_REGION, 0.0)] * 200),
        "region-cut": ("sigmoid.regions[1].t0", REMOVED),
        "decades-turned": ("relu.decades", [-6.2, -7.3]),
        "decades-huge": ("relu.decades", [-1e12, 1e12]),
        "logarithms-two": ("relu.logarithms_V", [[0.1, 1], [0.1, 1]]),
        "logarithms-flat": ("relu.logarithms_V[0]", [0, 2.6]),
        "logarithms-falling": ("relu.logarithms_V[2]", [-0.1, 2.6]),
        "logarithms-tiny": ("relu.logarithms_V[0]", [5e-324, 2.6]),
        "exponential-text": ("relu_smooth.exponential[1]", "-0.8"),
        "height-zero": ("wta.height", 0),
        "current-turned": ("wta.fitted.i_A", [1e-5, 1e-9]),
        "per_V-zero": ("logits.per_V", 0),
        "shared-negative": ("power.shared_A", -1),
        "power-missing": ("power", REMOVED),
        "surprise": ("surprise", 1),
        "surprise-deep": ("sigmoid.regions[0].t2", 1),
        "surprise-escape": ("cell.\x1b[2J", 1),
        "surprise-5000": ("k" * 5000, 1),
        "spelling": ("Cell", {}),
    }


_REGION = ("h1", "h0", "s1", "s0", "o1", "o0", "t1", "t0")
# Cases in which the key at fault is not the one that was changed.
_CARD_FIELDS: dict[str, str | None] = {
    "fitted-one": "cell.fitted.v_V[1]",
    "form-other": "positive_cell.form",
    "cell-alone": "positive_cell",
    "edges-none": "sigmoid.regions",
    "decades-huge": "relu.decades",
    "surprise-escape": None,
    "surprise-5000": None,
    "programmable-turned": "programmable.w_max_A",
    "lines-turned": "lines.positive.i_last_A",
}


def _data_faults() -> dict[str, tuple[str, Any]]:
    """Faults of the key ``data``, the same in all families."""
    return {
        "data-missing": ("data", REMOVED),
        "data-null": ("data", None),
        "data-text": ("data", "data.csv"),
        "data-surprise": ("data.surprise", 1),
        "file-missing": ("data.file", REMOVED),
        "file-empty": ("data.file", ""),
        "file-number": ("data.file", 5),
        "file-list": ("data.file", ["data.csv"]),
        "target-missing": ("data.target", REMOVED),
        "target-number": ("data.target", 3),
        "features-none": ("data.features", []),
        "features-text": ("data.features", "a"),
        "features-twice": ("data.features[1]", "a"),
        "features-target": ("data.features[1]", "kind"),
        "features-empty": ("data.features[1]", ""),
        "features-number": ("data.features[1]", 1),
        "features-3000": ("data.features[2999]", _MANY),
        "held_out-zero": ("data.held_out", 0),
        "held_out-one": ("data.held_out", 1.0),
        "held_out-nan": ("data.held_out", raw(".nan")),
        "held_out-negative": ("data.held_out", -0.5),
        "held_out-list": ("data.held_out", [0.5]),
        "held_out-empty": ("data.held_out", ""),
        "scale-unknown": ("data.scale", "log"),
        "scale-standard": ("data.scale", "standard"),
        "inputs-zero": ("data.inputs", 0),
        "inputs-huge": ("data.inputs", 10**12),
        "outputs-text": ("data.outputs", "2"),
        "rows-negative": ("data.held_out_rows", -1),
        "sha256-text": ("data.sha256", "0" * 64),
        "name-empty": ("name", ""),
        "name-300": ("name", "n" * 300),
        "name-number": ("name", 5),
        "family-other": ("family", "kirchhoff"),
        "family-missing": ("family", REMOVED),
        "family-number": ("family", 1),
        "surprise": ("surprise", 1),
        "surprise-train": ("train.epochs", 1),
        "surprise-escape": ("train.\x1b", 1),
        "train-null": ("train", None),
        "train-list": ("train", []),
        "steps-zero": ("train.steps", 0),
        "steps-huge": ("train.steps", 10**9),
        "steps-float": ("train.steps", 1e3),
        "batch-300-digits": ("train.batch", 10**300),
        "batch-bool": ("train.batch", True),
        "rate-zero": ("train.learning_rate", 0),
        "rate-nan": ("train.learning_rate", raw(".nan")),
        "rate-text": ("train.learning_rate", "0.1"),
    }


_MANY = object()


def _floatgate_faults() -> dict[str, tuple[str, Any]]:
    many = [{"neurons": 1}] * 101
    return {
        "card-empty": ("card", ""),
        "card-number": ("card", 350),
        "card-mapping": ("card", {}),
        "device-text": ("device", "fg-350nm"),
        "device-empty": ("device.card", REMOVED),
        "layers-missing": ("layers", REMOVED),
        "layers-none": ("layers", []),
        "layers-101": ("layers", many),
        "layers-number": ("layers", 3),
        "layers-mapping": ("layers", {"neurons": 3}),
        "layer-number": ("layers[0]", 4),
        "layer-null": ("layers[0]", None),
        "layer-surprise": ("layers[0].bias", True),
        "neurons-zero": ("layers[0].neurons", 0),
        "neurons-float": ("layers[0].neurons", 4.0),
        "neurons-huge": ("layers[0].neurons", 10**9),
        "neurons-missing": ("layers[0].neurons", REMOVED),
        "neurons-null": ("layers[0].neurons", None),
        "activation-unknown": ("layers[1].activation", "tanh"),
        "activation-number": ("layers[1].activation", 1),
        "activation-1000": ("layers[1].activation", "s" * 1000),
        "wta-inside": ("layers[0].activation", "wta"),
        "encoding-null": ("encoding", None),
        "encoding-list": ("encoding", [1.8, 0.7]),
        "low-negative": ("encoding.low_V", -1),
        "low-inf": ("encoding.low_V", raw(".inf")),
        "span-zero": ("encoding.span_V", 0.0),
        "span-text": ("encoding.span_V", "0.7 V"),
        "population-1001": ("train.population", 1001),
        "noise-negative": ("train.noise_V", -0.1),
        "noise-two": ("train.noise_V", 2),
        "gain-zero": ("train.logit_gain", 0),
    }


def _int8_faults() -> dict[str, tuple[str, Any]]:
    return {
        "hidden-missing": ("hidden", REMOVED),
        "hidden-zero": ("hidden", 0),
        "hidden-negative": ("hidden", -3),
        "hidden-float": ("hidden", 5.0),
        "hidden-huge": ("hidden", 10**9),
        "hidden-list": ("hidden", [5]),
        "hidden-null": ("hidden", None),
        "hidden-inf": ("hidden", raw(".inf")),
        "layers": ("layers", [5]),
        "card": ("card", DEFAULT_CARD),
        "decay-negative": ("train.weight_decay", -0.1),
        "decay-two": ("train.weight_decay", 2),
        "smoothing-half": ("train.label_smoothing", 0.51),
        "smoothing-nan": ("train.label_smoothing", raw(".nan")),
        "population": ("train.population", 4),
    }


def _faulty(base: dict[str, Any], path: str, value: Any) -> bytes:
    if path == "device.card":
        return yaml_of(base | {"device": {}}).encode()
    if value is _MANY:
        base["data"]["features"] = [f"c{k}" for k in range(2999)] + ["c0"]
        return yaml_of(base).encode()
    if path.startswith("k" * 50):
        return yaml_of(base | {path: value}).encode()
    if "\x1b" in path:
        part, key = path.split(".")
        base[part][key] = value
        return yaml_of(base).encode()
    return yaml_of(changed(base, {path: value})).encode()


def yaml_kinds(loader: str) -> list[Kind]:
    base = {"card": "card"}.get(loader, loader.split("-")[0])
    good = BASES[base]
    faults = {
        "card": _card_faults,
        "floatgate": lambda: _data_faults() | _floatgate_faults(),
        "int8": lambda: _data_faults() | _int8_faults(),
    }[base]()
    value = {"card": "1e-07", "floatgate": "0.03", "int8": "0.05"}[base]
    kinds = not_files(loader)[:-4]
    texts = _texts() | _within(good(), value)
    if loader != "card":
        del texts["within-wide"]
    kinds += [Kind(f"{loader}-{name}", hostile.write(data)) for name, data in texts.items()]
    for name, (path, new) in faults.items():
        field: str | None = _CARD_FIELDS.get(name, path) if base == "card" else path
        field = field if field is None or field.isprintable() else None
        kinds.append(Kind(f"{loader}-{name}", hostile.write(_faulty(good(), path, new)), field))

    def payload(path: Path) -> None:
        call = f"!!python/object/apply:os.mkdir [{json.dumps(str(canary(path)))}]"
        path.write_text(yaml_of(good() | {"surprise": raw("@")}).replace("@", call))

    return [*kinds, Kind(f"{loader}-payload", payload)]


def _beside() -> dict[str, tuple[dict[str, Any], str, str | None]]:
    """Kind -> changes, the file and the field to be named: faults of files that YAML refers to."""
    data, card_file = "data.csv", "card.yaml"
    return {
        "nowhere": ({"data.file": "nowhere.csv"}, "nowhere.csv", None),
        "nowhere-npz": ({"data.file": "nowhere.npz", **_NPZ}, "nowhere.npz", None),
        "device": ({"data.file": "/dev/zero"}, "/dev/zero", None),
        "null-device": ({"data.file": "/dev/null"}, "/dev/null", None),
        "folder": ({"data.file": "."}, "", None),
        "itself": ({"data.file": "f.yaml"}, "f.yaml", None),
        "passwords": ({"data.file": "/etc/passwd"}, "/etc/passwd", None),
        "name-5000": ({"data.file": "n" * 5000}, "n" * 5000, None),
        "name-nul": ({"data.file": "a\0b"}, "a\0b", None),
        "name-lines": ({"data.file": "a\nerror: all is well"}, "a\nerror: all is well", None),
        "name-escape": ({"data.file": "\x1b[2J"}, "\x1b[2J", None),
        "home": ({"data.file": "~/data.csv"}, "~/data.csv", None),
        "column-unknown": ({"data.target": "sort"}, data, None),
        "column-escape": ({"data.target": "\x1b[2J\n"}, data, None),
        "column-100000": ({"data.target": "c" * 100_000}, data, None),
        "feature-unknown": ({"data.features": ["a", "c"]}, data, None),
        "feature-is-text": ({"data.features": ["a"], "data.target": "b"}, data, None),
        "unscaled": ({"data.scale": "none"}, data, "data.scale"),
        "part-tiny": ({"data.held_out": 1e-9}, data, None),
        "part-whole": ({"data.held_out": 0.999999}, data, None),
        "second-nowhere": ({"data.held_out": "nowhere.csv"}, "nowhere.csv", None),
        "second-same": ({"data.held_out": data}, data, "data.held_out"),
        "second-device": ({"data.held_out": "/dev/zero"}, "/dev/zero", None),
        "second-itself": ({"data.held_out": "f.yaml"}, "f.yaml", None),
        "card-nowhere": ({"card": card_file}, card_file, None),
        "card-device": ({"card": "/dev/zero"}, "/dev/zero", None),
        "card-folder": ({"card": "."}, "", None),
        "card-data": ({"card": data}, data, None),
        "card-itself": ({"card": "f.yaml"}, "f.yaml", None),
        "card-name-nul": ({"card": "a\0b"}, "a\0b", None),
    }


_NPZ = {"data.target": REMOVED, "data.features": REMOVED}


def training_kinds(loader: str) -> list[Kind]:
    """Good files that refer to something hostile."""
    base = loader.split("-")[0]

    def kind(name: str, changes: dict[str, Any], named: str | None, field: str | None) -> Kind:
        data = yaml_of(changed(BASES[base](), changes)).encode()
        return Kind(f"{loader}-{name}", hostile.write(data), field, named)

    kinds = [
        kind(name, *what)
        for name, what in _beside().items()
        if base == "floatgate" or not name.startswith("card")
    ]
    own: dict[str, tuple[dict[str, Any], str]] = {
        "inputs-given": ({"data.inputs": 2}, "data.inputs"),
        "sha256-given": ({"data.sha256": ["0" * 64]}, "data.sha256"),
    }
    if base == "floatgate":
        own |= {
            "card-unlike": ({"card": "fg-350mn"}, ""),
            "neurons-other": ({"layers[1].neurons": 3}, "layers[1].neurons"),
            "cells-many": (
                {"layers": [{"neurons": 100_000}, {"neurons": 100_000}, {}]},
                "layers",
            ),
            "volts-huge": ({"encoding.low_V": 1e300}, "encoding"),
            "volts-digits": ({"encoding.span_V": 10**300}, "encoding"),
            "circuit-lacking": (
                {"card": "small.yaml", "encoding.span_V": 0.5},
                "layers[0].activation",
            ),
            "device-given": ({"device": small_card()}, "device"),
        }
    else:
        own |= {"weights-many": ({"hidden": 100_000}, "")}
        del own["weights-many"]  # 100 000 hidden neurons have few weights with two features
    for name, (changes, field) in own.items():
        named = "fg-350mn" if name == "card-unlike" else None
        kinds.append(kind(name, changes, named, field or None))
    return kinds


# ------------------------------------------------------------------------------------------------
# CSV


def _cell(text: str) -> str:
    """The table with ``text`` as its first number."""
    return table().replace("0.0,0,up", f"{text},0,up", 1)


def _csv_numbers() -> dict[str, str]:
    return {
        "underscore": "1_000",
        "hexadecimal": "0x10",
        "binary": "0b1",
        "inf": "inf",
        "infinity": "Infinity",
        "minus-inf": "-inf",
        "nan": "nan",
        "nan-payload": "nan(5)",
        "na": "NA",
        "question": "?",
        "empty-cell": "",
        "spaces": "   ",
        "overflow": "1e400",
        "overflow-long": "1" + "0" * 400,
        "exponent-long": "1e" + "9" * 1000,
        "fullwidth": "\uff11\uff12",
        "arabic": "\u0661",
        "fraction-sign": "\u00bd",
        "minus-sign": "\u22121",
        "no-break-space": "1\u00a0000",
        "thousands": '"1,000"',
        "thousands-swiss": "1'000",
        "decimal-comma": '"1,5"',
        "two-points": "1.2.3",
        "two-signs": "--1",
        "exponent-open": "1e",
        "point-alone": ".",
        "sign-alone": "+",
        "fortran": "1d5",
        "complex": "1j",
        "boolean": "True",
        "date": "2001-01-01",
        "formula": "=1+1",
        "formula-command": "=cmd|'/C calc'!A0",
        "percent": "5%",
        "currency": "$5",
        "quote-inside": '1"2',
        "line-break": '"1\n2"',
        "escape": "\x1b[2J",
        "right-to-left": "\u202e1",
        "zero-width": "1\u200b",
        "mark": "\ufeff1",
        "surrogate-escape": "\\ud800",
        "digits-1000-and-x": "1" * 1000 + "x",
        "points-1000": "1." * 500,
        "python": "__import__('os')",
    }


def _csv_texts() -> dict[str, tuple[str | bytes, str | None]]:
    good, header = table(), "a,b,kind\n"
    line = {k: f"line {k}" for k in (1, 2, 3, 18)}
    wide = ",".join(f"c{k}" for k in range(20_000))
    return {
        "blank-lines": ("\n" * 1000, None),
        "blank-lines-300000": ("\n" * 300_000, None),
        "spaces-million": (" " * 1_000_000, None),
        "commas-only": (",,,\n,,,\n", None),
        "header-only": (header, None),
        "header-no-end": ("a,b,kind", None),
        "header-twice": (header + good, "line 2, column 'a'"),
        "header-missing": ("0,1,2\n" * 9, None),
        "header-name-missing": (good.replace("a,b,", "a,,", 1), line[1]),
        "header-name-twice": (good.replace("a,b,", "a,a,", 1), line[1]),
        "header-name-twice-quoted": (good.replace("a,b,", 'a,"a ",', 1), line[1]),
        "header-other": (good.replace("kind", "sort", 1), None),
        "header-capitals": (good.replace("kind", "Kind", 1), None),
        "header-sep": ("sep=,\n" + good, None),
        "header-comment": ("# made by hand\n" + good, None),
        "header-units": (header + "V,A,\n" + good[9:], "line 2, column 'a'"),
        "one-column": ("kind\nup\ndown\n", None),
        "row-short": (good + "1,2\n", line[18]),
        "row-long": (good + "1,2,up,4\n", line[18]),
        "row-ends-in-comma": (header + "1,2,up,\n", line[2]),
        "rows-of-semicolons": (header + "1;2;up\n" * 9, line[2]),
        "rows-of-tabs": (header + "1\t2\tup\n" * 9, line[2]),
        "rows-of-spaces": ("a b kind\n1 2 up\n", None),
        "rows-ragged": (header + "1,2,up\n1\n,,,,,\n", line[3]),
        "quote-open": (header + '1,2,"up\n' + good[9:], None),
        "quote-open-in-header": ('a,b,"kind\n' + good[9:], line[1]),
        "quote-then-text": (header + '"1"2,3,up\n', line[2]),
        "quote-open-long": (header + '1,2,"' + "up\n" * 100_000, line[2]),
        "quotes-million": ('"' * 1_000_001, None),
        "quoted-breaks": ('"\n",' * 200_000, None),
        "quoted-breaks-row": (header + '"\n",' * 200_000, line[2]),
        "commas-million": ("," * 1_000_000, None),
        "commas-million-row": (header + "," * 1_000_000, None),
        "columns-20000": (wide + "\n" + "1," * 19_999 + "1\n", line[1]),
        "columns-10000-twice": (",".join(f"c{k}" for k in range(9999)) + ",c0\n", line[1]),
        "cell-2000": (header + "1" * 2000 + ",2,up\n", line[2]),
        "cell-200000": (header + "1" * 200_000 + ",2,up\n", line[2]),
        "label-2000": (header + "1,2," + "u" * 2000 + "\n", line[2]),
        "line-8MiB": (header + "x" * (8 << 20), line[2]),
        "line-8MiB-header": ("x" * (8 << 20), line[1]),
        "label-missing": (good.replace(",up", ",", 1), "line 2, column 'kind'"),
        "label-once": (good + "1,2,side\n", "line 18, column 'kind'"),
        "labels-all-different": ("a,kind\n" + "".join(f"{k},{k}\n" for k in range(99)), None),
        "labels-12000": (
            "a,kind\n" + "".join(f"{k},{k // 2}\n" for k in range(24_000)),
            None,
        ),
        "label-one-class": (good.replace("down", "up"), None),
        "rows-too-few": (header + "1,2,up\n3,4,down\n", None),
        "number-1e31": (_cell("1e31"), None),
        "number-1e308": (_cell("-1e308"), None),
        "nul": (good[:-1] + "\0\n", None),
        "nul-in-header": ("a\0,b,kind\n" + good[9:], None),
        "nul-first": ("\0" + good, None),
        "utf16": (good.encode("utf-16"), None),
        "utf16-no-mark": (good.encode("utf-16-le"), None),
        "utf32": (good.encode("utf-32"), None),
        "latin1": (good.replace("up", "\xfc", 1).encode("latin-1"), None),
        "overlong-utf8": (good.encode().replace(b"up", b"\xc0\xaf", 1), None),
        "utf8-surrogate": (good.encode().replace(b"up", b"\xed\xa0\x80", 1), None),
        "utf8-cut": (good.encode() + b"1,2,\xe2\x82", None),
        "gzip": (gzip.compress(good.encode(), mtime=0), None),
        "zip": (pack([Member(b"data.csv", good.encode())]), None),
        "npz": (pack(hostile.members()), None),
        "html": ("<!DOCTYPE html>\n<html><body>404, not found</body></html>\n", None),
        "json": (json.dumps([{"a": 1, "kind": "up"}], indent=1), None),
        "yaml": (yaml_of(int8_config()), None),
        "arff": ("@relation data\n@attribute a numeric\n@data\n1,2\n", None),
        "lone-returns-ragged": ("a,b,kind\r1,2,up\r3,4\r", line[3]),
    }


def csv_kinds() -> list[Kind]:
    kinds = not_files("csv")
    for name, cell in _csv_numbers().items():
        data = _cell(cell).encode("utf-8", "surrogatepass")
        kinds.append(Kind(f"csv-number-{name}", hostile.write(data), "line 2, column 'a'"))
    for name, (text, field) in _csv_texts().items():
        data = text if isinstance(text, bytes) else text.encode()
        kinds.append(Kind(f"csv-{name}", hostile.write(data), field))

    def large(text: bytes, count: int) -> Callable[[Path], None]:
        return lambda path: hostile.write(b"a,b,kind\n" + text * count)(path)

    megabytes = {
        "commas": (b",", 48 << 20),
        "text": (b"x", 48 << 20),
        "quoted": (b'"\n",', 9 << 20),
    }
    for name, what in megabytes.items():
        kinds.append(Kind(f"csv-row-48MiB-of-{name}", large(*what), "line 2"))
    return kinds


# ------------------------------------------------------------------------------------------------
# Data as npz


def own_arrays() -> dict[str, np.ndarray]:
    """Data with two classes, already split into training and test."""
    return {
        "x": np.linspace(-2.0, 2.0, 12).reshape(4, 3),
        "y": np.array([0, 1, 0, 1]),
        "x_test": np.linspace(-1.0, 1.0, 6).reshape(2, 3),
        "y_test": np.array([1, 0]),
    }


def own_members(**changes: bytes | Member | None) -> list[Member]:
    return members_of(own_arrays(), **changes)


def _of_x(packed: Sequence[Member]) -> list[Member]:
    """Hostile members named W, renamed to x, among the other good members."""
    odd = [m for m in packed if m.name == b"W.npy"]
    names = [None if m.local_name == b"W.npy" else m.local_name for m in odd]
    odd = [replace(m, name=b"x.npy", local_name=n) for m, n in zip(odd, names, strict=True)]
    return [*odd, *own_members(x=None)]


def _own_values() -> dict[str, tuple[str, bytes | None]]:
    x, y = own_arrays()["x"], own_arrays()["y"]
    structured = np.zeros(4, [("a", "<f8"), ("b", "<i4")])
    return {
        "x-missing": ("x", None),
        "y-missing": ("y", None),
        "x_test-missing": ("y_test", None),
        "y_test-missing": ("y_test", None),
        "extra": ("z", npy_of(x)),
        "extra-object": ("z", npy("'|O'", shape="(1,)", data=b"cos\nsystem\n(S'true'\ntR.")),
        "x-vector": ("x", npy_of(x[:, 0])),
        "x-cube": ("x", npy_of(x[None])),
        "x-scalar": ("x", npy_of(x[0, 0])),
        "x-no-rows": ("x", npy_of(x[:0])),
        "x-no-columns": ("x", npy_of(x[:, :0])),
        "x-huge": ("x", npy_of(x * 1e31)),
        "x-half": ("x", npy_of(x.astype("f2"))),
        "x-uint64": ("x", npy_of(np.ones((4, 3), "u8"))),
        "x-nan-f4": ("x", npy_of(np.where(x > 1.5, np.nan, x).astype("f4"))),
        "x_test-nan": ("x_test", npy_of(np.full((2, 3), np.nan))),
        "x_test-inf-big-endian": ("x_test", npy_of(np.full((2, 3), np.inf, ">f8"))),
        "x_test-columns": ("x_test", npy_of(np.zeros((2, 4)))),
        "x_test-object": ("x_test", npy("'|O'", shape="(2, 3)", data=b"")),
        "y-long": ("y", npy_of(np.zeros(5, int))),
        "y-column": ("y", npy_of(y[:, None])),
        "y-float": ("y", npy_of(y.astype(float))),
        "y-bool": ("y", npy_of(y.astype(bool))),
        "y-text": ("y", npy_of(y.astype(str))),
        "y-unicode": ("y", npy_of(np.array(["\u2603", "b", "\u2603", "b"]))),
        "y-bytes": ("y", npy_of(y.astype("S1"))),
        "y-uint64": ("y", npy_of(y.astype("u8"))),
        "y-complex": ("y", npy_of(y.astype(complex))),
        "y-one-class": ("y", npy_of(np.zeros(4, int))),
        "y-structured": ("y", npy_of(structured)),
        "y-void": ("y", npy("'|V8'", shape="(4,)", data=bytes(32))),
        "y-timedelta": ("y", npy("'<m8[s]'", shape="(4,)", data=bytes(32))),
        "y-cut": ("y", npy_of(y)[:-1]),
        "y-scalar": ("y", npy_of(np.array(1))),
        "y_test-unknown": ("y_test", npy_of(np.array([1, 7]))),
        "y_test-minimum": ("y_test", npy_of(np.array([1, -(2**63)]))),
        "y_test-long": ("y_test", npy_of(np.zeros(3, int))),
    }


_OWN_FIELDS: dict[str, str | None] = {
    "x-huge": None,
    "y-one-class": None,
    "y_test-unknown": "y[1]",
    "y_test-minimum": "y[1]",
}


def _own_bomb() -> bytes:
    """300 MB of zeros with consistent shapes in all arrays."""
    rows = hostile.BOMB_BYTES // 24
    made = {}
    for name, descr, shape, size in (("x", "<f8", f"({rows}, 3)", rows * 24),
                                     ("y", "|i1", f"({rows},)", rows)):  # fmt: skip
        header = npy(repr(descr), shape=shape, data=b"")
        packed, crc = hostile.zeros_deflated(header) if name == "x" else _zeros(header, size)
        made[name] = Member(f"{name}.npy".encode(), b"", method=8, packed=packed, crc=crc,
                            size=len(header) + size)  # fmt: skip
    return pack(own_members(**made))


@cache
def _zeros(header: bytes, size: int) -> tuple[bytes, int]:
    data = header + bytes(size)
    return hostile.deflate(data), zlib.crc32(data)


def own_npz_kinds() -> list[Kind]:
    loader = "own-npz"
    kinds = not_files(loader)
    archives = hostile.archive_kinds(own_members())
    kinds += [Kind(f"{loader}-{n}", hostile.write(data)) for n, data in archives.items()]
    unnamed = {"needs-zip-9.9", "size-4GB", "zip64-sizes", "zip64-extra-cut"}
    for name, packed in hostile.member_kinds().items():
        if any(m.name == b"W.npy" and m != hostile.member() for m in packed):
            field = None if name in unnamed else "x"
            field = {"overlap-same-data": "y"}.get(name, field)
            kinds.append(Kind(f"{loader}-{name}", hostile.write(pack(_of_x(packed))), field))
    for name, (filename, flags) in hostile.name_kinds().items():
        odd = replace(own_members()[0], name=filename, flags=flags)
        data = pack([odd, *own_members(x=None)])
        kinds.append(Kind(f"{loader}-{name}", hostile.write(data)))
    for name, header in hostile.header_kinds().items():
        if name != "type-int64":
            field = {"shape-transposed": "y"}.get(name, "x")
            data = pack(own_members(x=header))
            kinds.append(Kind(f"{loader}-{name}", hostile.write(data), field))
    for name, (field, value) in _own_values().items():
        gone = {"x_test": None} if name == "x_test-missing" else {field: value}
        data = pack(own_members(**gone))
        kinds.append(Kind(f"{loader}-{name}", hostile.write(data), _OWN_FIELDS.get(name, field)))
    twice = pack([*own_members(), own_members()[0]])
    kinds.append(Kind(f"{loader}-member-twice", hostile.write(twice), "x"))

    def pickle_in(field: str) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            odd = npy("'|O'", shape="(4,)", data=hostile.pickled(path))
            path.write_bytes(pack(own_members(**{field: odd})))

        return write

    kinds += [Kind(f"{loader}-pickle-{field}", pickle_in(field), field) for field in own_arrays()]
    kinds.append(Kind(f"{loader}-bomb", lambda path: hostile.write(_own_bomb())(path)))
    return kinds


# ------------------------------------------------------------------------------------------------
# Files of trained networks

HISTORY = np.array([[2.0, 0.75, 0.1], [5.0, 0.5, 0.05]])


@cache
def _network_file(family: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data.csv").write_text(table(), encoding="utf-8")
        out = folder / "f.npz"
        said: dict[str, Any] = {"seed": 7, "recipe": "{}", "history": HISTORY}
        if family == "floatgate":
            made = floatgate.config_of(floatgate_config(), "x")
            own = Own(*floatgate.with_data(made, 7, folder=folder))
            save_network(out, random_network(own.config.spec, seed=4), own=own, **said)
        elif family == "int8":
            mine = Own(*int8.with_data(int8.config_of(int8_config(), "x"), 7, folder=folder))
            network, _ = random_scaled(3, (2, 5, 2))
            save_int8(out, network, spec=mine.config.spec, own=mine, **said)
        else:
            value = kirchhoff.config_of(kirchhoff_config(), "x")
            bound, data = with_data(value, 7, folder=folder)
            model = build(bound, torch.Generator().manual_seed(2))
            save_kirchhoff(out, model, data=data, **said)
        return out.read_bytes()


@cache
def _stored_arrays(family: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(_network_file(family))) as file:
        return {name: file[name] for name in file.files}


def network_arrays(loader: str) -> dict[str, np.ndarray]:
    """The arrays of a good file of ``loader``."""
    return dict(_stored_arrays(loader.removeprefix("own-")))


def npz_of(arrays: dict[str, np.ndarray], packed: bool = False) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(stream, **arrays)
    return stream.getvalue()


@cache
def _stored_config(loader: str) -> Any:
    return loaded("\n".join(network_arrays(loader)["config"].tolist()))


def network_config(loader: str) -> dict[str, Any]:
    """The configuration in a good file of ``loader``."""
    found: dict[str, Any] = copied(_stored_config(loader))
    return found


def _lazy(make: Callable[..., bytes], *arguments: Any) -> Callable[[Path], None]:
    """Built when the file is written, not when the kinds are listed."""
    return lambda path: hostile.write(make(*arguments))(path)


def _with_config(loader: str, text: str) -> bytes:
    config = np.array(text.split("\n"))
    if config.dtype == "<U0":
        config = np.array([" "])
    return npz_of(network_arrays(loader) | {"config": config})


def _own_config_faults(loader: str) -> dict[str, tuple[dict[str, Any], str | None]]:
    """Kind -> changes of the configuration, and the field that the error must name."""
    rows = 10_000_000
    faults: dict[str, tuple[dict[str, Any], str | None]] = {
        "inputs-missing": ({"data.inputs": REMOVED}, "config: data"),
        "outputs-missing": ({"data.outputs": REMOVED}, "config: data"),
        "rows-missing": ({"data.held_out_rows": REMOVED}, "config: data"),
        "rows-other": ({"data.held_out_rows": 5}, "test_x"),
        "rows-huge": ({"data.held_out_rows": rows}, "test_x"),
        "rows-zero": ({"data.held_out_rows": 0}, "data.held_out_rows"),
        "inputs-zero": ({"data.inputs": 0}, "data.inputs"),
        "inputs-other": ({"data.inputs": 3}, None),
        "inputs-huge": ({"data.inputs": 10**9}, "data.inputs"),
        "outputs-other": ({"data.outputs": 3}, None),
        "outputs-huge": ({"data.outputs": rows}, None),
        "sizes-huge": ({"data.inputs": rows, "data.held_out_rows": rows}, None),
        "data-missing": ({"data": REMOVED}, None),
        "surprise": ({"surprise": 1}, "surprise"),
        "family-unknown": ({"family": "kirchhoff"}, "family"),
    }
    if loader == "own-floatgate":
        faults |= {
            "layers-none": ({"layers": []}, "layers"),
            "layers-more": (
                {"layers": [{"neurons": 4}, {"neurons": 2}, {"neurons": 2}]},
                "mlp_2_weights",
            ),
            "layers-fewer": ({"layers": [{"neurons": 2}]}, None),
            "neurons-other": ({"layers[0].neurons": 5}, "mlp_0_weights"),
            "neurons-100000": ({"layers[0].neurons": 100_000}, "mlp_0_weights"),
            "device-missing": ({"device": REMOVED}, "config: data"),
            "device-nan": ({"device.supply_V": raw(".nan")}, "device.supply_V"),
            "device-form": ({"device.cell.form": "wta"}, "device.cell.form"),
            "volts": ({"encoding.low_V": 1e300}, "encoding"),
            "circuit": ({"layers[0].activation": "tanh"}, "layers[0].activation"),
        }
    elif loader == "own-int8":
        faults |= {
            "hidden-other": ({"hidden": 6}, "mlp_0.weight_q"),
            "hidden-zero": ({"hidden": 0}, "hidden"),
            "hidden-100000": ({"hidden": 100_000}, "mlp_0.weight_q"),
            "hidden-huge": ({"hidden": 10**12}, "hidden"),
        }
    else:
        args = "network.net_struct[0].args"
        faults |= {
            "nodes-other": ({f"{args}.num_node": 6}, None),
            "nodes-7000": ({f"{args}.num_node": 7000}, None),
            "edges-by-repeat": ({f"{args}.repeat": [10_000, 10_000]}, None),
            "slices-300": (
                {
                    "network.net_struct": [network_config(loader)["network"]["net_struct"][0]]
                    * 300,
                    "simulation.t_end": [k / 100 for k in range(301)],
                },
                None,
            ),
            "hidden-huge": (
                {
                    "network.model": {"name": "FeedForward", "args": {"hidden": [30_000, 30_000]}},
                    "network.net_struct": [],
                    "network.projector": REMOVED,
                },
                None,
            ),
            "encoder-huge": ({"network.encoder": "mlp_2_100000_100000_5"}, None),
            "projector-other": ({"network.projector": "last3"}, "network.projector"),
            "bench-other": ({"test_bench": "regression"}, None),
            "bench-paper": ({"test_bench": "mnist"}, None),
        }
        del faults["family-unknown"]
    return faults


def _own_array_faults(loader: str) -> dict[str, tuple[str, np.ndarray | None]]:
    """Kind -> the field at fault and its replacement (None: removed)."""
    arrays = network_arrays(loader)
    rows, inputs = arrays["test_x"].shape
    faults: dict[str, tuple[str, np.ndarray | None]] = {}
    for name, array in arrays.items():
        if name not in ("config", "M", "S"):
            faults[f"missing-{name}"] = (name, None)
            faults[f"object-{name}"] = (name, np.array([object()]))
            faults[f"half-{name}"] = (name, np.zeros(array.shape, "f2"))
        if array.dtype.kind == "f":
            faults[f"nan-{name}"] = (name, np.full_like(array, np.nan))
            faults[f"inf-{name}"] = (name, np.full_like(array, -np.inf))
    text = np.array(["a", "b"])
    return faults | {
        "rows-fewer": ("test_x", arrays["test_x"][:-1]),
        "rows-more": ("test_x", np.zeros((rows + 1, inputs))),
        "rows-none": ("test_x", np.zeros((0, inputs))),
        "columns-more": ("test_x", np.zeros((rows, inputs + 1))),
        "labels-fewer": ("test_y", arrays["test_y"][:-1]),
        "labels-beyond": ("test_y", np.full(rows, 2)),
        "labels-negative": ("test_y", np.full(rows, -1)),
        "labels-huge": ("test_y", np.full(rows, 2**62)),
        "labels-float": ("test_y", np.zeros(rows)),
        "classes-one": ("data_classes", np.array(["up"])),
        "classes-three": ("data_classes", np.array(["up", "down", "side"])),
        "classes-number": ("data_classes", np.arange(2)),
        "features-three": ("data_features", np.array(["a", "b", "c"])),
        "features-number": ("data_features", np.arange(2)),
        "scaling-zero": ("data_scaling", np.zeros((2, inputs))),
        "scaling-negative": ("data_scaling", -np.ones((2, inputs))),
        "scaling-one": ("data_scaling", np.ones((1, inputs))),
        "target-scaling-zero": ("data_target_scaling", np.zeros((2, 1))),
        "task-other": ("data_task", np.array("density")),
        "task-unknown": ("data_task", np.array("sorting")),
        "task-escape": ("data_task", np.array("\x1b[2J\nall is well")),
        "name-number": ("data_name", np.array(5)),
        "seed-negative": ("seed", np.array(-1)),
        "seed-large": ("seed", np.array(2**31)),
        "history-flat": ("history", HISTORY.ravel()),
        "config-number": ("config", np.arange(3)),
        "config-scalar": ("config", np.array("family: int8")),
        "config-none": ("config", np.zeros(0, "U1")),
        "config-matrix": ("config", np.array([["a", "b"]])),
        "config-bytes": ("config", np.array([b"a: 1"])),
        "config-object": ("config", np.array([object()])),
        "config-missing": ("config", None),
        "surprise": ("surprise", text),
        "network": ("network", np.array("int8-digits")),
    }


# One of each sort: the YAML loaders have all of them.
_CONFIG_TEXTS = frozenset((
    "blank", "cut", "key-twice", "key-number", "alias", "billion-laughs", "merge-key", "tag-python",
    "tag-binary", "version-1.1", "two-documents", "33-deep", "float-overflow", "half-character",
    "digits-100000", "tab", "top-list", "top-text", "top-null", "top-empty", "key-escape",
))  # fmt: skip

_OWN_FILE_FIELDS: dict[str, str | None] = {
    "classes-one": "test_y",
    "classes-three": "data_task",
    "task-other": "test_y",
    "config-missing": None,
    "missing-data_classes": "test_y",
    "missing-test_y": "test_y",
}


def own_file_kinds(loader: str) -> list[Kind]:
    kinds = not_files(loader)
    wrote = _network_file(loader.removeprefix("own-"))
    for place in (1, 22, len(wrote) // 2):
        kinds.append(Kind(f"{loader}-cut-by-{place}", hostile.write(wrote[:-place])))
    kinds.append(Kind(f"{loader}-appended", hostile.write(wrote + b"\n")))
    for name, text in _texts().items():
        if name in _CONFIG_TEXTS:
            lines = text.decode("utf-8", "replace").replace("\0", "\ufffd")
            kinds.append(Kind(f"{loader}-config-{name}", _lazy(_with_config, loader, lines)))
    config = "\n".join(network_arrays(loader)["config"].tolist())
    odd = {
        "break-in-line": config.replace("family", "a\n\nfamily", 1) + "\n\x0c",
        "escape": "\x1b[2J: 1\n" + config,
        "nul": "a\0b: 1\n" + config,
        "twice": config + "\n" + config,
        "half": config[: len(config) // 2],
        "line-70000": config + "\n# " + "x" * 70_000,
        "lines-5000": config + "\n#" * 5000 + "\nsurprise: 1",
        "of-a-card": yaml_of(card()),
    }
    kinds += [
        Kind(f"{loader}-config-{name}", _lazy(_with_config, loader, text))
        for name, text in odd.items()
    ]
    for other in FILES:
        if other != loader:
            swapped = network_arrays(loader) | {"config": network_arrays(other)["config"]}
            kinds.append(Kind(f"{loader}-config-of-{other}", _lazy(npz_of, swapped)))
            whole = _network_file(other.removeprefix("own-"))
            kinds.append(Kind(f"{loader}-is-{other}", hostile.write(whole)))
    for name, (changes, field) in _own_config_faults(loader).items():
        text = yaml_of(changed(network_config(loader), changes))
        kinds.append(Kind(f"{loader}-{name}", _lazy(_with_config, loader, text), field))
    for name, (key, value) in _own_array_faults(loader).items():
        arrays = network_arrays(loader)
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value
        kinds.append(
            Kind(
                f"{loader}-array-{name}",
                _lazy(npz_of, arrays),
                _OWN_FILE_FIELDS.get(name, key),
            )
        )

    def bomb(path: Path) -> None:
        rows = 5_000_000
        text = yaml_of(changed(network_config(loader), {"data.held_out_rows": rows}))
        arrays = network_arrays(loader) | {
            "config": np.array(text.split("\n")),
        }
        del arrays["test_x"]
        header = npy(shape=f"({rows}, 2)", data=b"")
        packed, crc = _zeros(header, rows * 16)
        members = [Member(f"{n}.npy".encode(), npy_of(a)) for n, a in arrays.items()]
        odd = Member(b"test_x.npy", b"", 8, packed=packed, crc=crc, size=len(header) + rows * 16)
        path.write_bytes(pack([*members, odd]))

    kinds.append(Kind(f"{loader}-bomb", bomb))
    return kinds


# ------------------------------------------------------------------------------------------------
# Damage


@cache
def templates(loader: str) -> list[bytes]:
    base = loader.split("-")[0]
    if loader == "card":
        paper = (CARDS_FOLDER / f"{DEFAULT_CARD}.yaml").read_bytes()
        return [yaml_of(card()).encode(), paper, yaml_of(small_card()).encode()]
    if loader in YAMLS or loader in TRAININGS:
        short = {"floatgate": "layers: [{neurons: 3}, {}]", "int8": "hidden: 3"}[base]
        block = f"family: {base}\n{short}\ndata: {{file: data.csv, target: kind}}\n"
        texts = [yaml_of(BASES[base]()), block, f"# mine\n{block}train:\n  steps: 5\n  batch: 4\n"]
        if base == "floatgate" and loader in TRAININGS:
            own = {"neurons": 3, "activation": "relu"}
            value = {"card": "small.yaml", "layers": [own, own | {"neurons": 2}]}
            texts.append(yaml_of(floatgate_config() | value))
        return [text.encode() for text in texts]
    if loader == "csv":
        good = table()
        quoted = re.sub(r"[^,\n]+", r'"\g<0>"', good)
        return [
            good.encode(),
            b"\xef\xbb\xbf" + good.replace(",", ";").replace("\n", "\r\n").encode(),
            quoted.replace(",", "\t").encode(),
            good.replace("up", '"up, or\nright"').encode(),
            good.replace("\n", "\r").encode(),
        ]
    if loader == "own-npz":
        arrays = own_arrays()
        swapped = {k: np.asfortranarray(a.astype(a.dtype.newbyteorder(">")))
                   for k, a in arrays.items()}  # fmt: skip
        whole = {"x": np.arange(48, dtype=np.uint8).reshape(16, 3),
                 "y": np.array([3, 5] * 8, np.int8)}  # fmt: skip
        return [npz_of(arrays), npz_of(arrays, packed=True), npz_of(swapped), npz_of(whole)]
    return [npz_of(network_arrays(loader)), npz_of(network_arrays(loader), packed=True)]


_CSV_TOKENS = (
    b",", b";", b"\t", b'"', b"\n", b"\r", b"\r\n", b'"\n', b",,", b"\0", b"\xff", b"nan", b"1e999",
    b"inf", b"_", b"0x", b" ", "\uff11".encode(), "\u2028".encode(), b"\xef\xbb\xbf", b"-", b"e",
)  # fmt: skip
_YAML_TOKENS = (
    b"{", b"}", b"[", b"]", b": ", b", ", b"- ", b"? ", b"&a ", b"*a", b"!!int ", b"!", b"|\n",
    b">-\n", b"'", b'"', b"#", b"%", b"---\n", b"...\n", b"<<: ", b"~", b"true", b".nan", b".inf",
    b"-", b"1e999", b"0x1F", b"\t", b"\n", b"\n  ", b"\0", b"\xff", b'"\\ud800"', b"\xe2\x80\xa8",
)  # fmt: skip


def _inserted(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.choice(tokens) + data[place + rng.choice((0, 0, 1, 3)) :]
    return data


def _text(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    way = rng.random()
    if way < 0.35:
        return exchange(rng, data)
    return _inserted(rng, data, tokens) if way < 0.7 else hostile.damage(rng, data)


def _repacked(rng: random.Random, arrays: dict[str, np.ndarray]) -> bytes:
    """Damage one array, or the configuration, inside an archive that is otherwise truthful."""
    which = rng.choice(list(arrays))
    if "config" in arrays and rng.random() < 0.5:
        text = _text(rng, "\n".join(arrays["config"].tolist()).encode(), _YAML_TOKENS)
        lines = text.decode("utf-8", "replace").replace("\0", " ").split("\n")
        return npz_of(arrays | {"config": np.array(lines)})
    made = [Member(f"{n}.npy".encode(), npy_of(a)) for n, a in arrays.items()]
    made = [
        replace(m, data=hostile.damage(rng, m.data)) if m.name == f"{which}.npy".encode() else m
        for m in made
    ]
    return pack(made)


def mutate(rng: random.Random, loader: str, originals: Sequence[bytes]) -> bytes:
    if loader == "csv":
        return _text(rng, rng.choice(originals), _CSV_TOKENS)
    if loader in YAMLS or loader in TRAININGS:
        return _text(rng, rng.choice(originals), _YAML_TOKENS)
    if rng.random() < 0.6:
        return _repacked(rng, own_arrays() if loader == "own-npz" else network_arrays(loader))
    return hostile.damage(rng, rng.choice(originals))


def kinds(loader: str) -> list[Kind]:
    """All kinds of ``loader``."""
    if loader in YAMLS:
        return yaml_kinds(loader)
    if loader in TRAININGS:
        return training_kinds(loader)
    if loader in FILES:
        return own_file_kinds(loader)
    return csv_kinds() if loader == "csv" else own_npz_kinds()
