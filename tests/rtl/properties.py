"""What is proven of ``hdl``: the proofs, their properties, and for each property a seeded fault.

A property is the label of an assertion in ``formal/<module>_properties.v``. Labels that begin with
``inside_`` are what induction needs to know of registers; they are proven too, but not promised. A
fault replaces text that stands once in one file of ``hdl``; under it this very property, with all
the other assertions removed, must have a counterexample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ohmbench.eda.formal import Job
from ohmbench.eda.hdl import sources

_INSTANCE = re.compile(r"^ *(\w+) (?:#|\w+ )\(", re.MULTILINE)
FORMAL = Path(__file__).with_name("formal")


@dataclass(frozen=True)
class Proof:
    """One job on ``formal/<module>_properties.v``. ``cover``: clocks within which its cover
    statement is reached (0: it has none). ``one_by_one``: a job an assertion, for hard ones."""

    name: str
    module: str
    job: Job
    why_complete: str
    cover: int = 0
    one_by_one: bool = False
    timeout_s: int = 120


_FOR_ALL_TIME = "k-induction"
_ANY_STATE = "from arbitrary registers: no state is older than the depth"
_CONCRETE = "the control is concrete and the depth covers the whole run"


def _small(
    inputs: int, hidden: int, classes: int, lanes: int, requants: int, images: int = 1
) -> Job:
    """The job for the accelerator of these sizes, with ``end_to_end_properties.v``'s own clocks."""
    words, groups = -(-inputs // 2), -(-hidden // lanes)
    steps, pairs = -(-lanes // requants), -(-classes // 2)
    writes = lanes * groups * words + 2 * groups * steps + pairs + 2
    latency = groups * words + steps + pairs + 1 + (requants - 1) + 13
    result = writes + 3 + words - 1 + latency
    end = result + (images - 1) * (groups * words + pairs + 4) + 1
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


PROOFS = {
    proof.name: proof
    for proof in (
        _proof("requantize", "bmc", 6, "bitwuzla", cover=6),
        _proof("dot_lane", "bmc", 6, "bitwuzla", cover=6),
        Proof(
            "dot_lane_of_2",
            "dot_lane",
            Job(
                "dot_lane_properties", "bmc", 4, "bitwuzla", parameters={"ELEMENTS": 2, "ACC_W": 23}
            ),
            _ANY_STATE,
        ),
        _proof("dot_lane_overflow", "prove", 6, "bitwuzla", cover=9),
        Proof(
            "dot_lane_overflow_of_2",
            "dot_lane_overflow",
            Job(
                "dot_lane_overflow_properties",
                "prove",
                4,
                "bitwuzla",
                parameters={"ELEMENTS": 2, "WORDS": 56},
            ),
            _FOR_ALL_TIME,
        ),
        _proof("adder_tree", "bmc", 5, "bitwuzla", cover=5),
        _proof("argmax", "prove", 4, "bitwuzla", cover=9),
        _proof("delay", "prove", 5, cover=7),
        _proof("image_buffer", "prove", 4, cover=14),
        _proof("sequencer", "prove", 4, cover=14),
        _proof("hidden_stage", "prove", 9, cover=16),
        _proof("readout", "prove", 8, cover=16),
        _proof("parameter_store", "prove", 4, cover=7),
        _proof("host_port", "prove", 3, cover=8),
        _proof("accelerator", "prove", 3),
        Proof("end_to_end_2_2_2", "end_to_end", _small(2, 2, 2, 2, 2), _CONCRETE),
        Proof(
            "end_to_end_4_3_3",
            "end_to_end",
            _small(4, 3, 3, 2, 1),
            _CONCRETE,
            one_by_one=True,
            timeout_s=600,
        ),
        Proof(
            "end_to_end_3_3_2_two_images",
            "end_to_end",
            _small(3, 3, 2, 3, 2, images=2),
            _CONCRETE,
            one_by_one=True,
            timeout_s=600,
        ),
    )
}
"""Name -> proof."""


@dataclass(frozen=True)
class Fault:
    """``old`` -> ``new`` in one file of ``hdl``. ``depth``: clocks within which a counterexample is
    looked for; ``skip``: only from this clock on, where it cannot be earlier."""

    file: str
    old: str
    new: str
    depth: int = 0
    skip: int = 0

    def apply(self, verilog: dict[str, str]) -> dict[str, str]:
        """The sources with the fault. Raises ValueError unless ``old`` stands there once."""
        count = verilog[self.file].count(self.old)
        if count != 1:
            raise ValueError(f"{self.file} has {self.old!r} {count} times, but should have it once")
        return {**verilog, self.file: verilog[self.file].replace(self.old, self.new)}


@dataclass(frozen=True)
class Property:
    """One assertion: its label, the proof it is shown to fail in, what it says, its fault."""

    label: str
    proof: str
    meaning: str
    fault: Fault = field(repr=False)
    slow: bool = False


_SLOW_FAULTS = {
    # A hundred clocks until it must be idle.
    "accelerator_returns_to_idle",
    # As the others of their kind, but on the whole accelerator.
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
        "requantize",
        (
            "positive",
            "min((sum * M) >> S, 255) for every sum >= 0, M and S",
            Fault("requantize.v", "|fine[PRODUCT_W-1:ACT_W]", "|fine[PRODUCT_W-2:ACT_W]"),
        ),
        (
            "negative",
            "zero for every negative sum, whatever comes before and after it",
            Fault("requantize.v", "h_q <= negative_q[2] ?", "h_q <= negative_q[1] ?"),
        ),
        (
            "reset",
            "zero after a reset",
            Fault("requantize.v", "if (rst_i) h_q <= {ACT_W{1'b0}};\n    else h_q", "h_q"),
        ),
    ),
    *_of(
        "dot_lane",
        (
            "value",
            "the accumulator takes the dot product of 8 words, after what was there or instead",
            Fault(
                "dot_lane.v",
                "$signed({1'b0, activation})",
                "$signed(activation)",
            ),
        ),
        (
            "keeps",
            "the accumulator stays where it is told nothing",
            Fault("dot_lane.v", "if (accumulate_i) acc_q", "if (accumulate_i | first_i) acc_q"),
        ),
    ),
    Property(
        "overflow_none",
        "dot_lane_overflow",
        "the accumulator equals one with bits to spare, for as many words as ACC_W is made for",
        Fault("dot_lane.v", "{{(ACC_W - SUM_W) {sum[SUM_W-1]}}, sum}", "{3'd0, sum}", depth=9),
    ),
    Property(
        "overflow_bounds",
        "dot_lane_overflow",
        "n words give a sum within n times the extremes of one",
        Fault(
            "dot_lane.v",
            "weight * $signed({1'b0, activation})",
            "weight * $signed({1'b0, activation}) - 16'sd300",
            depth=9,
        ),
    ),
    Property(
        "overflow_sum",
        "dot_lane_overflow",
        "one word's dot product is within its extremes",
        Fault("adder_tree.v", "{a[WIDTH-1], a} +", "{1'b0, a} +", depth=9),
    ),
    *_of(
        "adder_tree",
        (
            "sum",
            "the sum of 8 terms of 16 bits, exactly",
            Fault("adder_tree.v", "+ {b[WIDTH-1], b}", "+ {1'b0, b}"),
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
        "delay",
        (
            "exact",
            "what came CLOCKS clocks ago, zero for what was before a reset",
            Fault(
                "delay.v",
                "assign q_o = age_q[(CLOCKS-1)*WIDTH",
                "assign q_o = age_q[(CLOCKS-2)*WIDTH",
            ),
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
            "bytes come exactly 6 to 5 + STEPS clocks after their sums",
            Fault(
                "hidden_stage.v", "valid_o = step_age_q[STAGES-1]", "valid_o = step_age_q[STAGES-2]"
            ),
        ),
        (
            "fetch_ahead",
            "fetch is exactly one clock ahead of the bytes",
            Fault(
                "hidden_stage.v", "fetch_o = step_age_q[STAGES-2]", "fetch_o = step_age_q[STAGES-1]"
            ),
        ),
        (
            "order",
            "step and address are those of the group and the lane, group after group",
            Fault("hidden_stage.v", "(addr_q == FINAL_ADDR) ?", "(step_q == FINAL_STEP) ?"),
        ),
        (
            "range",
            "the address stays within the biases",
            Fault(
                "hidden_stage.v",
                "(addr_q == FINAL_ADDR) ? {ADDR_W{1'b0}} : addr_q + 1'b1",
                "addr_q + 1'b1",
                depth=12,
            ),
        ),
        (
            "bytes",
            "every lane's byte is its own sum with its own bias, requantised",
            Fault("hidden_stage.v", "queue_q >> SHIFT_OUT", "queue_q >> ACC_W", depth=12),
        ),
    ),
    *_of(
        "readout",
        (
            "latency",
            "a result exactly ceil(CLASSES / 2) + 3 clocks after its sums are taken over",
            Fault("readout.v", "CLOCKS  = PAIRS + 2", "CLOCKS  = PAIRS + 1"),
        ),
        (
            "none_lost",
            "sums are taken over as soon as there is room, and once",
            Fault("readout.v", "(done_i | waiting_q) & ~load", "done_i & ~load", depth=12),
        ),
        (
            "stays",
            "a result does not move until it is taken",
            Fault("readout.v", "else if (ready_i) valid_q", "else valid_q"),
        ),
        (
            "logits",
            "every logit is its sum plus its bias",
            Fault(
                "readout.v",
                "(count_q < FINAL_PAIR)) ? count_q + 1'b1",
                "(count_q < FINAL_PAIR)) ? count_q",
            ),
        ),
        (
            "first_maximum",
            "class and value are those of the first largest logit",
            Fault(
                "readout.v", "pair_first_q  <= count_q == {COUNT_W{1'b0}}", "pair_first_q  <= 1'b0"
            ),
        ),
        (
            "range",
            "no pair of biases beyond the last is read",
            Fault(
                "readout.v",
                "(active_q & (count_q < FINAL_PAIR)) ?",
                "(active_q & (count_q < FINAL_SHIFT)) ?",
            ),
        ),
    ),
    *_of(
        "parameter_store",
        (
            "computation",
            "the computation reads what the host wrote last",
            Fault("parameter_store.v", "host_select_i ? host_addr_i : addr_i", "host_addr_i"),
        ),
        (
            "host",
            "the host reads what it wrote last, two clocks later",
            Fault("parameter_store.v", "host_words[bank_q*HOST_W", "host_words[host_bank_i*HOST_W"),
        ),
        (
            "keeps",
            "nothing but the host's writes to that word changes it",
            Fault("parameter_store.v", "(host_select_i & host_we_i &", "(host_we_i &"),
        ),
    ),
    *_of(
        "host_port",
        (
            "ack_latency",
            "every request is answered exactly 3 clocks later, nothing else is",
            Fault("host_port.v", "{ack_age_q[0], request_q}", "{ack_age_q[0], go}"),
        ),
        (
            "error_latency",
            "exactly what must be refused answers with an error",
            Fault(
                "host_port.v", "{error_age_q[0], refused}", "{error_age_q[0], refused & ~bad_time}"
            ),
        ),
        (
            "one_target",
            "every address reaches the one memory of the map, or none",
            Fault("host_port.v", "in_region & in_banks & in_depth", "in_region & in_depth"),
        ),
        (
            "address",
            "bank and word are those of the address",
            Fault("host_port.v", "bank_o   = bank[BANK_W-1:0]", "bank_o   = bank[BANK_W-2:0]"),
        ),
        (
            "write",
            "a memory is written exactly when a write is let in, with its data",
            Fault("host_port.v", "we_o     = write_q", "we_o     = we_i"),
        ),
        (
            "busy_refused",
            "no memory is reached while something runs",
            Fault(
                "host_port.v",
                "fits & needs_idle & ~idle_i",
                "fits & needs_idle & ~idle_i & write_q",
            ),
        ),
        (
            "hold",
            "hold is what was written last",
            Fault("host_port.v", "hold_q <= wdata_q[0]", "hold_q <= 1'b1"),
        ),
        (
            "settings",
            "M and S are what was written last and let in",
            Fault("host_port.v", "if (write & register[6])", "if (write_q & register[6])"),
        ),
        (
            "errors",
            "ERRORS has exactly the causes since they were cleared",
            Fault(
                "host_port.v",
                "framing_error_i, bad_value, bad_addr,",
                "framing_error_i, bad_addr, bad_value,",
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
            Fault(
                "host_port.v",
                "{64{read_late_q[1]}} & rdata_b1_i",
                "{64{read_late_q[1]}} & rdata_w2_i",
            ),
        ),
        (
            "error_answers_zero",
            "an error answers zero",
            Fault(
                "host_port.v",
                "value_q      <= (go & ~write_q)",
                "value_q      <= (request_q & ~write_q)",
            ),
        ),
    ),
    *_of(
        "accelerator",
        (
            "sums1_latency",
            "layer 1's sums exactly 3 + log2(ELEMENTS) clocks after each group's last word",
            Fault("layer1.v", ".CLOCKS(SUM_LATENCY + 1)", ".CLOCKS(SUM_LATENCY)", depth=12),
        ),
        (
            "hidden_latency",
            "hidden bytes in exactly the clocks that the image's start fixes",
            Fault(
                "hidden_stage.v",
                "valid_o = step_age_q[STAGES-1]",
                "valid_o = step_age_q[STAGES-2]",
                depth=18,
            ),
        ),
        (
            "sums2_latency",
            "layer 2's sums a fixed number of clocks after the image's start",
            Fault(
                "layer2.v", ".CLOCKS(SUM_LATENCY + 1)", ".CLOCKS(SUM_LATENCY)", depth=24, skip=20
            ),
        ),
        (
            "latency",
            "the result exactly as many clocks after the image's last word as accelerator.v says",
            Fault("readout.v", "CLOCKS  = PAIRS + 2", "CLOCKS  = PAIRS + 3", depth=29, skip=26),
        ),
        (
            "not_early",
            "and not a clock earlier",
            Fault("readout.v", "CLOCKS  = PAIRS + 2", "CLOCKS  = PAIRS + 1", depth=29, skip=25),
        ),
        (
            "outstanding",
            "images under way: those in layers 1 and 2, waiting, in the readout; at most two",
            Fault(
                "sequencer.v",
                "outstanding_q <= outstanding_q + 2'd1",
                "outstanding_q <= outstanding_q + 2'd2",
                depth=8,
            ),
        ),
        (
            "queue_safe",
            "a group's sums have left the queue when the next group's come",
            Fault("layer1.v", "(issue_i & last_i)", "(issue_i)", depth=14),
        ),
        (
            "sums_safe",
            "layer 2's sums are not overwritten before the readout has taken them",
            Fault(
                "readout.v",
                "(done_i | waiting_q) & ~active_q & ~valid_q",
                "waiting_q & ~active_q & ~valid_q",
                depth=30,
                skip=24,
            ),
        ),
        (
            "one_waits",
            "no sums come while others wait",
            Fault(
                "layer2.v",
                "(valid_i & last_q)",
                "(valid_i & (last_q | first_q))",
                depth=26,
                skip=21,
            ),
        ),
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
        (
            "host_kept_out",
            "the host reaches no memory while anything is under way",
            Fault(
                "host_port.v", "fits & needs_idle & ~idle_i", "fits & needs_idle & 1'b0", depth=8
            ),
        ),
        (
            "settings_kept",
            "M and S do not change while anything is under way",
            Fault("host_port.v", "is_memory | (write_q & |register[6:5])", "is_memory", depth=8),
        ),
        (
            "result_stays",
            "a result waits until it is taken",
            Fault("readout.v", "else if (ready_i) valid_q", "else valid_q", depth=30, skip=26),
        ),
        (
            "progress",
            "without new images, results accepted, every clock brings idle one clock nearer",
            Fault("sequencer.v", "(outstanding_q != 2'd2)", "(outstanding_q == 2'd1)", depth=9),
        ),
        (
            "returns_to_idle",
            "and then it is idle a fixed number of clocks later",
            Fault(
                "sequencer.v",
                "~issue_o & (outstanding_q == 2'd0)",
                "~issue_o & (outstanding_q == 2'd1)",
                depth=107,
                skip=105,
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
            Fault("readout.v", "CLOCKS  = PAIRS + 2", "CLOCKS  = PAIRS + 3"),
        ),
        (
            "sums",
            "W1 x + b1 for every weight, input and bias",
            Fault("hidden_stage.v", "{{(SUM_W - BIAS_W) {bias[BIAS_W-1]}}, bias}", "{1'b0, bias}"),
        ),
        (
            "hidden",
            "min((max(sum, 0) * M) >> S, 255) for every sum, M and S",
            Fault("requantize.v", "low_q | {ACT_W{over_q}}", "low_q"),
        ),
        (
            "logits",
            "W2 h + b2 for every weight, byte and bias",
            Fault("readout.v", "{{(LOGIT_W - BIAS_W) {bias[BIAS_W-1]}}, bias}", "{1'b0, bias}"),
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
    """File name -> text: the properties, and of the hardware the modules under them."""
    hardware = {path.stem: path for path in sources()}
    found: dict[str, str] = {}
    todo = [FORMAL / f"{proof.module}_properties.v"]
    while todo:
        path = todo.pop()
        if path.name not in found:
            found[path.name] = text = path.read_text()
            todo += [hardware[name] for name in _INSTANCE.findall(text) if name in hardware]
    return found
