// Why weights may be kept with 2^(WEIGHT_W-1) added: a sum of products of these, less that many times
// the sum of the activations, is the sum of the products of the weights; for every weight and activation.

`default_nettype none

module offset_properties #(
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8
) (
    input wire [WEIGHT_W-1:0] weight_i,
    input wire [ACT_W-1:0]    activation_i
);

  wire signed [31:0] exact = $signed(weight_i) * $signed({1'b0, activation_i});
  wire [31:0] kept = weight_i ^ {1'b1, {(WEIGHT_W - 1) {1'b0}}};
  wire [31:0] offset = {{(32 - ACT_W) {1'b0}}, activation_i} << (WEIGHT_W - 1);
  always @* begin
    offset_product: assert (kept * activation_i - offset == exact);
    offset_covers: cover (exact == -32'd77);
  end

endmodule

`default_nettype wire
