// Layer 2: one lane a class; every clock with hidden bytes all classes take REQUANTS products. The
// sums have no bias yet; readout adds it.
//
// Latency: acc_o and done_o (for one clock) 2 + log2(REQUANTS) clocks after the image's last
// valid_i. The sums stay until the next image's first hidden bytes have come through.

`default_nettype none

module layer2 #(
    parameter CLASSES  = 10,
    parameter REQUANTS = 2,                // hidden bytes a clock, a power of two
    parameter DEPTH    = 56,               // clocks with hidden bytes of an image
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8,
    parameter ACC_W    = 23,
    parameter HOST_W   = 64,
    parameter BANKS    = (CLASSES * REQUANTS * WEIGHT_W + HOST_W - 1) / HOST_W,
    parameter WIDTH    = (BANKS > 1) ? HOST_W : CLASSES * REQUANTS * WEIGHT_W,
    parameter ADDR_W   = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W   = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                      clk_i,
    input  wire                      rst_i,

    input  wire                      fetch_i,     // hidden bytes will be valid in the next clock
    input  wire                      valid_i,
    input  wire [REQUANTS*ACT_W-1:0] hidden_i,

    output wire                      done_o,
    output wire [CLASSES*ACC_W-1:0]  acc_o,       // class 0 in the low bits

    input  wire                      host_select_i,
    input  wire                      host_we_i,
    input  wire [BANK_W-1:0]         host_bank_i,
    input  wire [ADDR_W-1:0]         host_addr_i,
    input  wire [WIDTH-1:0]          host_wdata_i,
    output wire [HOST_W-1:0]         host_rdata_o
);

  localparam LANE_W = REQUANTS * WEIGHT_W;
  localparam SUM_LATENCY = 1 + $clog2(REQUANTS);  // product, additions
  localparam [ADDR_W-1:0] FINAL_ADDR = DEPTH[ADDR_W-1:0] - 1'b1;

  reg [ADDR_W-1:0] addr_q;
  reg              first_q;                // of the hidden bytes that are valid now
  reg              last_q;
  always @(posedge clk_i) begin
    if (rst_i) addr_q <= {ADDR_W{1'b0}};
    else if (fetch_i) addr_q <= (addr_q == FINAL_ADDR) ? {ADDR_W{1'b0}} : addr_q + 1'b1;
    first_q <= addr_q == {ADDR_W{1'b0}};
    last_q  <= addr_q == FINAL_ADDR;
  end

  wire accumulate, accumulate_first;
  delay #(
      .WIDTH (2),
      .CLOCKS(SUM_LATENCY)
  ) to_sum (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .d_i  ({valid_i, first_q}),
      .q_o  ({accumulate, accumulate_first})
  );
  delay #(
      .WIDTH (1),
      .CLOCKS(SUM_LATENCY + 1)
  ) to_done (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .d_i  (valid_i & last_q),
      .q_o  (done_o)
  );

  wire [CLASSES*LANE_W-1:0] weights;
  parameter_store #(
      .BANKS (BANKS),
      .WIDTH (WIDTH),
      .TOTAL (CLASSES * LANE_W),
      .DEPTH (DEPTH),
      .HOST_W(HOST_W)
  ) store (
      .clk_i        (clk_i),
      .addr_i       (addr_q),
      .data_o       (weights),
      .host_select_i(host_select_i),
      .host_we_i    (host_we_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_rdata_o (host_rdata_o)
  );

  genvar c;
  generate
    for (c = 0; c < CLASSES; c = c + 1) begin : lane
      dot_lane #(
          .ELEMENTS(REQUANTS),
          .WEIGHT_W(WEIGHT_W),
          .ACT_W   (ACT_W),
          .ACC_W   (ACC_W)
      ) mac (
          .clk_i        (clk_i),
          .weights_i    (weights[c*LANE_W +: LANE_W]),
          .activations_i(hidden_i),
          .accumulate_i (accumulate),
          .first_i      (accumulate_first),
          .acc_o        (acc_o[c*ACC_W +: ACC_W])
      );
    end
  endgenerate

endmodule

`default_nettype wire
