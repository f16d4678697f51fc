// block_adder is +, for every pair of numbers of the width that the network's sums have.

`default_nettype none

module block_adder_properties #(
    parameter WIDTH = 33
) (
    input wire [WIDTH-1:0] a_i,
    input wire [WIDTH-1:0] b_i
);

  wire [WIDTH-1:0] sum;
  block_adder #(
      .WIDTH(WIDTH)
  ) dut (
      .a_i  (a_i),
      .b_i  (b_i),
      .sum_o(sum)
  );
  wire [WIDTH-1:0] sum_is = a_i + b_i;
  always @* begin
    block_adder_sum: assert (sum == sum_is);
    block_adder_covers: cover (a_i == 33'h0_ffff_ffff && sum == 77);
  end

endmodule

`default_nettype wire
