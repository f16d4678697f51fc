// Reduces rows to two rows with the same sum modulo 2^WIDTH, without propagating a carry: a tree of
// 4:2 compressors.
//
// Latency: none; purely combinational.
//
// If the rows are non-negative and their sum fits WIDTH bits, no carry is lost and the two rows have
// exactly that sum: a carry out of the top column would be larger than the sum that it is part of.

`default_nettype none

module carry_save #(
    parameter ROWS  = 4,                   // a power of two, at least 2
    parameter WIDTH = 22                   // bits of a row, at least 2
) (
    input  wire [ROWS*WIDTH-1:0] rows_i,   // row 0 in the low bits
    output wire [2*WIDTH-1:0]    rows_o
);

  localparam HALF = ROWS / 2;
  genvar k;
  generate
    if (ROWS == 2) begin : pass
      assign rows_o = rows_i;
    end else begin : compress
      wire [HALF*WIDTH-1:0] fewer;
      for (k = 0; k < ROWS / 4; k = k + 1) begin : four
        wire [WIDTH-1:0] a = rows_i[(4*k)*WIDTH +: WIDTH];
        wire [WIDTH-1:0] b = rows_i[(4*k+1)*WIDTH +: WIDTH];
        wire [WIDTH-1:0] c = rows_i[(4*k+2)*WIDTH +: WIDTH];
        wire [WIDTH-1:0] d = rows_i[(4*k+3)*WIDTH +: WIDTH];
        // Each column passes its neighbour a carry that does not depend on the carry it receives.
        localparam TOP = WIDTH - 2;
        wire [TOP:0] hands = (a[TOP:0] & b[TOP:0]) | (a[TOP:0] & c[TOP:0]) | (b[TOP:0] & c[TOP:0]);
        wire [WIDTH-1:0] handed = {hands, 1'b0};
        wire [WIDTH-1:0] three = a ^ b ^ c;
        wire [TOP:0] carry = (three[TOP:0] & d[TOP:0]) | (three[TOP:0] & handed[TOP:0])
                           | (d[TOP:0] & handed[TOP:0]);
        assign fewer[(2*k)*WIDTH +: WIDTH] = three ^ d ^ handed;
        assign fewer[(2*k+1)*WIDTH +: WIDTH] = {carry, 1'b0};
      end
      carry_save #(
          .ROWS (HALF),
          .WIDTH(WIDTH)
      ) rest (
          .rows_i(fewer),
          .rows_o(rows_o)
      );
    end
  endgenerate

endmodule

`default_nettype wire
