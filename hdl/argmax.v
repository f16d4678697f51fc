// First index of the maximum of a sequence of signed values that arrive in pairs.
//
// Latency: 2 clocks (best of the pair, best of all); index_o and value_o cover all pairs up to the one
// that arrived two clocks ago. Of equal values the one with the lowest index wins.

`default_nettype none

module argmax #(
    parameter WIDTH   = 33,                // bits of a value, signed
    parameter INDEX_W = 4                  // bits of an index
) (
    input  wire               clk_i,
    input  wire               rst_i,
    input  wire               valid_i,     // a pair arrives
    input  wire               first_i,     // ... and is the first of its sequence
    input  wire               single_i,    // ... and has no second value
    input  wire [INDEX_W-1:0] index_i,     // of value_a_i; that of value_b_i is one higher
    input  wire [WIDTH-1:0]   value_a_i,
    input  wire [WIDTH-1:0]   value_b_i,
    output wire [INDEX_W-1:0] index_o,
    output wire [WIDTH-1:0]   value_o
);

  wire b_wins = ~single_i & ($signed(value_b_i) > $signed(value_a_i));

  reg               pair_valid_q;
  reg               pair_first_q;
  reg [INDEX_W-1:0] pair_index_q;
  reg [WIDTH-1:0]   pair_value_q;
  reg [INDEX_W-1:0] index_q;
  reg [WIDTH-1:0]   value_q;

  wire pair_wins = pair_first_q | ($signed(pair_value_q) > $signed(value_q));

  always @(posedge clk_i) begin
    pair_first_q <= first_i;
    pair_index_q <= b_wins ? index_i + 1'b1 : index_i;
    pair_value_q <= b_wins ? value_b_i : value_a_i;
    if (rst_i) begin
      pair_valid_q <= 1'b0;
      index_q      <= {INDEX_W{1'b0}};
      value_q      <= {WIDTH{1'b0}};
    end else begin
      pair_valid_q <= valid_i;
      if (pair_valid_q & pair_wins) begin
        index_q <= pair_index_q;
        value_q <= pair_value_q;
      end
    end
  end

  assign index_o = index_q;
  assign value_o = value_q;

endmodule

`default_nettype wire
