// Two-layer int8 network: images in, classes and logits out; weights are loaded while nothing runs.
//
//   acc0 = W0 x                       layer_0: LANES neurons at a time, 8 inputs per clock
//   h    = clamp(max(acc0 + b0, 0) * M >> S)    hidden_stage: REQUANTS per clock
//   logits = W1 h + b1                layer_1: all classes, REQUANTS hidden bytes per clock; readout
//   class  = first maximum            argmax
//
// Every sum and product has the width of its worst case over all weights, biases and inputs, so nothing
// wraps, and nothing saturates except in the clamp above.
//
// Latency: from the clock that takes the last word of an image to the clock with result_valid_o it is
// GROUPS * WORDS + STEPS + ceil(CLASSES / 2) + 18 clocks if no other image delays it (64-100-10: 94).
// A new image may start every GROUPS * WORDS clocks (64), later if images are short (digital/clocks.py).

`default_nettype none

module accelerator #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,               // neurons of layer 0 computed at a time
    parameter REQUANTS = 2,                // hidden bytes per clock; a power of two
    parameter ELEMENTS = 8,                // inputs in a word; a power of two
    parameter WEIGHT_W = 8,                // signed
    parameter ACT_W    = 8,                // unsigned: inputs and hidden bytes
    parameter BIAS_W   = 32,               // signed
    parameter SCALE_W  = 16,               // M, unsigned
    parameter SHIFT_W  = 5,                // S, unsigned
    // Derived; do not set.
    parameter WORDS    = (INPUTS + ELEMENTS - 1) / ELEMENTS,
    parameter GROUPS   = (HIDDEN + LANES - 1) / LANES,
    parameter STEPS    = (LANES + REQUANTS - 1) / REQUANTS,
    parameter ACC0_W   = WEIGHT_W + ACT_W + $clog2(WORDS * ELEMENTS),
    parameter SUM0_W   = ((ACC0_W > BIAS_W) ? ACC0_W : BIAS_W) + 1,
    parameter ACC1_W   = WEIGHT_W + ACT_W + $clog2(GROUPS * STEPS * REQUANTS),
    parameter LOGIT_W  = ((ACC1_W > BIAS_W) ? ACC1_W : BIAS_W) + 1,
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

    // Passing hidden bytes, for observation: neuron group * LANES + step * REQUANTS + r.
    output wire                       hidden_valid_o,
    output wire [REQUANTS*ACT_W-1:0]  hidden_o,

    // Host: see host_port.v.
    input  wire                       host_request_i,
    output wire                       host_ready_o,
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
  localparam DEPTH0 = WORDS * GROUPS;
  localparam ADDR0_W = (DEPTH0 > 1) ? $clog2(DEPTH0) : 1;
  localparam BANK0_W = (LANES > 1) ? $clog2(LANES) : 1;
  localparam DEPTH1 = GROUPS * STEPS;
  localparam ADDR1_W = (DEPTH1 > 1) ? $clog2(DEPTH1) : 1;
  localparam BIAS0_BANKS = (REQUANTS * BIAS_W + HOST_W - 1) / HOST_W;
  localparam BIAS0_BANK_W = (BIAS0_BANKS > 1) ? $clog2(BIAS0_BANKS) : 1;
  localparam BIAS0_WIDTH = (BIAS0_BANKS > 1) ? HOST_W : REQUANTS * BIAS_W;
  localparam SHARE1 = (2 * REQUANTS * WEIGHT_W <= HOST_W) ? 2 : 1;   // classes whose weights share a memory
  localparam BANKS1 = (CLASSES + SHARE1 - 1) / SHARE1;
  localparam BANK1_W = (BANKS1 > 1) ? $clog2(BANKS1) : 1;
  localparam WIDTH1 = SHARE1 * REQUANTS * WEIGHT_W;
  localparam PAIRS = (CLASSES + 1) / 2;
  localparam PAIR_W = (PAIRS > 1) ? $clog2(PAIRS) : 1;
  localparam BIAS1_BANKS = (2 * BIAS_W + HOST_W - 1) / HOST_W;
  localparam BIAS1_BANK_W = (BIAS1_BANKS > 1) ? $clog2(BIAS1_BANKS) : 1;
  localparam BIAS1_WIDTH = (BIAS1_BANKS > 1) ? HOST_W : 2 * BIAS_W;

  // The host's bank and word addresses have the width of the region that needs most.
  localparam WEIGHT_BANK_W = (BANK0_W > BANK1_W) ? BANK0_W : BANK1_W;
  localparam BIAS_BANK_W = (BIAS0_BANK_W > BIAS1_BANK_W) ? BIAS0_BANK_W : BIAS1_BANK_W;
  localparam HOST_BANK_W = (WEIGHT_BANK_W > BIAS_BANK_W) ? WEIGHT_BANK_W : BIAS_BANK_W;
  localparam LAYER_WORD_W = (ADDR0_W > ADDR1_W) ? ADDR0_W : ADDR1_W;
  localparam HOST_WORD_W = (LAYER_WORD_W > PAIR_W) ? LAYER_WORD_W : PAIR_W;

  // A group's sums must have left before the next group's are complete, and the host's address must
  // reach every word. Verilog-2005 can refuse parameters only by an instance of an undefined module.
  generate
    if (STEPS > WORDS) begin : check_requants
      error_requants_too_few_for_lanes check ();
    end
    if (DEPTH0 > 1024 || LANES > 64 || PAIRS > 1024 || BANKS1 > 64) begin : check_address
      error_network_too_large_for_address check ();
    end
    if ((ELEMENTS & (ELEMENTS - 1)) != 0 || (REQUANTS & (REQUANTS - 1)) != 0) begin : check_trees
      error_not_a_power_of_two check ();
    end
    if (ELEMENTS * WEIGHT_W > HOST_W || REQUANTS * WEIGHT_W > HOST_W) begin : check_word
      error_word_wider_than_host check ();
    end
  endgenerate

  // Layer 0's sums leave in the clock in which they are complete, so its segments have one lane per sum
  // and clock. Layer 1's leave in pairs. Two pairs can share a segment, which fills multiplier blocks of
  // four, if a clock without hidden bytes between images keeps the second pair's sums until they leave.
  localparam PLACES1 = (STEPS < WORDS) ? 4 : 2;
  localparam TOTAL0_W = ACC0_W - WEIGHT_W;
  localparam TOTAL1_W = ACC1_W - WEIGHT_W;

  wire                       available, image_release, issue, first, last;
  wire [WORD_W-1:0]          word;
  wire [ADDR0_W-1:0]         addr;
  wire [ELEMENTS*ACT_W-1:0]  image_word;
  wire                       done0, done1;
  wire [LANES*2*ACC0_W-1:0]  rows0;
  wire [CLASSES*2*ACC1_W-1:0] rows1;
  wire [TOTAL0_W-1:0]        total0;
  wire [TOTAL1_W-1:0]        total1;
  wire                       hidden_first, hidden_last;
  wire [ADDR1_W-1:0]         hidden_word;
  wire                       framing_error, hold, idle;
  wire [1:0]                 outstanding;
  wire [SCALE_W-1:0]         scale;
  wire [SHIFT_W-1:0]         shift;
  wire [3:0]                 host_we, host_re, host_valid;
  wire [HOST_BANK_W-1:0]     host_bank;
  wire [HOST_WORD_W-1:0]     host_word;
  wire [63:0]                host_wdata, word_w0, word_b0, word_w1, word_b1;

  image_buffer #(.WIDTH(ELEMENTS * ACT_W), .WORDS(WORDS)) images (
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

  sequencer #(.WORDS(WORDS), .GROUPS(GROUPS)) control (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .available_i  (available),
      .hold_i       (hold),
      .accepted_i   (result_valid_o & result_ready_i),
      .release_o    (image_release),
      .issue_o      (issue),
      .word_o       (word),
      .addr_o       (addr),
      .first_o      (first),
      .last_o       (last),
      .outstanding_o(outstanding),
      .idle_o       (idle)
  );

  // The word of the image arrives from its memory one clock later, so its control signals are delayed.
  reg               issue_q;
  reg               first_q;
  reg               last_q;
  reg [ADDR0_W-1:0] addr_q;
  always @(posedge clk_i) begin
    if (rst_i) issue_q <= 1'b0;
    else issue_q <= issue;
    first_q <= first;
    last_q  <= last;
    addr_q  <= addr;
  end

  systolic_layer #(
      .LANES(LANES), .PLACES(REQUANTS), .DEPTH(DEPTH0), .ELEMENTS(ELEMENTS), .WEIGHT_W(WEIGHT_W),
      .ACT_W(ACT_W), .ACC_W(ACC0_W), .HOST_W(HOST_W)
  ) layer_0 (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .valid_i      (issue_q),
      .first_i      (first_q),
      .last_i       (last_q),
      .addr_i       (addr_q),
      .activations_i(image_word),
      .done_o       (done0),
      .rows_o       (rows0),
      .total_o      (total0),
      .host_we_i    (host_we[0]),
      .host_re_i    (host_re[0]),
      .host_bank_i  (host_bank[BANK0_W-1:0]),
      .host_addr_i  (host_word[ADDR0_W-1:0]),
      .host_wdata_i (host_wdata[ELEMENTS*WEIGHT_W-1:0]),
      .host_valid_o (host_valid[0]),
      .host_word_o  (word_w0)
  );

  hidden_stage #(
      .LANES(LANES), .REQUANTS(REQUANTS), .GROUPS(GROUPS), .ACC_W(ACC0_W), .TOTAL_W(TOTAL0_W),
      .WEIGHT_W(WEIGHT_W), .BIAS_W(BIAS_W), .SUM_W(SUM0_W), .SCALE_W(SCALE_W), .SHIFT_W(SHIFT_W),
      .ACT_W(ACT_W), .HOST_W(HOST_W)
  ) hidden (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .scale_i      (scale),
      .shift_i      (shift),
      .done_i       (done0),
      .rows_i       (rows0),
      .total_i      (total0),
      .valid_o      (hidden_valid_o),
      .first_o      (hidden_first),
      .last_o       (hidden_last),
      .word_o       (hidden_word),
      .hidden_o     (hidden_o),
      .host_we_i    (host_we[1]),
      .host_re_i    (host_re[1]),
      .host_bank_i  (host_bank[BIAS0_BANK_W-1:0]),
      .host_addr_i  (host_word[ADDR1_W-1:0]),
      .host_wdata_i (host_wdata[BIAS0_WIDTH-1:0]),
      .host_valid_o (host_valid[1]),
      .host_word_o  (word_b0)
  );

  systolic_layer #(
      .LANES(CLASSES), .PLACES(PLACES1), .SKEW(PLACES1 / 2), .MEM_LANES(SHARE1), .DEPTH(DEPTH1),
      .ELEMENTS(REQUANTS), .WEIGHT_W(WEIGHT_W), .ACT_W(ACT_W), .ACC_W(ACC1_W), .HOST_W(HOST_W)
  ) layer_1 (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .valid_i      (hidden_valid_o),
      .first_i      (hidden_first),
      .last_i       (hidden_last),
      .addr_i       (hidden_word),
      .activations_i(hidden_o),
      .done_o       (done1),
      .rows_o       (rows1),
      .total_o      (total1),
      .host_we_i    (host_we[2]),
      .host_re_i    (host_re[2]),
      .host_bank_i  (host_bank[BANK1_W-1:0]),
      .host_addr_i  (host_word[ADDR1_W-1:0]),
      .host_wdata_i (host_wdata[WIDTH1-1:0]),
      .host_valid_o (host_valid[2]),
      .host_word_o  (word_w1)
  );

  readout #(
      .CLASSES(CLASSES), .ACC_W(ACC1_W), .TOTAL_W(TOTAL1_W), .WEIGHT_W(WEIGHT_W), .BIAS_W(BIAS_W),
      .LOGIT_W(LOGIT_W), .HOST_W(HOST_W)
  ) result (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .done_i       (done1),
      .rows_i       (rows1),
      .total_i      (total1),
      .valid_o      (result_valid_o),
      .ready_i      (result_ready_i),
      .class_o      (result_class_o),
      .value_o      (result_value_o),
      .logits_o     (result_logits_o),
      .host_we_i    (host_we[3]),
      .host_re_i    (host_re[3]),
      .host_bank_i  (host_bank[BIAS1_BANK_W-1:0]),
      .host_addr_i  (host_word[PAIR_W-1:0]),
      .host_wdata_i (host_wdata[BIAS1_WIDTH-1:0]),
      .host_valid_o (host_valid[3]),
      .host_word_o  (word_b1)
  );

  host_port #(
      .INPUTS(INPUTS), .HIDDEN(HIDDEN), .CLASSES(CLASSES), .LANES(LANES), .REQUANTS(REQUANTS),
      .SCALE_W(SCALE_W), .SHIFT_W(SHIFT_W), .BANKS_W0(LANES), .DEPTH_W0(DEPTH0),
      .BANKS_B0(BIAS0_BANKS), .DEPTH_B0(DEPTH1), .BANKS_W1(BANKS1), .DEPTH_W1(DEPTH1),
      .BANKS_B1(BIAS1_BANKS), .DEPTH_B1(PAIRS), .BANK_W(HOST_BANK_W), .WORD_W(HOST_WORD_W)
  ) host (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .request_i      (host_request_i),
      .ready_o        (host_ready_o),
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
      .we_o           (host_we),
      .re_o           (host_re),
      .bank_o         (host_bank),
      .word_o         (host_word),
      .wdata_o        (host_wdata),
      .valid_i        (host_valid),
      .word_w0_i      (word_w0),
      .word_b0_i      (word_b0),
      .word_w1_i      (word_w1),
      .word_b1_i      (word_b1)
  );

endmodule

`default_nettype wire
