"""Every range of the library at both of its ends, from ``range_rows.py`` and the command line.

The last test finds by the library's source which functions compare something and raise, and asks
for a row of each, or for the test that stands in its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.command_line import assert_refused
from tests.unit.range_rows import OTHER_ROWS, Row
from tests.unit.range_rows_files import FILE_ROWS
from tests.unit.range_rows_kirchhoff import KIRCHHOFF_ROWS
from tests.unit.range_rows_quantizing import QUANTIZING_ROWS

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "lib" / "ohmbench"

ROWS = [*OTHER_ROWS, *KIRCHHOFF_ROWS, *FILE_ROWS, *QUANTIZING_ROWS]
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


@every_row
def test_what_is_in_the_range_is_taken(row: Row) -> None:
    for value in row.inside:
        row.call(value)


@every_row
def test_what_is_outside_of_it_is_refused_in_one_line(row: Row) -> None:
    for value in row.outside:
        try:
            row.call(value)
        except row.error as error:
            lines = str(error).splitlines()
        else:
            pytest.fail(f"{row.name}: {value!r} was taken")
        assert len(lines) == 1 or row.error is ValidationError


def test_every_row_has_a_name_of_its_own_and_both_kinds_of_values() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.inside and row.outside for row in ROWS)


# ------------------------------------------------------------------------------------------------
# The command line. What an option admits is followed by a complaint of something else.

SEEDS = ("0", str(2**31 - 1)), ("-1", str(2**31))
AT_LEAST_1 = ("1", "1000000"), ("0", "-1")
BITS = ("1", "64"), ("0", "65")
TOLERANCE = ("5e-324", "1"), ("0", "-1", "1.0000000000000002", "nan", "inf")
NOBODY = "neither stored weights nor a file"
NO_MODEL = "neither a file nor a published network"
_QUANTIZE, NO_FILE = "quantize nobody.pth --data digits", "nobody.pth: cannot open"
OPTIONS: list[tuple[str, str, tuple[tuple[str, ...], tuple[str, ...]], str]] = [
    ("evaluate nobody", "--samples", (("2", "1000000"), ("1", "0", "1000001")), NOBODY),
    ("evaluate nobody", "--images", (("2", "100"), ("1", "0", "-1")), NOBODY),
    ("evaluate nobody", "--seed", SEEDS, NOBODY),
    ("evaluate nobody", "--tol", TOLERANCE, NOBODY),
    ("sample nobody", "--samples", (("1", "10000000"), ("0", "-1", "10000001")), NOBODY),
    ("sample nobody -n 1", "--seed", SEEDS, NOBODY),
    ("sample nobody -n 1", "--tol", TOLERANCE, NOBODY),
    ("power nobody", "--settling-time", (("5e-324", "1e300"), ("0", "-1", "nan", "inf")), NOBODY),
    ("plot nobody --out x", "--samples", (("2", "1000000"), ("1", "0", "1000001")), NOBODY),
    ("plot nobody --out x", "--images", (("2", "100"), ("1", "0")), NOBODY),
    ("plot nobody --out x", "--seed", SEEDS, NOBODY),
    (_QUANTIZE, "--weight-bits", (("2", "8"), ("1", "9")), NO_FILE),
    (_QUANTIZE, "--activation-bits", (("1", "8"), ("0", "9")), NO_FILE),
    (_QUANTIZE, "--percentile", (("5e-324", "100"), ("0", "-1", "100.1", "nan", "inf")), NO_FILE),
    (_QUANTIZE, "--seed", SEEDS, NO_FILE),
    ("train nobody", "--seed", SEEDS, "nobody: no training"),
    ("train nobody", "--samples", AT_LEAST_1, "nobody: no training"),
    ("train --from no.npz", "--steps", (("1", "1000000"), ("0", "1000001")), "no.npz: cannot open"),
    (
        "train --from no.npz",
        "--learning-rate",
        (("5e-324", "10"), ("0", "-1", "10.1", "nan", "inf")),
        "no.npz: cannot open",
    ),
    (
        "train nobody",
        "--max-minutes",
        (("5e-324", "1e300"), ("0", "-1", "nan", "inf")),
        "nobody: no training",
    ),
    *(
        ("prove nobody", f"--{name}-bits", BITS, NOBODY)
        for name in (
            "acc",
            "sum",
            "r",
            "product",
            "bias",
            "scale",
            "shift",
            "weight",
            "mac",
            "shifted",
            "value",
        )
    ),
    *(
        ("prove nobody", f"--{name}", AT_LEAST_1, NOBODY)
        for name in ("inputs", "hidden", "classes", "lanes")
    ),
    ("synth nobody", "--images", AT_LEAST_1, NOBODY),
    ("synth nobody", "--lanes", AT_LEAST_1, NOBODY),
    ("synth nobody", "--requants", AT_LEAST_1, NOBODY),
    ("synth nobody", "--seed", (("0", "9999"), ("-1",)), NOBODY),
    ("synth nobody", "--seeds", (("1", "100"), ("0", "101")), NOBODY),
    ("synth nobody", "--jobs", (("1", "64"), ("0", "65")), NOBODY),
    ("synth sweep nobody", "--lanes", AT_LEAST_1, NOBODY),
    ("synth sweep nobody", "--seed", (("0", "9999"), ("-1",)), NOBODY),
    ("synth sweep nobody", "--seeds", (("1", "100"), ("0", "101")), NOBODY),
    ("import nobody", "--random", (("0", "10000000"), ("-1", "10000001")), NO_MODEL),
    ("import nobody", "--input-bits", (("2", "16"), ("1", "17")), NO_MODEL),
    ("import nobody", "--seed", SEEDS, NO_MODEL),
    ("synth sweep nobody", "--jobs", (("1", "64"), ("0", "65")), NOBODY),
    # A design by its sizes is known to be buildable before the clock is looked at.
    (
        "synth 8-2-2 --seed 1 --seeds 1",
        "--clock",
        (("5e-324", "999999"), ("0", "-1", "1e6", "nan", "inf")),
        "--seed and --seeds",
    ),
]


@pytest.mark.parametrize(
    ("command", "option", "values", "complaint"),
    OPTIONS,
    ids=[
        f"{command.split()[0]}{option}" + "-sweep" * ("sweep" in command)
        for command, option, _, _ in OPTIONS
    ],
)
def test_an_option_takes_its_range_and_no_more(
    run: Any, command: str, option: str, values: Any, complaint: str
) -> None:
    inside, outside = values
    for value in inside:
        assert_refused(run(*command.split(), f"{option}={value}"), complaint)
    for value in outside:
        found = run(*command.split(), f"{option}={value}")
        assert_refused(found, option)
        assert complaint not in found[2]


# ------------------------------------------------------------------------------------------------
# Nothing is forgotten

ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def checking_functions() -> Iterator[str]:
    """``file:function`` wherever an ``if`` that compares by order raises."""

    def inside(node: ast.AST, names: list[str], file: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            within = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                within = [*names, child.name]
            if isinstance(child, ast.If) and any(isinstance(s, ast.Raise) for s in child.body):
                compared = [c for c in ast.walk(child.test) if isinstance(c, ast.Compare)]
                if any(isinstance(o, ORDERED) for c in compared for o in c.ops):
                    yield f"{file}:{'.'.join(names)}"
            yield from inside(child, within, file)

    for path in sorted(LIBRARY.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from inside(tree, [], path.relative_to(LIBRARY).as_posix())


COMMANDS = {
    "evaluate": "cli/evaluation.py:evaluate_command",
    "prove": "cli/prove.py:_bits",
    "power": "cli/power.py:power",
    "quantize": "cli/quantize.py:quantize",
    "sample": "cli/sampling.py:sample",
    "synth": "cli/synth.py:synth",
    "train": "cli/training.py:train",
}
# Both ends of every number, in one table: those refused, and the last ones accepted.
INTEGER = "test_integer_network.py::test_wrong_numbers_are_refused"
ONNX = "test_import_onnx.py::test_what_cannot_be_read_is_refused_by_node_and_reason"
ONNX_FILE = "test_import_onnx.py::test_hostile_files_are_refused_in_one_line"
TFLITE = "test_import_tflite.py::test_a_refusal_says_why"
# What is compared there is no number that somebody chooses, but how much of a text, a netlist or an
# archive stands where: these tests try many wrong ones.
ELSEWHERE = {
    "digital/exporting/planning.py:_check_reach": (
        "test_exporting.py::test_values_beyond_float64_are_refused"
    ),
    "digital/exporting/writing.py:export_network": (
        "test_exporting.py::test_a_file_of_more_than_2_GiB_is_refused"
    ),
    "digital/importing/onnx_wide.py:reached": (
        "test_exporting_import.py::test_a_table_that_is_none_is_refused"
    ),
    "claims/plugin.py:ClaimRecorder.__call__": (
        "test_claims_plugin.py::test_an_interval_is_kept_and_holds_its_value"
    ),
    "claims/running.py:find_ledger": "test_cli_claims.py::test_several_ledgers_are_a_question",
    "kirchhoff/judging.py:_check_enough": (
        "test_own_kirchhoff.py::test_one_held_out_sample_judges_nothing"
    ),
    "data/classifier.py:bound_value": "test_own_floatgate.py::test_features_without_a_scale",
    "data/own.py:load_data": (
        "test_own_data.py::test_numbers_too_large_to_compute_with_are_refused"
    ),
    "data/own.py:_classes": "test_own_data.py::test_data_that_do_not_fit_the_task_are_refused",
    "data/own.py:_split": "test_own_data.py::test_data_that_do_not_fit_the_task_are_refused",
    "data/own.py:dataset_of": "test_own_kirchhoff.py::test_damaged_data_in_a_file_are_refused",
    "floatgate/configuration.py:Config._check_sizes": (
        "test_own_floatgate.py::test_what_does_not_fit_is_one_line"
    ),
    "floatgate/configuration.py:Config._check_device": (
        "test_own_floatgate.py::test_voltages_end_at_the_devices_supply"
    ),
    "digital/quantizing/onnx_mlp.py:_Graph.vector": (
        "test_quantizing_onnx.py::test_a_graph_of_another_kind_is_refused"
    ),
    "digital/quantizing/onnx_mlp.py:_normalisation": (
        "test_quantizing_onnx.py::test_a_graph_of_another_kind_is_refused"
    ),
    "digital/quantizing/state_dict.py:_block": (
        "test_quantizing.py::test_a_state_dict_of_another_kind_is_refused"
    ),
    "digital/configuration.py:Config._is_small_enough": (
        "test_own_int8.py::test_the_number_of_weights_is_bounded"
    ),
    "floatgate/card.py:Card._parts_fit": "test_card.py::test_ends_of_ranges",
    "floatgate/card.py:ReluConstants._regions_follow": "test_card.py::test_ends_of_ranges",
    "eda/synthesis/activity.py:count": "test_activity.py::test_says_what_it_does",
    "eda/synthesis/result.py:Clocks._at_most_and_on_average": (
        "test_synthesis.py::test_a_mean_interval_is_not_above_the_longest"
    ),
    "eda/verilog.py:_expanded": "test_verilog.py::test_files_without_end_are_refused",
    "files/csv_table.py:_checked_header": (
        "test_own_data.py::test_what_is_no_table_is_refused_by_line_and_column"
    ),
    "files/csv_table.py:_rows": (
        "test_own_data.py::test_what_is_no_table_is_refused_by_line_and_column"
    ),
    "files/npz_reading.py:read_npz": "test_files.py::test_size_limits_hold_for_file_and_content",
    "digital/importing/flatbuffer.py:Buffer.number": TFLITE,
    "digital/importing/flatbuffer.py:Table.__init__": TFLITE,
    "digital/importing/flatbuffer.py:Table._place": TFLITE,
    "digital/importing/flatbuffer.py:Table._vector": TFLITE,
    "digital/importing/tflite.py:_Chain._fully_connected": TFLITE,
    "digital/importing/tflite.py:_Chain._next": TFLITE,
    "digital/importing/tflite_file.py:_operator": TFLITE,
    "digital/importing/tflite_file.py:_tensor": TFLITE,
    "digital/importing/tflite_file.py:read_tflite_file": TFLITE,
    "digital/importing/tflite_layer.py:_ends": TFLITE,
    "digital/importing/tflite_tensors.py:activation_scale": TFLITE,
    "digital/importing/tflite_tensors.py:weights_of": TFLITE,
    "digital/importing/tflite_arithmetic.py:requantisation": (
        "test_import_tflite.py::test_limits_of_the_fixed_point_kernels"
    ),
    "digital/importing/onnx_constants.py:_power": ONNX,
    "digital/importing/onnx_constants.py:binary": ONNX,
    "digital/importing/onnx_constants.py:concat": ONNX,
    "digital/importing/onnx_constants.py:gather": ONNX_FILE,
    "digital/importing/onnx_constants.py:square_root": ONNX,
    "digital/importing/onnx_file.py:_Reader.attribute": ONNX_FILE,
    "digital/importing/onnx_file.py:_Reader.declared": ONNX_FILE,
    "digital/importing/onnx_file.py:_Reader.file": ONNX_FILE,
    "digital/importing/onnx_file.py:_Reader.node": ONNX_FILE,
    "digital/importing/onnx_file.py:_Reader.opset": ONNX_FILE,
    "digital/importing/onnx_file.py:_Reader.stored": ONNX_FILE,
    "digital/importing/onnx_graph.py:Graph._count": ONNX_FILE,
    "digital/importing/onnx_graph.py:Graph.arity": ONNX_FILE,
    "digital/importing/onnx_graph.py:Graph.input": ONNX_FILE,
    "digital/importing/onnx_graph.py:Graph.layers": ONNX,
    "digital/importing/onnx_graph.py:Graph.whole": ONNX,
    "digital/importing/onnx_operations.py:layer_sums": ONNX,
    "digital/importing/onnx_operations.py:_weights": ONNX,
    "digital/importing/onnx_operations.py:batch_normalisation": ONNX,
    "digital/importing/onnx_operations.py:gemm": ONNX,
    "digital/importing/onnx_operations.py:winners": ONNX,
    "digital/importing/onnx_reader.py:_input": ONNX,
    "digital/importing/onnx_reader.py:_layer": ONNX,
    "digital/importing/onnx_reader.py:read_onnx": (
        "test_import_onnx.py::test_fixed_point_inputs_outside_their_range_are_refused"
    ),
    "digital/importing/onnx_shapes.py:_axes": ONNX,
    "digital/importing/onnx_shapes.py:flatten": ONNX,
    "digital/importing/onnx_shapes.py:moved": ONNX,
    "digital/importing/onnx_shapes.py:reshape": ONNX,
    "digital/importing/onnx_tensors.py:tensor_array": ONNX_FILE,
    "digital/importing/onnx_wire.py:_fields": ONNX_FILE,
    "digital/importing/onnx_wire.py:check_wire.walk": ONNX_FILE,
    "digital/importing/qdq.py:_parameters": ONNX,
    "digital/importing/qdq.py:_type": ONNX,
    "digital/importing/qdq.py:clip": ONNX,
    "digital/importing/qdq.py:dequantize": ONNX,
    "digital/importing/qdq.py:quantize": ONNX,
    "digital/importing/crossings.py:_check_size": (
        "test_importing_crossings.py::test_a_source_too_large_to_prove_is_refused_before_it_is_evaluated"
    ),
    "digital/importing/qonnx.py:multi_threshold": ONNX,
    "digital/importing/qonnx.py:quant": ONNX,
    "digital/importing/qonnx.py:quantised": ONNX,
    "digital/integer/network.py:Affine.__post_init__": INTEGER,
    "digital/integer/network.py:InputFormat.__post_init__": INTEGER,
    "digital/integer/network.py:IntegerNetwork.__post_init__": INTEGER,
    "digital/integer/network.py:IntegerNetwork._check_range": INTEGER,
    "digital/integer/network.py:Layer.__post_init__": INTEGER,
    "digital/integer/network.py:Thresholds.__post_init__": INTEGER,
    "digital/integer/network.py:_check_levels": INTEGER,
    "digital/integer/network.py:_owned": INTEGER,
    "data/labelled.py:_check_fits": (
        "test_cli_import.py::test_samples_that_do_not_fit_are_refused"
    ),
    "digital/integer/golden.py:check_inputs": "test_integer_golden.py::test_wrong_inputs",
    "digital/integer/golden.py:infer_plain": "test_integer_golden.py::test_wrong_plain_input",
    "digital/integer/evaluation.py:evaluate_integer": (
        "test_integer_family.py::test_labels_that_are_not_classes_are_refused"
    ),
    "digital/integer/two_layers.py:_layers": (
        "test_integer_trace.py::test_what_the_hardware_does_not_have_is_named"
    ),
    "digital/integer/prove.py:Widths.__post_init__": "test_integer_prove.py::test_widths_in_range",
    "digital/integer/store.py:_step": "test_integer_store.py::test_damage_is_named",
    "digital/integer/store.py:_layers_in": "test_integer_store.py::test_damage_is_named",
    "digital/store.py:_images_of": "test_digital_store.py::test_bad_file_is_refused_in_one_line",
    "digital/store.py:_scales_of": "test_digital_store.py::test_bad_file_is_refused_in_one_line",
    "eda/synthesis/blif.py:_instance": "test_blif.py::test_anything_else_is_refused",
    "eda/synthesis/blif.py:_table": "test_blif.py::test_anything_else_is_refused",
    "eda/synthesis/netlist.py:NetlistSimulation._order": "test_netlist.py::test_named",
    "eda/synthesis/netlist.py:NetlistSimulation._vector": "test_netlist.py::test_named",
    "eda/synthesis/netlist.py:_clock": "test_netlist.py::test_named",
    "eda/synthesis/reports_vpr.py:critical_path": (
        "../synth/test_reports.py::test_doctored_report_is_refused"
    ),
    "files/archive.py:check_layout": "test_files_hostile.py::test_hostile_file_is_refused",
    "files/csv_table.py:_Bounded.readinto": (
        "test_files_hostile.py::test_a_table_that_grows_while_it_is_read_ends"
    ),
    "files/csv_table.py:_Lines.__iter__": "test_files_hostile.py::test_both_ends_of_a_row",
    "kirchhoff/store.py:load_kirchhoff": "test_files_hostile.py::test_hostile_file_is_refused",
    "fetching/git.py:GitOrigin._blob": "test_fetch.py::test_a_faulty_repository_is_refused",
    "fetching/web.py:WebOrigin._read": (
        "test_fetch.py::test_a_faulty_server_is_refused_in_one_line_and_nothing_lost"
    ),
    "fetching/web.py:_Sink.write": "test_fetch.py::test_a_file_of_unknown_size_has_a_limit",
    "files/mat.py:_short": "test_images.py::test_hostile_files_are_refused",
    "files/mat.py:_variable": "test_images.py::test_hostile_files_are_refused",
    "files/mat.py:read_mat": "test_images.py::test_hostile_files_are_refused",
    "files/pth_reading.py:_check_end": "test_files_hostile.py::test_hostile_file_is_refused",
    "files/pth_reading.py:read_pth": "test_files_pth.py::test_the_sum_of_all_tensors_is_bounded",
    "floatgate/operands.py:check_layer": "test_synapse.py::test_refused_with_a_named_error",
    "floatgate/store.py:_network_of": "test_cli.py::test_wrong_contents",
    "floatgate/store.py:_own_images": "test_cli.py::test_wrong_contents",
    "kirchhoff/step_control.py:Watch.look": (
        "test_kirchhoff_simulation.py::test_a_slice_has_a_limit_of_steps"
    ),
}


def test_every_check_of_a_range_has_its_row() -> None:
    """A new one: give it a row in ``range_rows*.py``, with both ends of what it takes."""
    found = set(checking_functions())
    assert len(found) > 90, "the library was not found"
    with_rows = {row.where for row in ROWS}
    with_rows |= {
        COMMANDS[command.split()[0]] for command, *_ in OPTIONS if command.split()[0] in COMMANDS
    }
    assert found - with_rows - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) - found == set(), "checks that are no more"


def test_what_is_tested_elsewhere_is_there() -> None:
    for file, name in (test.split("::") for test in ELSEWHERE.values()):
        text = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, f"{file} has no {name}"
