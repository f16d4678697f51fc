// h = min((max(sum, 0) * scale) >> shift, 2^ACT_W - 1), exactly: the product keeps all its bits and
// the shift truncates.
//
// Latency: 2 clocks (product; shift and clamp). The sign is kept beside the product and applied at the
// end, which is cheaper than a maximum before the multiplication and gives the same value.

`default_nettype none

module requantize #(
    parameter SUM_W   = 33,                // bits of the sum, signed
    parameter SCALE_W = 16,                // bits of the scale M, unsigned
    parameter SHIFT_W = 5,                 // bits of the shift S, unsigned
    parameter ACT_W   = 8                  // bits of the result, unsigned
) (
    input  wire               clk_i,
    input  wire [SUM_W-1:0]   sum_i,
    input  wire [SCALE_W-1:0] scale_i,     // constant while anything is under way
    input  wire [SHIFT_W-1:0] shift_i,     // constant while anything is under way
    output wire [ACT_W-1:0]   h_o
);

  localparam R_W       = SUM_W - 1;
  localparam PRODUCT_W = R_W + SCALE_W;
  localparam OVER_W    = PRODUCT_W - ACT_W;
  localparam PADDED_W  = PRODUCT_W + (1 << SHIFT_W);

  reg [PRODUCT_W-1:0] product_q;
  reg                 negative_q;
  reg [ACT_W-1:0]     h_q;

  // Bits of the product above the result's bits after the shift; constant while shift_i is.
  wire [OVER_W-1:0] above = {OVER_W{1'b1}} << shift_i;
  wire              over = |(product_q[PRODUCT_W-1:ACT_W] & above);
  wire [PADDED_W-1:0] padded = {{(PADDED_W - PRODUCT_W) {1'b0}}, product_q};
  wire [$clog2(PADDED_W)-1:0] at = {{($clog2(PADDED_W) - SHIFT_W) {1'b0}}, shift_i};
  wire [ACT_W-1:0]    low = padded[at +: ACT_W];

  always @(posedge clk_i) begin
    product_q  <= sum_i[R_W-1:0] * scale_i;
    negative_q <= sum_i[SUM_W-1];
    h_q        <= (low | {ACT_W{over}}) & {ACT_W{~negative_q}};
  end

  assign h_o = h_q;

endmodule

`default_nettype wire
