// One multiply-accumulate lane: every clock the dot product of ELEMENTS signed weights and unsigned
// activations is added to an accumulator.
//
// Latency: from weights_i to the sum that the accumulator takes 1 + log2(ELEMENTS) clocks;
// accumulate_i and first_i belong to that later clock. acc_o shows the result one clock after it.
// Multiplication, every level of additions and the accumulation each have a clock of their own.

`default_nettype none

module dot_lane #(
    parameter ELEMENTS = 8,                // products a clock, a power of two
    parameter WEIGHT_W = 8,                // bits of a weight, signed
    parameter ACT_W    = 8,                // bits of an activation, unsigned
    parameter ACC_W    = 22                // bits of the accumulator, signed
) (
    input  wire                         clk_i,
    input  wire [ELEMENTS*WEIGHT_W-1:0] weights_i,     // element 0 in the low bits
    input  wire [ELEMENTS*ACT_W-1:0]    activations_i,
    input  wire                         accumulate_i,  // take the sum
    input  wire                         first_i,       // ... in place of what was there
    output wire [ACC_W-1:0]             acc_o
);

  // -2^(WEIGHT_W-1) * (2^ACT_W - 1) still fits: no bit more than the widths' sum is needed.
  localparam PRODUCT_W = WEIGHT_W + ACT_W;
  localparam SUM_W     = PRODUCT_W + $clog2(ELEMENTS);

  reg [ELEMENTS*PRODUCT_W-1:0] products_q;
  genvar e;
  generate
    for (e = 0; e < ELEMENTS; e = e + 1) begin : element
      wire signed [WEIGHT_W-1:0] weight = weights_i[e*WEIGHT_W +: WEIGHT_W];
      wire [ACT_W-1:0] activation = activations_i[e*ACT_W +: ACT_W];
      wire signed [PRODUCT_W-1:0] product = weight * $signed({1'b0, activation});
      always @(posedge clk_i) products_q[e*PRODUCT_W +: PRODUCT_W] <= product;
    end
  endgenerate

  wire [SUM_W-1:0] sum;
  generate
    if (ELEMENTS == 1) begin : single
      assign sum = products_q;
    end else begin : several
      adder_tree #(
          .COUNT(ELEMENTS),
          .WIDTH(PRODUCT_W)
      ) tree (
          .clk_i  (clk_i),
          .terms_i(products_q),
          .sum_o  (sum)
      );
    end
  endgenerate

  reg [ACC_W-1:0] acc_q;
  wire [ACC_W-1:0] addend = {{(ACC_W - SUM_W) {sum[SUM_W-1]}}, sum};
  always @(posedge clk_i) begin
    if (accumulate_i) acc_q <= first_i ? addend : acc_q + addend;
  end
  assign acc_o = acc_q;

endmodule

`default_nettype wire
