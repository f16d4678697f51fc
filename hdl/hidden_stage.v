// From the sums of layer 0 to the hidden bytes: in every clock the sums of one segment pass through bias
// and requantisation.
//
// Latency: the first hidden bytes (valid_o) come 5 clocks after done_i, the rest in the following clocks
// without a gap; word_o, first_o and last_o give their position in the image.

`default_nettype none

module hidden_stage #(
    parameter LANES    = 13,               // sums of a group
    parameter REQUANTS = 2,                // hidden bytes per clock
    parameter GROUPS   = 8,                // groups of an image
    parameter ACC_W    = 22,
    parameter TOTAL_W  = 14,
    parameter WEIGHT_W = 8,
    parameter BIAS_W   = 32,
    parameter SUM_W    = 33,
    parameter SCALE_W  = 16,
    parameter SHIFT_W  = 5,
    parameter ACT_W    = 8,
    parameter HOST_W   = 64,
    parameter STEPS    = (LANES + REQUANTS - 1) / REQUANTS,
    parameter DEPTH    = GROUPS * STEPS,
    parameter BANKS    = (REQUANTS * BIAS_W + HOST_W - 1) / HOST_W,
    parameter WIDTH    = (BANKS > 1) ? HOST_W : REQUANTS * BIAS_W,
    parameter ADDR_W   = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W   = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                      clk_i,
    input  wire                      rst_i,
    input  wire [SCALE_W-1:0]        scale_i,
    input  wire [SHIFT_W-1:0]        shift_i,

    input  wire                      done_i,      // a group's sums will be complete in the next clock
    input  wire [LANES*2*ACC_W-1:0] rows_i,
    input  wire [TOTAL_W-1:0]        total_i,

    output wire                      valid_o,
    output wire                      first_o,     // of an image
    output wire                      last_o,
    output wire [ADDR_W-1:0]         word_o,
    output wire [REQUANTS*ACT_W-1:0] hidden_o,    // the lower neuron in the low bits

    input  wire                      host_we_i,
    input  wire                      host_re_i,
    input  wire [BANK_W-1:0]         host_bank_i,
    input  wire [ADDR_W-1:0]         host_addr_i,
    input  wire [WIDTH-1:0]          host_wdata_i,
    output wire                      host_valid_o,
    output wire [HOST_W-1:0]         host_word_o
);

  localparam [ADDR_W-1:0] FINAL = DEPTH[ADDR_W-1:0] - 1'b1;

  wire                      sum_valid;
  wire [REQUANTS*SUM_W-1:0] sums;
  sum_stage #(
      .LANES   (LANES),
      .PLACES  (REQUANTS),
      .GROUPS  (GROUPS),
      .ACC_W   (ACC_W),
      .TOTAL_W (TOTAL_W),
      .WEIGHT_W(WEIGHT_W),
      .BIAS_W  (BIAS_W),
      .SUM_W   (SUM_W),
      .HOST_W  (HOST_W)
  ) summing (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .start_i      (done_i),
      .rows_i       (rows_i),
      .total_i      (total_i),
      .valid_o      (sum_valid),
      .sum_o        (sums),
      .host_we_i    (host_we_i),
      .host_re_i    (host_re_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_valid_o (host_valid_o),
      .host_word_o  (host_word_o)
  );

  genvar r;
  generate
    for (r = 0; r < REQUANTS; r = r + 1) begin : unit
      requantize #(
          .SUM_W  (SUM_W),
          .SCALE_W(SCALE_W),
          .SHIFT_W(SHIFT_W),
          .ACT_W  (ACT_W)
      ) requantiser (
          .clk_i  (clk_i),
          .sum_i  (sums[r*SUM_W +: SUM_W]),
          .scale_i(scale_i),
          .shift_i(shift_i),
          .h_o    (hidden_o[r*ACT_W +: ACT_W])
      );
    end
  endgenerate

  reg [1:0]        valid_q;
  reg [ADDR_W-1:0] word_q;
  always @(posedge clk_i) begin
    if (rst_i) begin
      valid_q <= 2'b00;
      word_q  <= {ADDR_W{1'b0}};
    end else begin
      valid_q <= {valid_q[0], sum_valid};
      if (valid_o) word_q <= last_o ? {ADDR_W{1'b0}} : word_q + 1'b1;
    end
  end
  assign valid_o = valid_q[1];
  assign first_o = word_q == {ADDR_W{1'b0}};
  assign last_o  = word_q == FINAL;
  assign word_o  = word_q;

endmodule

`default_nettype wire
