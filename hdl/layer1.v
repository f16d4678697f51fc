// Layer 1: LANES neurons at a time, each with a memory of its own that gives ELEMENTS weights a
// clock. The sums have no bias yet; hidden_stage adds it.
//
// Latency: acc_o and done_o (for one clock) 3 + log2(ELEMENTS) clocks after issue_i with last_i.
// activations_i comes one clock after its issue_i, as the weights do.

`default_nettype none

module layer1 #(
    parameter LANES    = 13,               // neurons at a time
    parameter DEPTH    = 64,               // words of each lane's memory: groups * words of an image
    parameter ELEMENTS = 8,                // weights in a word, a power of two
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8,
    parameter ACC_W    = 22,
    parameter HOST_W   = 64,
    parameter ADDR_W   = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W   = (LANES > 1) ? $clog2(LANES) : 1
) (
    input  wire                        clk_i,
    input  wire                        rst_i,

    input  wire                        issue_i,
    input  wire [ADDR_W-1:0]           addr_i,
    input  wire                        first_i,       // first word of a group
    input  wire                        last_i,        // last word of a group
    input  wire [ELEMENTS*ACT_W-1:0]   activations_i,

    output wire                        done_o,        // the sums of a group are complete
    output wire [LANES*ACC_W-1:0]      acc_o,         // lane 0 in the low bits

    input  wire                        host_select_i,
    input  wire                        host_we_i,
    input  wire [BANK_W-1:0]           host_bank_i,
    input  wire [ADDR_W-1:0]           host_addr_i,
    input  wire [ELEMENTS*WEIGHT_W-1:0] host_wdata_i,
    output wire [HOST_W-1:0]           host_rdata_o
);

  localparam WORD_W = ELEMENTS * WEIGHT_W;
  localparam SUM_LATENCY = 2 + $clog2(ELEMENTS);  // memory, product, additions

  wire [LANES*WORD_W-1:0] weights;
  parameter_store #(
      .BANKS (LANES),
      .WIDTH (WORD_W),
      .DEPTH (DEPTH),
      .HOST_W(HOST_W)
  ) store (
      .clk_i        (clk_i),
      .addr_i       (addr_i),
      .data_o       (weights),
      .host_select_i(host_select_i),
      .host_we_i    (host_we_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_rdata_o (host_rdata_o)
  );

  wire accumulate, accumulate_first;
  delay #(
      .WIDTH (2),
      .CLOCKS(SUM_LATENCY)
  ) to_sum (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .d_i  ({issue_i, first_i}),
      .q_o  ({accumulate, accumulate_first})
  );
  delay #(
      .WIDTH (1),
      .CLOCKS(SUM_LATENCY + 1)
  ) to_done (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .d_i  (issue_i & last_i),
      .q_o  (done_o)
  );

  genvar p;
  generate
    for (p = 0; p < LANES; p = p + 1) begin : lane
      dot_lane #(
          .ELEMENTS(ELEMENTS),
          .WEIGHT_W(WEIGHT_W),
          .ACT_W   (ACT_W),
          .ACC_W   (ACC_W)
      ) mac (
          .clk_i        (clk_i),
          .weights_i    (weights[p*WORD_W +: WORD_W]),
          .activations_i(activations_i),
          .accumulate_i (accumulate),
          .first_i      (accumulate_first),
          .acc_o        (acc_o[p*ACC_W +: ACC_W])
      );
    end
  endgenerate

endmodule

`default_nettype wire
