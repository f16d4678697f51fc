// The accumulator of dot_lane never overflows in WORDS words, the number that ACC_W is made for: it
// equals an accumulator with bits to spare, whatever the weights and activations are.
//
// Assumed: a group's first word says so, and at most WORDS words belong to it (accelerator_properties).

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
    input wire                         accumulate_i,
    input wire                         first_i
);

  localparam LATENCY = 1 + $clog2(ELEMENTS);
  localparam SUM_W   = WEIGHT_W + ACT_W + $clog2(ELEMENTS);
  localparam LOW     = -ELEMENTS * (2 ** (WEIGHT_W - 1)) * (2 ** ACT_W - 1);
  localparam HIGH    = ELEMENTS * (2 ** (WEIGHT_W - 1) - 1) * (2 ** ACT_W - 1);
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
  (* hierconn *) wire signed [SUM_W-1:0] \dut.sum ;

  reg [3:0]         clock = 4'd0;
  reg signed [39:0] exact;
  reg signed [31:0] words = 0;             // in the accumulator
  wire              through = clock == LATENCY;
  wire              take = through & accumulate_i;
  always @(posedge clk_i) begin
    if (!through) clock <= clock + 4'd1;
    if (take) begin
      exact <= first_i ? \dut.sum : exact + \dut.sum ;
      words <= first_i ? 1 : words + 1;
    end
  end

  always @* begin
    if (through & accumulate_i & ~first_i) assume (words > 0 && words < WORDS);
    if (words != 0) begin
      overflow_none: assert ($signed(acc) == exact);
      overflow_bounds: assert (exact >= words * LOW && exact <= words * HIGH);
    end
    if (through) begin
      overflow_sum: assert (\dut.sum >= LOW && \dut.sum <= HIGH);
    end
    inside_words: assert (words >= 0 && words <= WORDS && clock <= LATENCY
                          && (words == 0 || through));
    overflow_covers: cover (words == 2 && exact == 2 * LOW);
  end

endmodule

`default_nettype wire
