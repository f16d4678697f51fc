// h = min((max(sum, 0) * scale) >> shift, 2^ACT_W - 1), exactly: the product keeps all its bits and
// the shift truncates.
//
// Latency: 4 clocks (product, coarse shift, fine shift, clamp). The sign is taken along and decides
// at the end, which is cheaper than a maximum before the multiplication and gives the same value.

`default_nettype none

module requantize #(
    parameter SUM_W   = 33,                // bits of the sum, signed
    parameter SCALE_W = 16,                // bits of the scale M, unsigned
    parameter SHIFT_W = 5,                 // bits of the shift S, unsigned, at least 4
    parameter ACT_W   = 8                  // bits of the result, unsigned
) (
    input  wire               clk_i,
    input  wire               rst_i,
    input  wire [SUM_W-1:0]   sum_i,
    input  wire [SCALE_W-1:0] scale_i,     // constant while anything is under way
    input  wire [SHIFT_W-1:0] shift_i,     // constant while anything is under way
    output wire [ACT_W-1:0]   h_o
);

  localparam R_W       = SUM_W - 1;
  localparam PRODUCT_W = R_W + SCALE_W;

  reg [PRODUCT_W-1:0] product_q;
  reg [PRODUCT_W-1:0] coarse_q;
  reg [ACT_W-1:0]     low_q;
  reg                 over_q;
  reg [2:0]           negative_q;
  reg [ACT_W-1:0]     h_q;

  wire [PRODUCT_W-1:0] fine = coarse_q >> shift_i[2:0];

  always @(posedge clk_i) begin
    product_q  <= sum_i[R_W-1:0] * scale_i;
    coarse_q   <= product_q >> {shift_i[SHIFT_W-1:3], 3'b000};
    low_q      <= fine[ACT_W-1:0];
    over_q     <= |fine[PRODUCT_W-1:ACT_W];
    negative_q <= {negative_q[1:0], sum_i[SUM_W-1]};
    if (rst_i) h_q <= {ACT_W{1'b0}};
    else h_q <= negative_q[2] ? {ACT_W{1'b0}} : low_q | {ACT_W{over_q}};
  end

  assign h_o = h_q;

endmodule

`default_nettype wire
