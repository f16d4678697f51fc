// carry_save keeps the sum of its rows, for every row: modulo 2^WIDTH always, and exactly where the sum
// fits WIDTH bits, which is what the accumulators and totals rely on.

`default_nettype none

module carry_save_properties #(
    parameter ROWS  = 4,
    parameter WIDTH = 33
) (
    input wire [ROWS*WIDTH-1:0] rows_i
);

  wire [2*WIDTH-1:0] two;
  carry_save #(
      .ROWS (ROWS),
      .WIDTH(WIDTH)
  ) dut (
      .rows_i(rows_i),
      .rows_o(two)
  );

  localparam WIDE = WIDTH + $clog2(ROWS);
  reg [WIDE-1:0] term [1:2*ROWS-1];
  integer k;
  always @* begin
    for (k = 0; k < ROWS; k = k + 1) term[ROWS+k] = rows_i[k*WIDTH +: WIDTH];
    for (k = ROWS - 1; k >= 1; k = k - 1) term[k] = term[2*k] + term[2*k+1];
  end
  wire [WIDE-1:0] sum = two[WIDTH-1:0] + two[2*WIDTH-1:WIDTH];
  always @* begin
    carry_save_sum: assert (sum[WIDTH-1:0] == term[1][WIDTH-1:0]);
    carry_save_fits: assert (term[1][WIDE-1:WIDTH] != 0 || sum == term[1]);
    carry_save_covers: cover (sum == 77 && two[WIDTH+2] && two[0]);
  end

endmodule

`default_nettype wire
