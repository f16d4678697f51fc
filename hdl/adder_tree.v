// Sum of COUNT signed terms, a register after every level of additions.
//
// Latency: log2(COUNT) clocks. The sum is exact: each level is one bit wider.

`default_nettype none

module adder_tree #(
    parameter COUNT = 8,                   // terms, a power of two, at least 2
    parameter WIDTH = 16,                  // bits of a term
    parameter SUM_W = WIDTH + $clog2(COUNT)
) (
    input  wire                   clk_i,
    input  wire [COUNT*WIDTH-1:0] terms_i, // term 0 in the low bits
    output wire [SUM_W-1:0]       sum_o
);

  localparam HALF = COUNT / 2;
  reg [HALF*(WIDTH+1)-1:0] sums_q;

  genvar k;
  generate
    for (k = 0; k < HALF; k = k + 1) begin : pair
      wire [WIDTH-1:0] a = terms_i[(2*k)*WIDTH +: WIDTH];
      wire [WIDTH-1:0] b = terms_i[(2*k+1)*WIDTH +: WIDTH];
      always @(posedge clk_i) begin
        sums_q[k*(WIDTH+1) +: WIDTH+1] <= {a[WIDTH-1], a} + {b[WIDTH-1], b};
      end
    end
    if (HALF == 1) begin : root
      assign sum_o = sums_q;
    end else begin : level
      adder_tree #(
          .COUNT(HALF),
          .WIDTH(WIDTH + 1)
      ) rest (
          .clk_i  (clk_i),
          .terms_i(sums_q),
          .sum_o  (sum_o)
      );
    end
  endgenerate

endmodule

`default_nettype wire
