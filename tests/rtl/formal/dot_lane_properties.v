// dot_lane equals its specification for every weight and activation, at full width.
//
// From arbitrary registers, so the bounded proof holds for all time: the words of every clock are
// arbitrary, and LATENCY clocks later the accumulator takes their dot product.

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
    input wire                         accumulate_i,
    input wire                         first_i
);

  localparam LATENCY = 1 + $clog2(ELEMENTS);
  wire [ACC_W-1:0] acc;
  dot_lane #(
      .ELEMENTS(ELEMENTS),
      .WEIGHT_W(WEIGHT_W),
      .ACT_W   (ACT_W),
      .ACC_W   (ACC_W)
  ) dut (
      .clk_i        (clk_i),
      .weights_i    (weights_i),
      .activations_i(activations_i),
      .accumulate_i (accumulate_i),
      .first_i      (first_i),
      .acc_o        (acc)
  );

  // Of what comes now, from 32-bit products; in 32 bits the order of addition is of no effect, and
  // this one, pair by pair, the solver follows fastest.
  reg signed [31:0] term [1:2*ELEMENTS-1];
  integer e;
  always @* begin
    for (e = 0; e < ELEMENTS; e = e + 1) begin
      term[ELEMENTS+e] = $signed(weights_i[e*WEIGHT_W +: WEIGHT_W])
                       * $signed({1'b0, activations_i[e*ACT_W +: ACT_W]});
    end
    for (e = ELEMENTS - 1; e >= 1; e = e - 1) term[e] = term[2*e] + term[2*e+1];
  end
  reg [3:0]           clock = 4'd0;
  reg [32*LATENCY-1:0] age;                // the oldest in the high bits
  reg signed [31:0]   came;
  reg [ACC_W-1:0]     before;
  reg                 took, took_first;
  always @(posedge clk_i) begin
    if (clock != LATENCY + 1) clock <= clock + 4'd1;
    age        <= {age, term[1]};
    came       <= age[32*LATENCY-1 -: 32];
    before     <= acc;
    took       <= accumulate_i;
    took_first <= first_i;
  end
  wire signed [31:0] start = took_first ? 0 : $signed(before);
  wire signed [31:0] sum = start + came;

  always @* begin
    if (clock == LATENCY + 1) begin
      dot_lane_value: assert (!took || acc == sum[ACC_W-1:0]);
      dot_lane_keeps: assert (took || acc == before);
      dot_lane_covers: cover (took && !took_first && before == 5 && came == -ELEMENTS * 128 * 255);
    end
  end

endmodule

`default_nettype wire
