// What travels beside the data: WIDTH bits.
//
// Latency: CLOCKS clocks.

`default_nettype none

module delay #(
    parameter WIDTH  = 1,
    parameter CLOCKS = 5                   // at least 1
) (
    input  wire             clk_i,
    input  wire             rst_i,
    input  wire [WIDTH-1:0] d_i,
    output wire [WIDTH-1:0] q_o
);

  reg [CLOCKS*WIDTH-1:0] age_q;            // the newest in the low bits

  genvar k;
  generate
    for (k = 0; k < CLOCKS; k = k + 1) begin : stage
      wire [WIDTH-1:0] younger;
      if (k == 0) begin : first_stage
        assign younger = d_i;
      end else begin : later_stage
        assign younger = age_q[(k-1)*WIDTH +: WIDTH];
      end
      always @(posedge clk_i) begin
        if (rst_i) age_q[k*WIDTH +: WIDTH] <= {WIDTH{1'b0}};
        else age_q[k*WIDTH +: WIDTH] <= younger;
      end
    end
  endgenerate

  assign q_o = age_q[(CLOCKS-1)*WIDTH +: WIDTH];

endmodule

`default_nettype wire
