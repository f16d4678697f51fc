// A delay line for WIDTH bits, with access to every age.
//
// Latency: bits [k*WIDTH +: WIDTH] of q_o are the d_i of k + 1 clocks ago.

`default_nettype none

module taps #(
    parameter WIDTH  = 1,
    parameter LENGTH = 2,                  // number of ages, at least 1
    parameter RESET  = 1                   // 0: no reset, so values under way go on
) (
    input  wire                    clk_i,
    input  wire                    rst_i,
    input  wire [WIDTH-1:0]        d_i,
    output wire [LENGTH*WIDTH-1:0] q_o
);

  reg [LENGTH*WIDTH-1:0] age_q;

  genvar k;
  generate
    for (k = 0; k < LENGTH; k = k + 1) begin : stage
      wire [WIDTH-1:0] younger;
      if (k == 0) begin : first_stage
        assign younger = d_i;
      end else begin : later_stage
        assign younger = age_q[(k-1)*WIDTH +: WIDTH];
      end
      always @(posedge clk_i) begin
        if (RESET != 0 && rst_i) age_q[k*WIDTH +: WIDTH] <= {WIDTH{1'b0}};
        else age_q[k*WIDTH +: WIDTH] <= younger;
      end
    end
  endgenerate

  assign q_o = age_q;

endmodule

`default_nettype wire
