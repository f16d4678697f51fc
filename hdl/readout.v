// From the sums of layer 2 to the result: the sums are taken over, go through their biases two a
// clock, and come to rest as logits in the same register, while argmax looks at each pair.
//
// Latency: valid_o ceil(CLASSES / 2) + 3 clocks after done_i when no earlier result waits. A result
// stays until it is taken (valid_o and ready_i in one clock); the sums of the next image wait in
// layer 2 meanwhile, where the sequencer lets nothing overwrite them.

`default_nettype none

module readout #(
    parameter CLASSES = 10,
    parameter ACC_W   = 23,                // bits of a sum without bias, signed
    parameter BIAS_W  = 32,                // bits of a bias, signed
    parameter LOGIT_W = 33,                // bits of a logit, signed
    parameter HOST_W  = 64,
    parameter CLASS_W = (CLASSES > 1) ? $clog2(CLASSES) : 1,
    parameter PAIRS   = (CLASSES + 1) / 2,
    parameter BANKS   = (2 * BIAS_W + HOST_W - 1) / HOST_W,
    parameter WIDTH   = (BANKS > 1) ? HOST_W : 2 * BIAS_W,
    parameter ADDR_W  = (PAIRS > 1) ? $clog2(PAIRS) : 1,
    parameter BANK_W  = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                       clk_i,
    input  wire                       rst_i,

    input  wire                       done_i,     // the sums of an image are complete
    input  wire [CLASSES*ACC_W-1:0]   acc_i,      // class 0 in the low bits

    output wire                       valid_o,
    input  wire                       ready_i,
    output wire [CLASS_W-1:0]         class_o,    // first class with the largest logit
    output wire [LOGIT_W-1:0]         value_o,    // that logit
    output wire [CLASSES*LOGIT_W-1:0] logits_o,   // class 0 in the low bits

    input  wire                       host_select_i,
    input  wire                       host_we_i,
    input  wire [BANK_W-1:0]          host_bank_i,
    input  wire [ADDR_W-1:0]          host_addr_i,
    input  wire [WIDTH-1:0]           host_wdata_i,
    output wire [HOST_W-1:0]          host_rdata_o
);

  // Clocks of one readout: PAIRS additions, and two more until argmax has seen the last pair.
  localparam CLOCKS  = PAIRS + 2;
  localparam COUNT_W = $clog2(CLOCKS);
  localparam [COUNT_W-1:0] FINAL_COUNT = CLOCKS[COUNT_W-1:0] - 1'b1;
  localparam [COUNT_W-1:0] FINAL_SHIFT = PAIRS[COUNT_W-1:0];
  localparam [COUNT_W-1:0] FINAL_PAIR  = FINAL_SHIFT - 1'b1;
  localparam LOGITS_W = 2 * PAIRS * LOGIT_W;

  reg waiting_q;                           // complete sums are in layer 2
  reg active_q;
  reg valid_q;
  reg [COUNT_W-1:0] count_q;               // clocks since the sums were taken over
  wire load = (done_i | waiting_q) & ~active_q & ~valid_q;

  always @(posedge clk_i) begin
    if (rst_i) begin
      waiting_q <= 1'b0;
      active_q  <= 1'b0;
      valid_q   <= 1'b0;
      count_q   <= {COUNT_W{1'b0}};
    end else begin
      waiting_q <= (done_i | waiting_q) & ~load;
      if (load) active_q <= 1'b1;
      else if (count_q == FINAL_COUNT) active_q <= 1'b0;
      count_q <= active_q ? count_q + 1'b1 : {COUNT_W{1'b0}};
      if (count_q == FINAL_COUNT) valid_q <= 1'b1;
      else if (ready_i) valid_q <= 1'b0;
    end
  end

  // Biases are read one clock ahead: pair 0 while waiting, pair k + 1 in clock k.
  wire [COUNT_W-1:0] next_pair =
      (active_q & (count_q < FINAL_PAIR)) ? count_q + 1'b1 : {COUNT_W{1'b0}};
  wire [2*BIAS_W-1:0] biases;
  parameter_store #(
      .BANKS (BANKS),
      .WIDTH (WIDTH),
      .TOTAL (2 * BIAS_W),
      .DEPTH (PAIRS),
      .HOST_W(HOST_W)
  ) store (
      .clk_i        (clk_i),
      .addr_i       (next_pair[ADDR_W-1:0]),
      .data_o       (biases),
      .host_select_i(host_select_i),
      .host_we_i    (host_we_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_rdata_o (host_rdata_o)
  );

  // Sums leave at the low end, logits enter at the high end a clock later; after PAIRS + 1 shifts
  // every logit is where its sum was.
  reg [LOGITS_W-1:0]  logits_q;
  reg [2*LOGIT_W-1:0] pair_q;
  wire [LOGITS_W+2*LOGIT_W-1:0] rotating = {pair_q, logits_q};
  wire [LOGITS_W-1:0] sums;
  genvar c;
  generate
    for (c = 0; c < 2 * PAIRS; c = c + 1) begin : entry
      if (c < CLASSES) begin : sum
        assign sums[c*LOGIT_W +: LOGIT_W] = {
          {(LOGIT_W - ACC_W) {acc_i[c*ACC_W+ACC_W-1]}}, acc_i[c*ACC_W +: ACC_W]
        };
      end else begin : none
        assign sums[c*LOGIT_W +: LOGIT_W] = {LOGIT_W{1'b0}};
      end
    end
    for (c = 0; c < 2; c = c + 1) begin : adder
      wire [BIAS_W-1:0] bias = biases[c*BIAS_W +: BIAS_W];
      always @(posedge clk_i) begin
        pair_q[c*LOGIT_W +: LOGIT_W] <= rotating[c*LOGIT_W +: LOGIT_W]
                                      + {{(LOGIT_W - BIAS_W) {bias[BIAS_W-1]}}, bias};
      end
    end
  endgenerate

  always @(posedge clk_i) begin
    if (rst_i) logits_q <= {LOGITS_W{1'b0}};
    else if (load) logits_q <= sums;
    else if (active_q & (count_q <= FINAL_SHIFT)) begin
      logits_q <= rotating[LOGITS_W+2*LOGIT_W-1:2*LOGIT_W];
    end
  end

  // pair_q holds pair k in clock k + 1.
  reg               pair_valid_q;
  reg               pair_first_q;
  reg               pair_single_q;
  reg [CLASS_W-1:0] index_q;
  wire [COUNT_W:0]  index = {count_q, 1'b0};
  wire is_pair = active_q & (count_q < FINAL_SHIFT);
  always @(posedge clk_i) begin
    if (rst_i) pair_valid_q <= 1'b0;
    else pair_valid_q <= is_pair;
    pair_first_q  <= count_q == {COUNT_W{1'b0}};
    pair_single_q <= (CLASSES % 2 == 1) & (count_q == FINAL_PAIR);
    index_q       <= index[CLASS_W-1:0];
  end
  argmax #(
      .WIDTH  (LOGIT_W),
      .INDEX_W(CLASS_W)
  ) best (
      .clk_i    (clk_i),
      .rst_i    (rst_i),
      .valid_i  (pair_valid_q),
      .first_i  (pair_first_q),
      .single_i (pair_single_q),
      .index_i  (index_q),
      .value_a_i(pair_q[LOGIT_W-1:0]),
      .value_b_i(pair_q[2*LOGIT_W-1:LOGIT_W]),
      .index_o  (class_o),
      .value_o  (value_o)
  );

  assign valid_o  = valid_q;
  assign logits_o = logits_q[CLASSES*LOGIT_W-1:0];

endmodule

`default_nettype wire
