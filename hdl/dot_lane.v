// One multiply-accumulate lane: in every clock the dot product of ELEMENTS unsigned weights and
// activations is added to an accumulator, which is kept as two rows whose sum is its value.
//
// Latency: 2 clocks (products; reduction and accumulation) from a word with valid_i; first_i comes one
// clock after its valid_i. Without valid_i zeros are added: the value stays, its two rows may change.

`default_nettype none

module dot_lane #(
    parameter ELEMENTS = 8,                // products per clock, a power of two
    parameter WEIGHT_W = 8,                // bits of a weight, unsigned
    parameter ACT_W    = 8,                // bits of an activation, unsigned
    parameter ACC_W    = 22                // bits of the accumulator
) (
    input  wire                         clk_i,
    input  wire [ELEMENTS*WEIGHT_W-1:0] weights_i,     // element 0 in the low bits
    input  wire [ELEMENTS*ACT_W-1:0]    activations_i,
    input  wire                         valid_i,       // use the word
    input  wire                         first_i,       // use it in place of the accumulated value
    output wire [2*ACC_W-1:0]           rows_o
);

  localparam PRODUCT_W = WEIGHT_W + ACT_W;
  localparam SUM_W     = PRODUCT_W + $clog2(ELEMENTS);
  localparam ROWS      = (ELEMENTS > 1) ? ELEMENTS : 2;

  // Registers directly behind the multipliers, whose outputs settle last: this keeps switching low.
  reg [ELEMENTS*PRODUCT_W-1:0] products_q;
  wire [ROWS*SUM_W-1:0] products;
  genvar e;
  generate
    for (e = 0; e < ROWS; e = e + 1) begin : row
      if (e < ELEMENTS) begin : element
        wire [PRODUCT_W-1:0] product =
            weights_i[e*WEIGHT_W +: WEIGHT_W] * activations_i[e*ACT_W +: ACT_W];
        always @(posedge clk_i) begin
          products_q[e*PRODUCT_W +: PRODUCT_W] <= valid_i ? product : {PRODUCT_W{1'b0}};
        end
        assign products[e*SUM_W +: SUM_W] =
            {{(SUM_W - PRODUCT_W) {1'b0}}, products_q[e*PRODUCT_W +: PRODUCT_W]};
      end else begin : none
        assign products[e*SUM_W +: SUM_W] = {SUM_W{1'b0}};
      end
    end
  endgenerate

  wire [2*SUM_W-1:0] sum;
  carry_save #(
      .ROWS (ROWS),
      .WIDTH(SUM_W)
  ) reduce (
      .rows_i(products),
      .rows_o(sum)
  );

  reg  [2*ACC_W-1:0] rows_q;
  wire [2*ACC_W-1:0] next;
  carry_save #(
      .ROWS (4),
      .WIDTH(ACC_W)
  ) accumulate (
      .rows_i({
        {(ACC_W - SUM_W) {1'b0}}, sum[2*SUM_W-1:SUM_W],
        {(ACC_W - SUM_W) {1'b0}}, sum[SUM_W-1:0],
        rows_q & {(2 * ACC_W) {~first_i}}
      }),
      .rows_o(next)
  );
  always @(posedge clk_i) rows_q <= next;
  assign rows_o = rows_q;

endmodule

`default_nettype wire
