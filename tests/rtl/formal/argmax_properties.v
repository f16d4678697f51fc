// argmax gives the first index of the largest value: for an arbitrary entry `watched` of a sequence
// of any length, with pauses, nothing that has come in is larger than value_o, nothing before
// index_o is equal, and the entry at index_o has that value.
//
// Assumed: indices count up by two from the first pair on, and do not wrap (readout).

`default_nettype none

module argmax_properties #(
    parameter WIDTH   = 33,
    parameter INDEX_W = 4
) (
    input wire             clk_i,
    input wire             rst_i,
    input wire             valid_i,
    input wire             first_i,
    input wire             single_i,
    input wire [WIDTH-1:0] value_a_i,
    input wire [WIDTH-1:0] value_b_i
);

  reg  [INDEX_W:0]   length;               // entries that have come, over the range when full
  wire [INDEX_W-1:0] index_at = first_i ? {INDEX_W{1'b0}} : length[INDEX_W-1:0];
  wire [INDEX_W-1:0] index;
  wire [WIDTH-1:0]   value;
  argmax #(
      .WIDTH  (WIDTH),
      .INDEX_W(INDEX_W)
  ) dut (
      .clk_i    (clk_i),
      .rst_i    (rst_i),
      .valid_i  (valid_i),
      .first_i  (first_i),
      .single_i (single_i),
      .index_i  (index_at),
      .value_a_i(value_a_i),
      .value_b_i(value_b_i),
      .index_o  (index),
      .value_o  (value)
  );

  (* anyconst *) reg [INDEX_W-1:0] watched;
  reg                    started = 1'b0;
  reg                    some;             // a sequence has begun
  reg                    ended;            // with a single value
  reg                    came;             // the watched entry is among those that came
  reg signed [WIDTH-1:0] entry;
  // As long ago as argmax takes: what it must know now.
  reg                    some_1, came_1, some_2, came_2;
  reg signed [WIDTH-1:0] entry_1, entry_2;
  reg  [INDEX_W:0]       length_1, length_2;
  wire is_a = valid_i & (index_at == watched);
  wire is_b = valid_i & ~single_i & (index_at + 1'b1 == watched) & (watched != 0);
  always @* begin
    some_1   = some;
    came_1   = came;
    entry_1  = entry;
    length_1 = length;
  end
  always @(posedge clk_i) begin
    started <= 1'b1;
    if (rst_i) begin
      some <= 1'b0;
      came <= 1'b0;
    end else if (valid_i) begin
      some   <= 1'b1;
      ended  <= single_i;
      length <= {1'b0, index_at} + (single_i ? 1 : 2);
      came   <= is_a | is_b | (came & ~first_i);
      if (is_a) entry <= value_a_i;
      if (is_b) entry <= value_b_i;
    end
    some_2   <= some_1 & ~rst_i;
    came_2   <= came_1 & ~rst_i;
    entry_2  <= entry_1;
    length_2 <= length_1;
  end

  always @* begin
    if (!started) assume (rst_i);
    if (started & valid_i & ~some) assume (first_i);
    if (started & valid_i & ~first_i) assume (~ended & ~length[INDEX_W]);
    if (started & some_2) begin
      argmax_largest: assert (!came_2 || entry_2 <= $signed(value));
      argmax_first: assert (!came_2 || entry_2 != $signed(value) || index <= watched);
      argmax_index: assert (!came_2 || index != watched || entry_2 == $signed(value));
      argmax_range: assert ({1'b0, index} < length_2);
    end
    inside_length: assert (!started || !some
        || (length != 0 && length <= 2 ** INDEX_W && (ended || !length[0]) && came == (watched < length)));
    argmax_covers: cover (started & some_2 & came_2 & (index == 5) & (watched == 9)
                          & (entry_2 == $signed(value)));
  end

endmodule

`default_nettype wire
