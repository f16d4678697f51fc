// adder_tree gives the sum of all its terms, log2(COUNT) clocks later, whatever they are.
//
// From arbitrary registers, so the bounded proof holds for all time.

`default_nettype none

module adder_tree_properties #(
    parameter COUNT = 8,
    parameter WIDTH = 16
) (
    input wire                   clk_i,
    input wire [COUNT*WIDTH-1:0] terms_i
);

  localparam LATENCY = $clog2(COUNT);
  wire [WIDTH+LATENCY-1:0] sum;
  adder_tree #(
      .COUNT(COUNT),
      .WIDTH(WIDTH)
  ) dut (
      .clk_i  (clk_i),
      .terms_i(terms_i),
      .sum_o  (sum)
  );

  // Pair by pair in 64 bits, where the order of addition is of no effect.
  reg signed [63:0] term [1:2*COUNT-1];
  integer k;
  always @* begin
    for (k = 0; k < COUNT; k = k + 1) term[COUNT+k] = $signed(terms_i[k*WIDTH +: WIDTH]);
    for (k = COUNT - 1; k >= 1; k = k - 1) term[k] = term[2*k] + term[2*k+1];
  end
  reg signed [63:0] age [0:LATENCY-1];
  reg [3:0] clock = 4'd0;
  integer a;
  always @(posedge clk_i) begin
    if (clock != LATENCY) clock <= clock + 4'd1;
    age[0] <= term[1];
    for (a = 1; a < LATENCY; a = a + 1) age[a] <= age[a-1];
  end
  always @* begin
    if (clock == LATENCY) begin
      adder_tree_sum: assert ($signed(sum) == age[LATENCY-1]);
      adder_tree_covers: cover ($signed(sum) == -(2 ** (WIDTH - 1)) * COUNT);
    end
  end

endmodule

`default_nettype wire
