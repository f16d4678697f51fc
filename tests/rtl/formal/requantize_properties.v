// requantize equals its specification for every sum, scale and shift, at full width.
//
// From arbitrary registers: one sum enters in clock 0, anything before and after it, and its byte is
// looked at in clock 2, so a bounded proof holds for all time. The two signs are two instances: with
// the sign known, the solver sees that both sides multiply the same numbers.

`default_nettype none

module requantize_properties #(
    parameter SUM_W   = 33,
    parameter SCALE_W = 16,
    parameter SHIFT_W = 5,
    parameter ACT_W   = 8
) (
    input wire             clk_i,
    input wire [SUM_W-1:0] other_i         // sums before and after
);

  (* anyconst *) reg [SCALE_W-1:0] scale;
  (* anyconst *) reg [SHIFT_W-1:0] shift;
  (* anyconst *) reg [SUM_W-2:0]   low;    // of the sum: all but its sign
  reg [2:0] clock = 3'd0;
  always @(posedge clk_i) begin
    if (clock != 3'd7) clock <= clock + 3'd1;
  end

  genvar n;
  generate
    for (n = 0; n < 2; n = n + 1) begin : sign
      wire [ACT_W-1:0] h;
      requantize #(
          .SUM_W  (SUM_W),
          .SCALE_W(SCALE_W),
          .SHIFT_W(SHIFT_W),
          .ACT_W  (ACT_W)
      ) dut (
          .clk_i  (clk_i),
          .sum_i  (clock == 3'd0 ? {n == 1, low} : other_i),
          .scale_i(scale),
          .shift_i(shift),
          .h_o    (h)
      );
      wire signed [63:0] sum = {{(64 - SUM_W + 1) {n == 1}}, low};
      wire [63:0] r = (sum < 0) ? 64'd0 : sum;
      wire [63:0] q = (r * {{(64 - SCALE_W) {1'b0}}, scale}) >> shift;
      wire [63:0] expected = (q > 2 ** ACT_W - 1) ? 2 ** ACT_W - 1 : q;
    end
  endgenerate

  always @* begin
    if (clock == 3'd2) begin
      requantize_positive: assert (sign[0].h == sign[0].expected);
      requantize_negative: assert (sign[1].h == sign[1].expected);
    end
    requantize_covers: cover (clock == 3'd2 && sign[0].h == 8'd77 && shift == 5'd19);
  end

endmodule

`default_nettype wire
