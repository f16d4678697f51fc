// Synchronous single-port memory: one address, read and write.
//
// Latency: rdata_o is the word at addr_i of the previous clock, as it was before a write in that
// clock. Contents are undefined until written; there is no reset, as in every block memory.

`default_nettype none

module ram #(
    parameter WIDTH  = 64,                 // bits of a word
    parameter DEPTH  = 64,                 // words
    parameter ADDR_W = (DEPTH > 1) ? $clog2(DEPTH) : 1
) (
    input  wire              clk_i,
    input  wire              we_i,
    input  wire [ADDR_W-1:0] addr_i,       // below DEPTH
    input  wire [WIDTH-1:0]  wdata_i,
    output wire [WIDTH-1:0]  rdata_o
);

  reg [WIDTH-1:0] words [0:DEPTH-1];
  reg [WIDTH-1:0] rdata_q;

  always @(posedge clk_i) begin
    if (we_i) words[addr_i] <= wdata_i;
    rdata_q <= words[addr_i];
  end

  assign rdata_o = rdata_q;

endmodule

`default_nettype wire
