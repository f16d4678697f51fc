// Steps an image through layer 0: for each of GROUPS groups of neurons all WORDS words of the image,
// one word per clock, without a lost clock between groups or images.
//
// An image starts if one is available and fewer than two are between their start and the acceptance of
// their result: one result can wait in the readout and one in the accumulators of layer 1, so nothing
// behind this module ever needs to stall. hold_i keeps new images from starting.
//
// Latency: none; issue_o, word_o and addr_o are valid in the clock in which an image is available_i.

`default_nettype none

module sequencer #(
    parameter WORDS  = 8,                  // words of an image
    parameter GROUPS = 8,                  // groups of neurons
    parameter WORD_W = (WORDS > 1) ? $clog2(WORDS) : 1,
    parameter ADDR_W = (WORDS * GROUPS > 1) ? $clog2(WORDS * GROUPS) : 1
) (
    input  wire              clk_i,
    input  wire              rst_i,

    input  wire              available_i,  // an image can be read
    input  wire              hold_i,       // do not start another
    input  wire              accepted_i,   // a result has been taken
    output wire              release_o,    // the image has been read completely

    output wire              issue_o,      // read the memories at word_o and addr_o
    output wire [WORD_W-1:0] word_o,       // of the image
    output wire [ADDR_W-1:0] addr_o,       // of the weights: group * WORDS + word
    output wire              first_o,      // first word of a group
    output wire              last_o,       // last word of a group

    output wire [1:0]        outstanding_o, // images between start and acceptance of the result
    output wire              idle_o        // nothing is being read or under way
);

  localparam [WORD_W-1:0] FINAL_WORD = WORDS[WORD_W-1:0] - 1'b1;
  localparam DEPTH = WORDS * GROUPS;
  localparam [ADDR_W-1:0] FINAL_ADDR = DEPTH[ADDR_W-1:0] - 1'b1;

  reg [WORD_W-1:0] word_q;
  reg [ADDR_W-1:0] addr_q;
  reg [1:0]        outstanding_q;

  wire at_start = addr_q == {ADDR_W{1'b0}};
  wire may_start = ~hold_i & (outstanding_q != 2'd2);

  assign issue_o   = available_i & (~at_start | may_start);
  assign word_o    = word_q;
  assign addr_o    = addr_q;
  assign first_o   = word_q == {WORD_W{1'b0}};
  assign last_o    = word_q == FINAL_WORD;
  assign release_o = issue_o & (addr_q == FINAL_ADDR);

  wire start = issue_o & at_start;

  always @(posedge clk_i) begin
    if (rst_i) begin
      word_q        <= {WORD_W{1'b0}};
      addr_q        <= {ADDR_W{1'b0}};
      outstanding_q <= 2'd0;
    end else begin
      if (issue_o) begin
        word_q <= last_o ? {WORD_W{1'b0}} : word_q + 1'b1;
        addr_q <= release_o ? {ADDR_W{1'b0}} : addr_q + 1'b1;
      end
      if (start & ~accepted_i) outstanding_q <= outstanding_q + 2'd1;
      if (accepted_i & ~start) outstanding_q <= outstanding_q - 2'd1;
    end
  end

  assign outstanding_o = outstanding_q;
  assign idle_o        = ~issue_o & (outstanding_q == 2'd0);

endmodule

`default_nettype wire
