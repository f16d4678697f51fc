"""What is proven about ``hdl``: the proofs, their properties, and a seeded fault for each.

A property is the label of an assertion in ``formal/<module>_properties.v``. Labels that begin with
``inside_`` are invariants of registers that induction needs; they are proven too, but not promised.
A fault replaces text that occurs once in one file of ``hdl``; with the fault, and with all other
assertions removed, this property must have a counterexample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ohmbench.eda.hdl import sources
from ohmbench.eda.verilog import texts
from tests.eda.formal import Job

_INSTANCE = re.compile(r"^ *(\w+) (?:#|\w+ )\(", re.MULTILINE)
FORMAL = Path(__file__).with_name("formal")


@dataclass(frozen=True)
class Proof:
    """One job on ``formal/<module>_properties.v``. ``cover``: clocks within which its cover
    statement is reached (0: it has none). ``one_by_one``: one job per assertion, for hard ones.
    ``slow``: not in the default tier.
    """

    name: str
    module: str
    job: Job
    why_complete: str
    cover: int = 0
    one_by_one: bool = False
    timeout_s: int = 120
    slow: bool = False


_FOR_ALL_TIME = "k-induction"
_ANY_STATE = "from arbitrary registers: no state is older than the depth"
_CONCRETE = "the control is concrete and the depth covers the whole run"


def _small(
    inputs: int, hidden: int, classes: int, lanes: int, requants: int, images: int = 1
) -> Job:
    """The job for an accelerator of these sizes; clocks as in ``end_to_end_properties.v``."""
    words, groups = -(-inputs // 2), -(-hidden // lanes)
    steps, pairs = -(-lanes // requants), -(-classes // 2)
    writes = lanes * groups * words + (1 + -(-classes // 2)) * groups * steps + pairs + 2
    latency = groups * words + steps + pairs + 18
    result = writes + 3 + words - 1 + latency
    end = result + (images - 1) * (groups * words + pairs + 6) + 1
    sizes = {
        "INPUTS": inputs,
        "HIDDEN": hidden,
        "CLASSES": classes,
        "LANES": lanes,
        "REQUANTS": requants,
        "IMAGES": images,
    }
    return Job("end_to_end_properties", "bmc", end + 1, "bitwuzla", sizes, skip=end)


def _proof(module: str, mode: str, depth: int, solver: str = "z3", cover: int = 0) -> Proof:
    complete = _FOR_ALL_TIME if mode == "prove" else _ANY_STATE
    return Proof(module, module, Job(f"{module}_properties", mode, depth, solver), complete, cover)


def _variant(module: str, mode: str, depth: int, **sizes: int) -> Proof:
    """The same proof at other sizes, which are part of its name."""
    name = "_".join([module, *(f"{key.lower()}_{value}" for key, value in sizes.items())])
    complete = _FOR_ALL_TIME if mode == "prove" else _ANY_STATE
    return Proof(
        name, module, Job(f"{module}_properties", mode, depth, "bitwuzla", sizes), complete
    )


PROOFS = {
    proof.name: proof
    for proof in (
        _proof("offset", "bmc", 1, "bitwuzla", cover=1),
        _proof("carry_save", "bmc", 1, "bitwuzla", cover=1),
        _variant("carry_save", "bmc", 1, ROWS=8, WIDTH=19),
        _proof("block_adder", "bmc", 1, "bitwuzla", cover=1),
        _proof("requantize", "bmc", 3, "bitwuzla", cover=3),
        _proof("dot_lane", "bmc", 3, "bitwuzla", cover=3),
        _variant("dot_lane", "bmc", 3, ELEMENTS=2, ACC_W=23),
        _variant("dot_lane", "bmc", 3, ELEMENTS=4, ACC_W=23),
        _proof("dot_lane_overflow", "prove", 2, "bitwuzla", cover=5),
        _variant("dot_lane_overflow", "prove", 2, ELEMENTS=2, WORDS=56),
        _variant("dot_lane_overflow", "prove", 2, ELEMENTS=4, WORDS=28),
        _proof("activation_total", "prove", 4, "bitwuzla", cover=14),
        _proof("argmax", "prove", 4, "bitwuzla", cover=9),
        _proof("image_buffer", "prove", 4, cover=14),
        _proof("sequencer", "prove", 4, cover=14),
        _proof("sum_stage", "prove", 6, "bitwuzla", cover=10),
        _proof("hidden_stage", "prove", 9, cover=16),
        _proof("readout", "prove", 9, cover=24),
        _proof("parameter_store", "prove", 4, cover=7),
        _proof("systolic_layer", "prove", 9, "bitwuzla", cover=18),
        _variant("systolic_layer", "prove", 9, MEM_LANES=2),
        _variant("systolic_layer", "prove", 9, MEM_LANES=2, PLACES=4, SKEW=2),
        _proof("host_port", "prove", 3, cover=10),
        _proof("accelerator", "prove", 2, "bitwuzla"),
        _variant("accelerator", "prove", 2, REQUANTS=2, CLASSES=5),
        _variant("accelerator", "prove", 2, HIDDEN=2, CLASSES=5),
        _variant("accelerator", "prove", 2, INPUTS=2, LANES=1, HIDDEN=2, CLASSES=5),
        Proof(
            "end_to_end_2_2_2",
            "end_to_end",
            _small(2, 2, 2, 2, 2),
            _CONCRETE,
            one_by_one=True,
        ),
        Proof(
            "end_to_end_2_2_2_two_images",
            "end_to_end",
            _small(2, 2, 2, 2, 2, images=2),
            _CONCRETE,
            one_by_one=True,
            timeout_s=600,
            slow=True,
        ),
        # More pairs than clocks per image: the second total comes while the first sums leave.
        Proof(
            "end_to_end_2_1_3_two_images",
            "end_to_end",
            _small(2, 1, 3, 1, 1, images=2),
            _CONCRETE,
            one_by_one=True,
        ),
        Proof(
            "end_to_end_4_3_3",
            "end_to_end",
            _small(4, 3, 3, 2, 1),
            _CONCRETE,
            one_by_one=True,
            timeout_s=900,
            slow=True,
        ),
    )
}
"""Name -> proof."""


@dataclass(frozen=True)
class Fault:
    """Replace ``old`` with ``new`` in one file of ``hdl``. ``depth``: clocks within which to look
    for a counterexample; ``skip``: first clock to check, where it cannot be earlier. ``solver``:
    if not the proof's, for long traces, which z3 writes faster.
    """

    file: str
    old: str
    new: str
    depth: int = 0
    skip: int = 0
    solver: str = ""

    def apply(self, verilog: dict[str, str]) -> dict[str, str]:
        """The sources with the fault. Raises ValueError unless ``old`` occurs exactly once."""
        count = verilog[self.file].count(self.old)
        if count != 1:
            raise ValueError(f"{self.file} has {self.old!r} {count} times, but should have it once")
        return {**verilog, self.file: verilog[self.file].replace(self.old, self.new)}


@dataclass(frozen=True)
class Property:
    """One assertion: its label, the proof in which it is shown to fail, its meaning, its fault."""

    label: str
    proof: str
    meaning: str
    fault: Fault = field(repr=False)
    slow: bool = False


_SLOW_FAULTS = {
    # It takes a hundred clocks until the accelerator must be idle.
    "accelerator_returns_to_idle",
    # Like the others of their kind, but on the whole accelerator.
    "end_to_end_results",
    "end_to_end_latency",
    "end_to_end_sums",
    "end_to_end_hidden",
    "end_to_end_class",
    "end_to_end_value",
}


def _of(proof: str, *rows: tuple[str, str, Fault]) -> tuple[Property, ...]:
    module = PROOFS[proof].module
    return tuple(
        Property(label, proof, text, fault, slow=label in _SLOW_FAULTS)
        for name, text, fault in rows
        for label in [f"{module}_{name}"]
    )


PROPERTIES = (
    *_of(
        "offset",
        (
            "product",
            "products of weights with 128 added, less 128 times the activation, are exact",
            Fault("offset_properties.v", "<< (WEIGHT_W - 1)", "<< WEIGHT_W"),
        ),
    ),
    *_of(
        "carry_save",
        (
            "sum",
            "two rows have the sum of four or eight, modulo 2^WIDTH",
            Fault("carry_save.v", "three ^ d ^ handed", "three ^ d"),
        ),
        (
            "fits",
            "and exactly that sum where it fits",
            Fault("carry_save.v", "| (d[TOP:0] & handed[TOP:0])", "| d[TOP:0]"),
        ),
    ),
    *_of(
        "block_adder",
        (
            "sum",
            "+, for all numbers of 33 bits",
            Fault("block_adder.v", "alone[HERE] | (&(a ^ b) & carry[k])", "alone[HERE]"),
        ),
    ),
    *_of(
        "requantize",
        (
            "positive",
            "min((sum * M) >> S, 255) for every sum >= 0, M and S",
            Fault(
                "requantize.v",
                "|(product_q[PRODUCT_W-1:ACT_W] & above)",
                "|(product_q[PRODUCT_W-2:ACT_W] & above)",
            ),
        ),
        (
            "negative",
            "zero for every negative sum, whatever comes before and after it",
            Fault("requantize.v", "{ACT_W{~negative_q}}", "{ACT_W{~sum_i[SUM_W-1]}}"),
        ),
    ),
    *_of(
        "dot_lane",
        (
            "value",
            "the accumulator takes the dot product of 8 words, after what was there or instead",
            Fault(
                "dot_lane.v", "activations_i[e*ACT_W +: ACT_W]", "activations_i[e*ACT_W +: ACT_W-1]"
            ),
        ),
        (
            "keeps",
            "the accumulator's value stays where it is told nothing",
            Fault("dot_lane.v", "valid_i ?", "1'b1 ?"),
        ),
    ),
    Property(
        "overflow_none",
        "dot_lane_overflow",
        "the two rows, added with bits to spare, are never more than as many words can give",
        Fault("dot_lane.v", "{~first_i}", "{1'b1}", depth=9),
    ),
    *_of(
        "activation_total",
        (
            "value",
            "the total is the sum of all activations of its words, with no bit lost",
            Fault("activation_total.v", "(first_i ? {TOTAL_W{1'b0}} : running_q)", "running_q"),
        ),
        (
            "stays",
            "it stays until the next",
            Fault("activation_total.v", "if (last_i) total_q", "total_q"),
        ),
    ),
    *_of(
        "sum_stage",
        (
            "valid",
            "sums come exactly 3 to 2 + STEPS clocks after their start",
            Fault("sum_stage.v", "valid_o = age_q[2]", "valid_o = age_q[1]"),
        ),
        (
            "address",
            "step and address are those of the group and the segment, group after group, in range",
            Fault("sum_stage.v", "(addr_q == FINAL_ADDR) ?", "(step_q == FINAL_STEP) ?"),
        ),
        (
            "sum",
            "every lane's sum is its two rows, its own bias, less 128 times its total",
            Fault("sum_stage.v", "? total_i : total_q", "? total_i : total_i"),
        ),
        (
            "padding",
            "where there is no lane the bias is alone",
            Fault("sum_stage.v", "(u < LAST_LANES) | (at_q != FINAL_STEP)", "1'b1"),
        ),
    ),
    *_of(
        "argmax",
        (
            "largest",
            "no value that came is larger than the one given",
            Fault(
                "argmax.v", "($signed(value_b_i) > $signed(value_a_i))", "(value_b_i > value_a_i)"
            ),
        ),
        (
            "first",
            "no equal value has a lower index than the one given",
            Fault("argmax.v", "$signed(pair_value_q) >", "$signed(pair_value_q) >="),
        ),
        (
            "index",
            "the value given is the one at the index given",
            Fault("argmax.v", "b_wins ? index_i + 1'b1 : index_i", "index_i"),
        ),
        (
            "range",
            "the index given has come",
            Fault("argmax.v", "b_wins = ~single_i & ", "b_wins = "),
        ),
    ),
    *_of(
        "image_buffer",
        (
            "ready",
            "words are taken exactly while there is room, or the rest of an image is dropped",
            Fault("image_buffer.v", "skip_q | ~full_q[write_bank_q]", "~full_q[0]"),
        ),
        (
            "available",
            "an image is available from its last word to its release, a dropped one never",
            Fault("image_buffer.v", "store & at_final & last_i", "store & at_final"),
        ),
        (
            "framing",
            "every image of wrong length is reported once, no other",
            Fault("image_buffer.v", "store & (at_final != last_i)", "store & at_final & ~last_i"),
        ),
        (
            "no_overwrite",
            "nothing is written to the image that is being read",
            Fault("image_buffer.v", "skip_q | ~full_q[write_bank_q]", "1'b1"),
        ),
        (
            "range",
            "no word beyond an image's last is written",
            Fault("image_buffer.v", "(at_final | last_i)", "last_i"),
        ),
        (
            "data",
            "a word that is read is the word that was loaded, for every image and word",
            Fault("image_buffer.v", "{read_bank_q, word_i}", "{~read_bank_q, word_i}"),
        ),
    ),
    *_of(
        "sequencer",
        (
            "range",
            "word and address stay within the image and the memories",
            Fault(
                "sequencer.v",
                "word_q <= last_o ? {WORD_W{1'b0}} : word_q + 1'b1",
                "word_q <= word_q + 1'b1",
            ),
        ),
        (
            "in_step",
            "in clock k of an image address k and word k mod WORDS are read",
            Fault(
                "sequencer.v", "{ADDR_W{1'b0}} : addr_q + 1'b1", "{ADDR_W{1'b0}} : addr_q + 2'd2"
            ),
        ),
        (
            "no_clock_lost",
            "an image starts as soon as it may, and then a word is read every clock",
            Fault(
                "sequencer.v", "available_i & (~at_start | may_start)", "available_i & may_start"
            ),
        ),
        (
            "duration",
            "an image is released exactly GROUPS * WORDS clocks after its start",
            Fault(
                "sequencer.v",
                "issue_o & (addr_q == FINAL_ADDR)",
                "issue_o & last_o & ~at_start",
            ),
        ),
        (
            "two_outstanding",
            "images under way are counted right and never more than two",
            Fault("sequencer.v", "(outstanding_q != 2'd2)", "(outstanding_q != 2'd3)", depth=16),
        ),
        (
            "group_ends",
            "first and last are the ends of every group",
            Fault("sequencer.v", "first_o   = word_q == {WORD_W{1'b0}}", "first_o   = at_start"),
        ),
        (
            "idle",
            "idle exactly when nothing is read and nothing under way",
            Fault("sequencer.v", "~issue_o & (outstanding_q == 2'd0)", "outstanding_q == 2'd0"),
        ),
    ),
    *_of(
        "hidden_stage",
        (
            "valid_latency",
            "bytes come exactly 5 to 4 + STEPS clocks after their sums",
            Fault("hidden_stage.v", "valid_o = valid_q[1]", "valid_o = valid_q[0]"),
        ),
        (
            "order",
            "they are numbered as the image's, group after group",
            Fault("hidden_stage.v", "if (valid_o) word_q", "if (sum_valid) word_q"),
        ),
        (
            "ends",
            "first and last are the image's",
            Fault(
                "hidden_stage.v", "first_o = word_q == {ADDR_W{1'b0}}", "first_o = word_q != FINAL"
            ),
        ),
        (
            "bytes",
            "every lane's byte is its own sum with its own bias, requantised",
            Fault("hidden_stage.v", "sums[r*SUM_W +: SUM_W]", "sums[0 +: SUM_W]", depth=12),
        ),
    ),
    *_of(
        "readout",
        (
            "latency",
            "a result exactly ceil(CLASSES / 2) + 5 clocks after its sums are taken over",
            Fault(
                "readout.v", "if (final_age_q[1]) valid_q", "if (final_age_q[0]) valid_q", depth=12
            ),
        ),
        (
            "none_lost",
            "sums are taken over as soon as there is room, and once",
            Fault("readout.v", "(done_i | waiting_q) & ~load", "done_i & ~load", depth=12),
        ),
        (
            "stays",
            "a result does not move until it is taken",
            Fault("readout.v", "else if (ready_i) valid_q", "else valid_q", depth=13),
        ),
        (
            "logits",
            "every logit is its own sum",
            Fault(
                "readout.v",
                "{pair, logits_q[LOGITS_W-1:2*LOGIT_W]}",
                "{pair[LOGIT_W-1:0], pair[2*LOGIT_W-1:LOGIT_W], logits_q[LOGITS_W-1:2*LOGIT_W]}",
                depth=12,
            ),
        ),
        (
            "first_maximum",
            "class and value are those of the first largest logit",
            Fault("readout.v", "(CLASSES % 2 == 1) & is_final", "1'b0", depth=12),
        ),
        (
            "range",
            "no pair beyond the last is counted, and no biases beyond the last read",
            Fault("readout.v", "is_final ? {ADDR_W{1'b0}} : at_q + 1'b1", "at_q + 1'b1", depth=12),
        ),
    ),
    *_of(
        "parameter_store",
        (
            "computation",
            "the computation reads what the host wrote last",
            Fault(
                "parameter_store.v", "(host_we_i | host_re_i) ? host_addr_i : addr_i", "host_addr_i"
            ),
        ),
        (
            "host",
            "the host reads what it wrote last",
            Fault("parameter_store.v", "host_words[bank_q*HOST_W", "host_words[host_bank_i*HOST_W"),
        ),
        (
            "valid",
            "two clocks after it asked, and at no other time",
            Fault("parameter_store.v", "host_valid_o = re_age_q[1]", "host_valid_o = re_age_q[0]"),
        ),
        (
            "keeps",
            "nothing but the host's writes to that word changes it",
            Fault("parameter_store.v", "(host_we_i & (host_bank_i == INDEX))", "(host_we_i)"),
        ),
    ),
    *_of(
        "systolic_layer",
        (
            "done",
            "done exactly 4 clocks after a sum's last word",
            Fault("systolic_layer.v", "done_o = last[3]", "done_o = last[2]"),
        ),
        (
            "total",
            "with the first segment's complete sums, the total of the same words",
            Fault(
                "systolic_layer.v", ".first_i      (first[2])", ".first_i      (first[1])", depth=14
            ),
        ),
        (
            "value",
            "every word of activations meets the weights of its address, lane by lane",
            Fault(
                "systolic_layer.v",
                "data[(AGE+2)*DATA_W +: X_W]",
                "data[(AGE+1)*DATA_W +: X_W]",
                depth=16,
            ),
        ),
        (
            "keeps",
            "nothing else moves a lane's value",
            Fault(
                "systolic_layer.v",
                ".first_i      (first[AGE+3])",
                ".first_i      (first[AGE+2])",
                depth=16,
            ),
        ),
        (
            "written",
            "a memory has what the host wrote to that word last, whatever is read or reset",
            Fault("segment.v", "(host_we_i & hit)", "(host_we_i)"),
        ),
        (
            "answer",
            "a word that the host reads comes in exactly one clock",
            Fault(
                "systolic_layer.v", "host_valid_o = host_re[END+2]", "host_valid_o = host_re[END+1]"
            ),
        ),
        (
            "read",
            "and is the one that was written last",
            Fault("segment.v", "load_i | hit_q", "load_i | pass_i", depth=12),
        ),
    ),
    *_of(
        "host_port",
        (
            "ready",
            "not ready exactly from a read to its answer",
            Fault("host_port.v", "answer & (~is_write_q | (|valid_i))", "answer"),
        ),
        (
            "ack",
            "every request that was taken is answered once, when it must be",
            Fault("host_port.v", "(good_q & ~|re_o) | refused", "good_q | refused"),
        ),
        (
            "error",
            "exactly what must be refused answers with an error",
            Fault("host_port.v", "error_q   <= refused", "error_q   <= refused & ~bad_time"),
        ),
        (
            "one_target",
            "every address reaches the one memory of the map, or none",
            Fault("host_port.v", "in_region & in_banks & in_depth", "in_region & in_depth"),
        ),
        (
            "address",
            "bank and word are those of the address",
            Fault("host_port.v", "<= bank[BANK_W-1:0]", "<= bank[BANK_W-2:0]"),
        ),
        (
            "write",
            "a memory is written exactly when a write is let in, with its data",
            Fault("host_port.v", "memory_q & {4{write}}", "memory_q & {4{go}}"),
        ),
        (
            "busy_refused",
            "no memory is reached while something runs",
            Fault(
                "host_port.v",
                "good_q & needs_idle_q & ~idle_i",
                "good_q & needs_idle_q & ~idle_i & is_write_q",
            ),
        ),
        (
            "hold",
            "hold is what was written last",
            Fault("host_port.v", "hold_q <= data_q[0]", "hold_q <= 1'b1"),
        ),
        (
            "settings",
            "M and S are what was written last and let in",
            Fault("host_port.v", "if (write & register_q[6])", "if (is_write_q & register_q[6])"),
        ),
        (
            "errors",
            "ERRORS has exactly the causes since they were cleared",
            Fault(
                "host_port.v",
                "framing_error_i, bad_value_q, bad_addr_q,",
                "framing_error_i, bad_addr_q, bad_value_q,",
            ),
        ),
        (
            "errors_sticky",
            "an error stays until a write clears it",
            Fault("host_port.v", "(errors_q & ~cleared) | new_errors", "new_errors"),
        ),
        (
            "answer",
            "the answer is the register's or the memory's that was asked",
            Fault("host_port.v", "{64{valid_i[1]}} & word_b0_i", "{64{valid_i[1]}} & word_w1_i"),
        ),
        (
            "error_answers_zero",
            "an error answers zero",
            Fault("host_port.v", "{64{go & ~is_write_q}}", "{64{~is_write_q}}"),
        ),
        (
            "alone",
            "while a memory's word is awaited no other request is on its way",
            Fault("host_port.v", "take = request_i & ~reading_q", "take = request_i"),
        ),
    ),
    *_of(
        "accelerator_hidden_2_classes_5",
        (
            "sums0_latency",
            "layer 0's sums exactly 5 clocks after each group's last word",
            Fault("accelerator.v", "last_q  <= last;", "last_q  <= first;", depth=14),
        ),
        (
            "hidden_latency",
            "hidden bytes in exactly the clocks that the image's start fixes",
            Fault("hidden_stage.v", "valid_o = valid_q[1]", "valid_o = valid_q[0]", depth=20),
        ),
        (
            "sums1_latency",
            "layer 1's sums a fixed number of clocks after the image's start",
            Fault(
                "hidden_stage.v",
                "last_o  = word_q == FINAL",
                "last_o  = word_q == FINAL - 1'b1",
                depth=22,
            ),
        ),
        (
            "latency",
            "the result exactly as many clocks after the image's last word as accelerator.v says",
            Fault(
                "readout.v",
                "if (final_age_q[1]) valid_q",
                "if (final_age_q[1] & ready_i) valid_q",
                depth=29,
                skip=26,
            ),
        ),
        (
            "not_early",
            "and not a clock earlier",
            Fault(
                "readout.v",
                "if (final_age_q[1]) valid_q",
                "if (final_age_q[0]) valid_q",
                depth=28,
                skip=25,
            ),
        ),
        (
            "outstanding",
            "images under way: those in layers 0 and 1, waiting, in the readout; at most two",
            Fault(
                "sequencer.v",
                "outstanding_q <= outstanding_q + 2'd1",
                "outstanding_q <= outstanding_q + 2'd2",
                depth=8,
            ),
        ),
        (
            "sums0_safe",
            "a sum of layer 0 is taken in the clock in which it is complete",
            Fault(
                "sum_stage.v",
                "at_q <= step_q;",
                "at_q <= {STEP_W{1'b0}};",
                depth=16,
            ),
        ),
        (
            "sums1_safe",
            "a sum of layer 1 is taken while it is complete, and its own image's",
            Fault(
                "readout.v",
                "(done_i | waiting_q) & ~active_q & ~valid_q",
                "waiting_q & ~active_q & ~valid_q",
                depth=26,
                skip=20,
            ),
        ),
        (
            "totals_safe",
            "so is the total of its activations",
            Fault(
                "readout.v",
                "(done_i | waiting_q) & ~load",
                "(done_i | waiting_q)",
                depth=32,
                skip=27,
            ),
        ),
        (
            "one_waits",
            "no sums come while others wait",
            Fault(
                "sequencer.v",
                "(outstanding_q != 2'd2)",
                "1'b1",
                depth=26,
                skip=21,
            ),
        ),
        (
            "sum_words",
            "no sum has more words than its accumulator is made for",
            Fault("sequencer.v", "last_o    = word_q == FINAL_WORD", "last_o    = 1'b0", depth=14),
        ),
        (
            "host_kept_out",
            "the host reaches no memory while anything is under way",
            Fault(
                "host_port.v",
                "good_q & needs_idle_q & ~idle_i",
                "good_q & needs_idle_q & 1'b0",
                depth=10,
            ),
        ),
        (
            "reads_safe",
            "no word of activations disturbs a read of weights",
            Fault("sequencer.v", "~issue_o & (outstanding_q == 2'd0)", "1'b1", depth=12),
        ),
        (
            "host_alone",
            "the host's accesses of memories are one after the other",
            Fault("host_port.v", "take = request_i & ~reading_q", "take = request_i", depth=10),
        ),
        (
            "host_answered",
            "the host waits for an answer a bounded number of clocks",
            Fault("parameter_store.v", "{re_age_q[0], host_re_i}", "{1'b0, host_re_i}", depth=14),
        ),
        (
            "settings_kept",
            "M and S do not change while anything is under way",
            Fault("host_port.v", "is_memory | (write_q & |register[6:5])", "is_memory", depth=10),
        ),
        (
            "result_stays",
            "a result waits until it is taken",
            Fault(
                "readout.v",
                "else if (ready_i) valid_q",
                "else valid_q",
                depth=31,
                skip=27,
            ),
        ),
        (
            "progress",
            "without new images, results accepted, every clock brings idle one clock nearer",
            Fault("sequencer.v", "(outstanding_q != 2'd2)", "(outstanding_q == 2'd1)", depth=9),
        ),
    ),
    *_of(
        "accelerator_inputs_2_lanes_1_hidden_2_classes_5",
        (
            "returns_to_idle",
            "and then it is idle a fixed number of clocks later",
            Fault(
                "sequencer.v",
                "~issue_o & (outstanding_q == 2'd0)",
                "~issue_o & (outstanding_q == 2'd1)",
                depth=107,
                skip=103,
                solver="z3",
            ),
        ),
    ),
    *_of(
        "accelerator",
        (
            "addresses",
            "every address of every memory is in range",
            Fault(
                "sequencer.v",
                "release_o ? {ADDR_W{1'b0}} : addr_q + 1'b1",
                "addr_q + 1'b1",
                depth=14,
            ),
        ),
    ),
    *_of(
        "end_to_end_2_2_2",
        (
            "results",
            "every write and every word is taken, every image gives one result",
            Fault(
                "host_port.v",
                "wdata_q[63:SHIFT_W] == {(64 - SHIFT_W)",
                "wdata_q[63:SHIFT_W-1] == {(65 - SHIFT_W)",
            ),
        ),
        (
            "latency",
            "the first result in exactly the clock that accelerator.v says",
            Fault("readout.v", "if (final_age_q[1]) valid_q", "if (final_age_q[0]) valid_q"),
        ),
        (
            "sums",
            "W0 x + b0 for every weight, input and bias",
            Fault(
                "sum_stage.v",
                "{{(SUM_W - BIAS_W) {bias[BIAS_W-1]}}, bias}",
                "{{(SUM_W - BIAS_W) {1'b0}}, bias}",
            ),
        ),
        (
            "hidden",
            "min((max(sum, 0) * M) >> S, 255) for every sum, M and S",
            Fault("requantize.v", "(low | {ACT_W{over}})", "low"),
        ),
        (
            "logits",
            "W1 h + b1 for every weight, byte and bias",
            Fault("segment.v", "<= word ^ {(BITS / WEIGHT_W) {SIGN}}", "<= word"),
        ),
        (
            "class",
            "the first index of the largest logit",
            Fault(
                "argmax.v",
                "$signed(value_b_i) > $signed(value_a_i)",
                "$signed(value_b_i) >= $signed(value_a_i)",
            ),
        ),
        (
            "value",
            "the largest logit",
            Fault("argmax.v", "b_wins ? value_b_i : value_a_i", "value_a_i"),
        ),
    ),
)


def verilog_of(proof: Proof) -> dict[str, str]:
    """File name -> text: the properties, and the modules of the hardware that they instantiate."""
    hardware = {path.stem: path for path in sources()}
    found: dict[str, str] = {}
    todo = [FORMAL / f"{proof.module}_properties.v"]
    while todo:
        path = todo.pop()
        if path.name not in found:
            (text,) = texts([path]).values()
            found[path.name] = text
            todo += [hardware[name] for name in _INSTANCE.findall(text) if name in hardware]
    return found
