// From the sums of layer 1 to the result: in every clock two sums get their biases and are stored as
// logits, while argmax compares each pair.
//
// Latency: valid_o comes ceil(CLASSES / 2) + 5 clocks after done_i if no earlier result waits. A result
// stays until it is taken (valid_o and ready_i in one clock). Meanwhile the sums of the next image wait
// in layer 1, where the sequencer prevents overwriting.

`default_nettype none

module readout #(
    parameter CLASSES  = 10,
    parameter ACC_W    = 23,               // bits of a row
    parameter TOTAL_W  = 15,
    parameter WEIGHT_W = 8,
    parameter BIAS_W   = 32,               // signed
    parameter LOGIT_W  = 33,               // signed
    parameter HOST_W   = 64,
    parameter CLASS_W  = (CLASSES > 1) ? $clog2(CLASSES) : 1,
    parameter PAIRS    = (CLASSES + 1) / 2,
    parameter BANKS    = (2 * BIAS_W + HOST_W - 1) / HOST_W,
    parameter WIDTH    = (BANKS > 1) ? HOST_W : 2 * BIAS_W,
    parameter ADDR_W   = (PAIRS > 1) ? $clog2(PAIRS) : 1,
    parameter BANK_W   = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                       clk_i,
    input  wire                       rst_i,

    input  wire                       done_i,     // an image's sums will be complete in the next clock
    input  wire [CLASSES*2*ACC_W-1:0]   rows_i,     // two rows per class, class 0 in the low bits
    input  wire [TOTAL_W-1:0]         total_i,

    output wire                       valid_o,
    input  wire                       ready_i,
    output wire [CLASS_W-1:0]         class_o,    // first class with the largest logit
    output wire [LOGIT_W-1:0]         value_o,    // that logit
    output wire [CLASSES*LOGIT_W-1:0] logits_o,   // class 0 in the low bits

    input  wire                       host_we_i,
    input  wire                       host_re_i,
    input  wire [BANK_W-1:0]          host_bank_i,
    input  wire [ADDR_W-1:0]          host_addr_i,
    input  wire [WIDTH-1:0]           host_wdata_i,
    output wire                       host_valid_o,
    output wire [HOST_W-1:0]          host_word_o
);

  localparam [ADDR_W-1:0] FINAL = PAIRS[ADDR_W-1:0] - 1'b1;
  localparam LOGITS_W = 2 * PAIRS * LOGIT_W;

  reg waiting_q;                           // complete sums are in layer 1
  reg active_q;
  reg valid_q;
  wire load = (done_i | waiting_q) & ~active_q & ~valid_q;

  wire                 pair_valid;
  wire [2*LOGIT_W-1:0] pair;
  sum_stage #(
      .LANES   (CLASSES),
      .PLACES  (2),
      .GROUPS  (1),
      .ACC_W   (ACC_W),
      .TOTAL_W (TOTAL_W),
      .WEIGHT_W(WEIGHT_W),
      .BIAS_W  (BIAS_W),
      .SUM_W   (LOGIT_W),
      .HOST_W  (HOST_W)
  ) summing (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .start_i      (load),
      .rows_i       (rows_i),
      .total_i      (total_i),
      .valid_o      (pair_valid),
      .sum_o        (pair),
      .host_we_i    (host_we_i),
      .host_re_i    (host_re_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_valid_o (host_valid_o),
      .host_word_o  (host_word_o)
  );

  reg [ADDR_W-1:0]    at_q;                // the pair that arrives now
  reg [1:0]           final_age_q;         // the last pair came k + 1 clocks ago
  reg [LOGITS_W-1:0]  logits_q;
  wire [LOGITS_W-1:0] shifted;
  generate
    if (PAIRS == 1) begin : one_pair
      assign shifted = pair;
    end else begin : several_pairs
      assign shifted = {pair, logits_q[LOGITS_W-1:2*LOGIT_W]};
    end
  endgenerate
  wire                is_final = pair_valid & (at_q == FINAL);
  always @(posedge clk_i) begin
    if (rst_i) begin
      waiting_q   <= 1'b0;
      active_q    <= 1'b0;
      valid_q     <= 1'b0;
      at_q        <= {ADDR_W{1'b0}};
      final_age_q <= 2'b00;
      logits_q    <= {LOGITS_W{1'b0}};
    end else begin
      waiting_q <= (done_i | waiting_q) & ~load;
      if (load) active_q <= 1'b1;
      else if (final_age_q[1]) active_q <= 1'b0;
      if (final_age_q[1]) valid_q <= 1'b1;
      else if (ready_i) valid_q <= 1'b0;
      final_age_q <= {final_age_q[0], is_final};
      if (pair_valid) begin
        at_q     <= is_final ? {ADDR_W{1'b0}} : at_q + 1'b1;
        logits_q <= shifted;
      end
    end
  end

  wire [ADDR_W:0] index = {at_q, 1'b0};
  argmax #(
      .WIDTH  (LOGIT_W),
      .INDEX_W(CLASS_W)
  ) best (
      .clk_i    (clk_i),
      .rst_i    (rst_i),
      .valid_i  (pair_valid),
      .first_i  (at_q == {ADDR_W{1'b0}}),
      .single_i ((CLASSES % 2 == 1) & is_final),
      .index_i  (index[CLASS_W-1:0]),
      .value_a_i(pair[LOGIT_W-1:0]),
      .value_b_i(pair[2*LOGIT_W-1:LOGIT_W]),
      .index_o  (class_o),
      .value_o  (value_o)
  );

  assign valid_o  = valid_q;
  assign logits_o = logits_q[CLASSES*LOGIT_W-1:0];

endmodule

`default_nettype wire
