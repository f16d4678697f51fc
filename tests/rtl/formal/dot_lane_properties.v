// dot_lane equals its specification for every weight and activation, at full width, whatever its two
// rows are.
//
// From arbitrary registers, so the bounded proof holds for all time: the words of every clock are
// arbitrary, and two clocks later the value of the accumulator takes their dot product.

`default_nettype none

module dot_lane_properties #(
    parameter ELEMENTS = 8,
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8,
    parameter ACC_W    = 22
) (
    input wire                         clk_i,
    input wire [ELEMENTS*WEIGHT_W-1:0] weights_i,
    input wire [ELEMENTS*ACT_W-1:0]    activations_i,
    input wire                         valid_i,
    input wire                         first_i
);

  localparam PRODUCT_W = WEIGHT_W + ACT_W;
  wire [2*ACC_W-1:0] rows;
  dot_lane #(
      .ELEMENTS(ELEMENTS),
      .WEIGHT_W(WEIGHT_W),
      .ACT_W   (ACT_W),
      .ACC_W   (ACC_W)
  ) dut (
      .clk_i        (clk_i),
      .weights_i    (weights_i),
      .activations_i(activations_i),
      .valid_i      (valid_i),
      .first_i      (first_i),
      .rows_o       (rows)
  );
  wire [ACC_W-1:0] value = rows[ACC_W-1:0] + rows[2*ACC_W-1:ACC_W];

  // The word of a clock ago, and the value of a clock ago. Products of the bits that they have, as in
  // dot_lane: the solver sees that both sides multiply the same numbers, and only adds.
  reg [ELEMENTS*PRODUCT_W-1:0] products;
  reg [ACC_W-1:0]              before, came_before;
  reg                          took, took_before, first_before;
  reg [1:0]                    clock = 2'd0;
  reg [ACC_W-1:0] term [1:2*ELEMENTS-1];
  reg [PRODUCT_W-1:0] product;
  integer e;
  always @* begin
    for (e = 0; e < ELEMENTS; e = e + 1) term[ELEMENTS+e] = products[e*PRODUCT_W +: PRODUCT_W];
    for (e = ELEMENTS - 1; e >= 1; e = e - 1) term[e] = term[2*e] + term[2*e+1];
  end
  always @(posedge clk_i) begin
    if (clock != 2'd3) clock <= clock + 2'd1;
    for (e = 0; e < ELEMENTS; e = e + 1) begin
      product = weights_i[e*WEIGHT_W +: WEIGHT_W] * activations_i[e*ACT_W +: ACT_W];
      products[e*PRODUCT_W +: PRODUCT_W] <= product;
    end
    took         <= valid_i;
    took_before  <= took;
    first_before <= first_i;
    before       <= value;
    came_before  <= term[1];
  end
  wire [ACC_W-1:0] start = first_before ? {ACC_W{1'b0}} : before;

  always @* begin
    if (clock >= 2'd2) begin
      dot_lane_value: assert (!took_before || value == start + came_before);
      dot_lane_keeps: assert (took_before || value == start);
      dot_lane_covers: cover (took_before && !first_before && before == 5
                              && came_before == ELEMENTS * 255 * 255 && rows[0]);
    end
  end

endmodule

`default_nettype wire
