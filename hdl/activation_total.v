// Sum of the activations of all words of a sum; the offset of the weights adds a multiple of it.
//
// Latency: 4 clocks from the last word (whose last_i comes three clocks later) to total_o, which stays
// until the next total. first_i comes two clocks after its word, last_i three clocks.

`default_nettype none

module activation_total #(
    parameter ELEMENTS = 8,                // a power of two
    parameter ACT_W    = 8,
    parameter TOTAL_W  = 14
) (
    input  wire                      clk_i,
    input  wire [ELEMENTS*ACT_W-1:0] activations_i,
    input  wire                      valid_i,
    input  wire                      first_i,
    input  wire                      last_i,
    output wire [TOTAL_W-1:0]        total_o
);

  localparam SUM_W = ACT_W + $clog2(ELEMENTS);
  localparam ROWS  = (ELEMENTS > 1) ? ELEMENTS : 2;

  wire [ROWS*SUM_W-1:0] rows;
  wire [2*SUM_W-1:0]    two;
  reg  [2*SUM_W-1:0]    two_q;
  reg  [SUM_W-1:0]      sum_q;
  reg  [TOTAL_W-1:0]    running_q;
  reg  [TOTAL_W-1:0]    total_q;
  genvar e;
  generate
    for (e = 0; e < ROWS; e = e + 1) begin : row
      if (e < ELEMENTS) begin : element
        assign rows[e*SUM_W +: SUM_W] = {{(SUM_W - ACT_W) {1'b0}}, activations_i[e*ACT_W +: ACT_W]};
      end else begin : none
        assign rows[e*SUM_W +: SUM_W] = {SUM_W{1'b0}};
      end
    end
  endgenerate
  carry_save #(
      .ROWS (ROWS),
      .WIDTH(SUM_W)
  ) reduce (
      .rows_i(rows),
      .rows_o(two)
  );
  always @(posedge clk_i) begin
    two_q     <= valid_i ? two : {(2 * SUM_W) {1'b0}};
    sum_q     <= two_q[SUM_W-1:0] + two_q[2*SUM_W-1:SUM_W];
    running_q <= (first_i ? {TOTAL_W{1'b0}} : running_q) + {{(TOTAL_W - SUM_W) {1'b0}}, sum_q};
    if (last_i) total_q <= running_q;
  end
  assign total_o = total_q;

endmodule

`default_nettype wire
