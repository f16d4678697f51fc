// The accumulator of dot_lane never overflows in WORDS words, the number that ACC_W is made for: its
// two rows, added with bits to spare, are the sum of what came, whatever the weights and activations
// are. So nothing is lost where the rows are added later with more bits (sum_stage).
//
// That a word adds its dot product, modulo 2^ACC_W, is dot_lane_properties; here it is enough that it
// adds at most ELEMENTS * 2^(WEIGHT_W+ACT_W) - ELEMENTS, so the proof has no product in it.
// Assumed: a sum's first word says so, and at most WORDS words belong to it (accelerator_properties).

`default_nettype none

module dot_lane_overflow_properties #(
    parameter ELEMENTS = 8,
    parameter WORDS    = 8,
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8,
    parameter ACC_W    = WEIGHT_W + ACT_W + $clog2(ELEMENTS * WORDS)
) (
    input wire                         clk_i,
    input wire [ELEMENTS*WEIGHT_W-1:0] weights_i,
    input wire [ELEMENTS*ACT_W-1:0]    activations_i,
    input wire                         valid_i,
    input wire                         first_i
);

  localparam HIGH = ELEMENTS * (2 ** (WEIGHT_W + ACT_W) - 1);
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
  wire [31:0] value = {{(32 - ACC_W) {1'b0}}, rows[ACC_W-1:0]}
                    + {{(32 - ACC_W) {1'b0}}, rows[2*ACC_W-1:ACC_W]};

  reg        took = 1'b0;
  reg [31:0] words = 0;                    // in the accumulator, 0: no sum has begun
  always @(posedge clk_i) begin
    took <= valid_i;
    if (first_i) words <= took;
    else if (words != 0) words <= words + took;
  end

  always @* begin
    if (took & ~first_i) assume (words > 0 && words < WORDS);
    overflow_none: assert (words == 0 || value <= words * HIGH);
    inside_words: assert (words <= WORDS);
    overflow_covers: cover (words == 2 && value == 2 * ELEMENTS * 255 * 255);
  end

endmodule

`default_nettype wire
