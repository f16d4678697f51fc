// Sum of two numbers, for logic without carry chains. All blocks of BLOCK bits determine at once whether
// they generate a carry or would propagate one, so a carry passes one block at a time.
//
// Latency: none; purely combinational.

`default_nettype none

module block_adder #(
    parameter WIDTH = 33,
    parameter BLOCK = 6                    // bits of a block
) (
    input  wire [WIDTH-1:0] a_i,
    input  wire [WIDTH-1:0] b_i,
    output wire [WIDTH-1:0] sum_o          // modulo 2^WIDTH
);

  localparam BLOCKS = (WIDTH + BLOCK - 1) / BLOCK;
  wire [BLOCKS-1:0] carry;                 // into each block
  assign carry[0] = 1'b0;

  genvar k;
  generate
    for (k = 0; k < BLOCKS; k = k + 1) begin : block
      localparam HERE = (k == BLOCKS - 1) ? WIDTH - k * BLOCK : BLOCK;
      wire [HERE-1:0] a = a_i[k*BLOCK +: HERE];
      wire [HERE-1:0] b = b_i[k*BLOCK +: HERE];
      wire [HERE:0]   with_carry = {a, 1'b1} + {b, carry[k]};
      assign sum_o[k*BLOCK +: HERE] = with_carry[HERE:1];
      wire unused = with_carry[0];
      if (k < BLOCKS - 1) begin : hand_on
        wire [HERE:0] alone = {1'b0, a} + {1'b0, b};
        assign carry[k+1] = alone[HERE] | (&(a ^ b) & carry[k]);
        wire unused_sum = &{1'b0, alone[HERE-1:0]};
      end
    end
  endgenerate

endmodule

`default_nettype wire
