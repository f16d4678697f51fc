// Two-layer int8 network: images in, classes and logits out, weights loadable while nothing runs.
//
//   acc1 = W1 x                       layer1: LANES neurons at a time, 8 inputs a clock
//   h    = clamp(max(acc1 + b1, 0) * M >> S)    hidden_stage: REQUANTS a clock
//   logits = W2 h + b2                layer2: all classes, REQUANTS hidden bytes a clock; readout
//   class  = first maximum            argmax
//
// No width is chosen by hope: every sum and product has the bits of its worst case over all weights,
// biases and inputs, so nothing wraps or saturates but the clamp above.
//
// Latency: from the clock that takes the last word of an image to the clock with result_valid_o
// GROUPS * WORDS + STEPS + ceil(CLASSES / 2) + log2(ELEMENTS) + log2(REQUANTS) + 13 clocks when
// nothing is in the way (64-100-10: 93). A new image may start every GROUPS * WORDS clocks (64).

`default_nettype none

module accelerator #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,               // neurons of layer 1 computed at a time
    parameter REQUANTS = 2,                // hidden bytes a clock; a power of two
    parameter ELEMENTS = 8,                // inputs in a word; a power of two
    parameter WEIGHT_W = 8,                // signed
    parameter ACT_W    = 8,                // unsigned: inputs and hidden bytes
    parameter BIAS_W   = 32,               // signed
    parameter SCALE_W  = 16,               // M, unsigned
    parameter SHIFT_W  = 5,                // S, unsigned
    // Derived; not to be set.
    parameter WORDS    = (INPUTS + ELEMENTS - 1) / ELEMENTS,
    parameter GROUPS   = (HIDDEN + LANES - 1) / LANES,
    parameter STEPS    = (LANES + REQUANTS - 1) / REQUANTS,
    parameter ACC1_W   = WEIGHT_W + ACT_W + $clog2(WORDS * ELEMENTS),
    parameter SUM1_W   = ((ACC1_W > BIAS_W) ? ACC1_W : BIAS_W) + 1,
    parameter ACC2_W   = WEIGHT_W + ACT_W + $clog2(GROUPS * STEPS * REQUANTS),
    parameter LOGIT_W  = ((ACC2_W > BIAS_W) ? ACC2_W : BIAS_W) + 1,
    parameter CLASS_W  = (CLASSES > 1) ? $clog2(CLASSES) : 1
) (
    input  wire                       clk_i,
    input  wire                       rst_i,

    // Images: WORDS words of ELEMENTS inputs, the first input in the low bits.
    input  wire                       image_valid_i,
    output wire                       image_ready_o,
    input  wire [ELEMENTS*ACT_W-1:0]  image_data_i,
    input  wire                       image_last_i,

    // Results, stable from valid to ready.
    output wire                       result_valid_o,
    input  wire                       result_ready_i,
    output wire [CLASS_W-1:0]         result_class_o,
    output wire [LOGIT_W-1:0]         result_value_o,
    output wire [CLASSES*LOGIT_W-1:0] result_logits_o,

    // Hidden bytes as they pass, for observation: neuron group * LANES + step * REQUANTS + r.
    output wire                       hidden_valid_o,
    output wire [REQUANTS*ACT_W-1:0]  hidden_o,

    // Host: see host_port.v.
    input  wire                       host_request_i,
    input  wire                       host_we_i,
    input  wire                       host_malformed_i,
    input  wire [18:0]                host_addr_i,
    input  wire [63:0]                host_wdata_i,
    output wire                       host_ack_o,
    output wire                       host_error_o,
    output wire [63:0]                host_rdata_o
);

  localparam HOST_W = 64;
  localparam WORD_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam DEPTH1 = WORDS * GROUPS;
  localparam ADDR1_W = (DEPTH1 > 1) ? $clog2(DEPTH1) : 1;
  localparam BANK1_W = (LANES > 1) ? $clog2(LANES) : 1;
  localparam DEPTH2 = GROUPS * STEPS;
  localparam ADDR2_W = (DEPTH2 > 1) ? $clog2(DEPTH2) : 1;
  localparam BIAS1_BANKS = (REQUANTS * BIAS_W + HOST_W - 1) / HOST_W;
  localparam BIAS1_BANK_W = (BIAS1_BANKS > 1) ? $clog2(BIAS1_BANKS) : 1;
  localparam BIAS1_WIDTH = (BIAS1_BANKS > 1) ? HOST_W : REQUANTS * BIAS_W;
  localparam BANKS2 = (CLASSES * REQUANTS * WEIGHT_W + HOST_W - 1) / HOST_W;
  localparam BANK2_W = (BANKS2 > 1) ? $clog2(BANKS2) : 1;
  localparam WIDTH2 = (BANKS2 > 1) ? HOST_W : CLASSES * REQUANTS * WEIGHT_W;
  localparam PAIRS = (CLASSES + 1) / 2;
  localparam PAIR_W = (PAIRS > 1) ? $clog2(PAIRS) : 1;
  localparam BIAS2_BANKS = (2 * BIAS_W + HOST_W - 1) / HOST_W;
  localparam BIAS2_BANK_W = (BIAS2_BANKS > 1) ? $clog2(BIAS2_BANKS) : 1;
  localparam BIAS2_WIDTH = (BIAS2_BANKS > 1) ? HOST_W : 2 * BIAS_W;

  // The host's bank and word have the bits of the region that needs most.
  localparam WEIGHT_BANK_W = (BANK1_W > BANK2_W) ? BANK1_W : BANK2_W;
  localparam BIAS_BANK_W = (BIAS1_BANK_W > BIAS2_BANK_W) ? BIAS1_BANK_W : BIAS2_BANK_W;
  localparam HOST_BANK_W = (WEIGHT_BANK_W > BIAS_BANK_W) ? WEIGHT_BANK_W : BIAS_BANK_W;
  localparam LAYER_WORD_W = (ADDR1_W > ADDR2_W) ? ADDR1_W : ADDR2_W;
  localparam HOST_WORD_W = (LAYER_WORD_W > PAIR_W) ? LAYER_WORD_W : PAIR_W;

  // A group's sums must have left the queue when the next group's come, and the host's address must
  // reach every word. A module that does not exist is how Verilog-2005 refuses parameters.
  generate
    if (STEPS > WORDS) begin : check_requants
      error_requants_too_few_for_lanes check ();
    end
    if (DEPTH1 > 1024 || LANES > 64 || PAIRS > 1024 || BANKS2 > 64) begin : check_address
      error_network_too_large_for_address check ();
    end
    if ((ELEMENTS & (ELEMENTS - 1)) != 0 || (REQUANTS & (REQUANTS - 1)) != 0) begin : check_trees
      error_not_a_power_of_two check ();
    end
    if (ELEMENTS * WEIGHT_W > HOST_W) begin : check_word
      error_word_wider_than_host check ();
    end
  endgenerate

  wire                       available, image_release, issue, first, last, group_done;
  wire [WORD_W-1:0]          word;
  wire [ADDR1_W-1:0]         addr1;
  wire [ELEMENTS*ACT_W-1:0]  image_word;
  wire [LANES*ACC1_W-1:0]    acc1;
  wire                       hidden_fetch, layer2_done;
  wire [CLASSES*ACC2_W-1:0]  acc2;
  wire                       framing_error, hold, idle;
  wire [1:0]                 outstanding;
  wire [SCALE_W-1:0]         scale;
  wire [SHIFT_W-1:0]         shift;
  wire [3:0]                 host_select;
  wire                       host_we;
  wire [HOST_BANK_W-1:0]     host_bank;
  wire [HOST_WORD_W-1:0]     host_word;
  wire [63:0]                host_wdata, rdata_w1, rdata_b1, rdata_w2, rdata_b2;

  image_buffer #(
      .WIDTH(ELEMENTS * ACT_W),
      .WORDS(WORDS)
  ) images (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .valid_i        (image_valid_i),
      .ready_o        (image_ready_o),
      .data_i         (image_data_i),
      .last_i         (image_last_i),
      .framing_error_o(framing_error),
      .available_o    (available),
      .release_i      (image_release),
      .word_i         (word),
      .data_o         (image_word)
  );

  sequencer #(
      .WORDS (WORDS),
      .GROUPS(GROUPS)
  ) control (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .available_i  (available),
      .hold_i       (hold),
      .accepted_i   (result_valid_o & result_ready_i),
      .release_o    (image_release),
      .issue_o      (issue),
      .word_o       (word),
      .addr_o       (addr1),
      .first_o      (first),
      .last_o       (last),
      .outstanding_o(outstanding),
      .idle_o       (idle)
  );

  layer1 #(
      .LANES   (LANES),
      .DEPTH   (DEPTH1),
      .ELEMENTS(ELEMENTS),
      .WEIGHT_W(WEIGHT_W),
      .ACT_W   (ACT_W),
      .ACC_W   (ACC1_W),
      .HOST_W  (HOST_W)
  ) first_layer (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .issue_i      (issue),
      .addr_i       (addr1),
      .first_i      (first),
      .last_i       (last),
      .activations_i(image_word),
      .done_o       (group_done),
      .acc_o        (acc1),
      .host_select_i(host_select[0]),
      .host_we_i    (host_we),
      .host_bank_i  (host_bank[BANK1_W-1:0]),
      .host_addr_i  (host_word[ADDR1_W-1:0]),
      .host_wdata_i (host_wdata[ELEMENTS*WEIGHT_W-1:0]),
      .host_rdata_o (rdata_w1)
  );

  hidden_stage #(
      .LANES   (LANES),
      .GROUPS  (GROUPS),
      .REQUANTS(REQUANTS),
      .ACC_W   (ACC1_W),
      .BIAS_W  (BIAS_W),
      .SUM_W   (SUM1_W),
      .SCALE_W (SCALE_W),
      .SHIFT_W (SHIFT_W),
      .ACT_W   (ACT_W),
      .HOST_W  (HOST_W)
  ) hidden (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .scale_i      (scale),
      .shift_i      (shift),
      .done_i       (group_done),
      .acc_i        (acc1),
      .fetch_o      (hidden_fetch),
      .valid_o      (hidden_valid_o),
      .hidden_o     (hidden_o),
      .host_select_i(host_select[1]),
      .host_we_i    (host_we),
      .host_bank_i  (host_bank[BIAS1_BANK_W-1:0]),
      .host_addr_i  (host_word[ADDR2_W-1:0]),
      .host_wdata_i (host_wdata[BIAS1_WIDTH-1:0]),
      .host_rdata_o (rdata_b1)
  );

  layer2 #(
      .CLASSES (CLASSES),
      .REQUANTS(REQUANTS),
      .DEPTH   (DEPTH2),
      .WEIGHT_W(WEIGHT_W),
      .ACT_W   (ACT_W),
      .ACC_W   (ACC2_W),
      .HOST_W  (HOST_W)
  ) second_layer (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .fetch_i      (hidden_fetch),
      .valid_i      (hidden_valid_o),
      .hidden_i     (hidden_o),
      .done_o       (layer2_done),
      .acc_o        (acc2),
      .host_select_i(host_select[2]),
      .host_we_i    (host_we),
      .host_bank_i  (host_bank[BANK2_W-1:0]),
      .host_addr_i  (host_word[ADDR2_W-1:0]),
      .host_wdata_i (host_wdata[WIDTH2-1:0]),
      .host_rdata_o (rdata_w2)
  );

  readout #(
      .CLASSES(CLASSES),
      .ACC_W  (ACC2_W),
      .BIAS_W (BIAS_W),
      .LOGIT_W(LOGIT_W),
      .HOST_W (HOST_W)
  ) result (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .done_i       (layer2_done),
      .acc_i        (acc2),
      .valid_o      (result_valid_o),
      .ready_i      (result_ready_i),
      .class_o      (result_class_o),
      .value_o      (result_value_o),
      .logits_o     (result_logits_o),
      .host_select_i(host_select[3]),
      .host_we_i    (host_we),
      .host_bank_i  (host_bank[BIAS2_BANK_W-1:0]),
      .host_addr_i  (host_word[PAIR_W-1:0]),
      .host_wdata_i (host_wdata[BIAS2_WIDTH-1:0]),
      .host_rdata_o (rdata_b2)
  );

  host_port #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS),
      .SCALE_W (SCALE_W),
      .SHIFT_W (SHIFT_W),
      .BANKS_W1(LANES),
      .DEPTH_W1(DEPTH1),
      .BANKS_B1(BIAS1_BANKS),
      .DEPTH_B1(DEPTH2),
      .BANKS_W2(BANKS2),
      .DEPTH_W2(DEPTH2),
      .BANKS_B2(BIAS2_BANKS),
      .DEPTH_B2(PAIRS),
      .BANK_W  (HOST_BANK_W),
      .WORD_W  (HOST_WORD_W)
  ) host (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .request_i      (host_request_i),
      .we_i           (host_we_i),
      .malformed_i    (host_malformed_i),
      .addr_i         (host_addr_i),
      .wdata_i        (host_wdata_i),
      .ack_o          (host_ack_o),
      .error_o        (host_error_o),
      .rdata_o        (host_rdata_o),
      .idle_i         (idle),
      .result_waits_i (result_valid_o),
      .image_waits_i  (available),
      .outstanding_i  (outstanding),
      .framing_error_i(framing_error),
      .hold_o         (hold),
      .scale_o        (scale),
      .shift_o        (shift),
      .select_o       (host_select),
      .we_o           (host_we),
      .bank_o         (host_bank),
      .word_o         (host_word),
      .wdata_o        (host_wdata),
      .rdata_w1_i     (rdata_w1),
      .rdata_b1_i     (rdata_b1),
      .rdata_w2_i     (rdata_w2),
      .rdata_b2_i     (rdata_b2)
  );

endmodule

`default_nettype wire
