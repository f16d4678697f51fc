// Two images: the computation reads one while the next one is loaded.
//
// An image is WORDS words with last_i on the final one. An image whose last_i comes too early is
// dropped; one whose last_i comes too late is dropped up to and including the word with last_i. Both
// pulse framing_error_o, and in either case the word after last_i starts a new image.
//
// Latency: data_o is word_i of the image being read, one clock later. If the final word of an image is
// taken in one clock, the image is available_o in the next.

`default_nettype none

module image_buffer #(
    parameter WIDTH  = 64,                 // bits of a word
    parameter WORDS  = 8,                  // words of an image
    parameter WORD_W = (WORDS > 1) ? $clog2(WORDS) : 1
) (
    input  wire              clk_i,
    input  wire              rst_i,

    input  wire              valid_i,
    output wire              ready_o,
    input  wire [WIDTH-1:0]  data_i,
    input  wire              last_i,
    output wire              framing_error_o,

    output wire              available_o,  // an image can be read
    input  wire              release_i,    // it has been read: its bank is free again
    input  wire [WORD_W-1:0] word_i,
    output wire [WIDTH-1:0]  data_o
);

  localparam [WORD_W-1:0] FINAL = WORDS[WORD_W-1:0] - 1'b1;

  reg [1:0]        full_q;
  reg              write_bank_q;
  reg              read_bank_q;
  reg [WORD_W-1:0] write_word_q;
  reg              skip_q;                 // waiting for the end of an image that is too long

  assign ready_o = skip_q | ~full_q[write_bank_q];
  wire take     = valid_i & ready_o;
  wire store    = take & ~skip_q;
  wire at_final = write_word_q == FINAL;
  wire complete = store & at_final & last_i;
  assign framing_error_o = store & (at_final != last_i);

  always @(posedge clk_i) begin
    if (rst_i) begin
      full_q       <= 2'b00;
      write_bank_q <= 1'b0;
      read_bank_q  <= 1'b0;
      write_word_q <= {WORD_W{1'b0}};
      skip_q       <= 1'b0;
    end else begin
      if (store) write_word_q <= (at_final | last_i) ? {WORD_W{1'b0}} : write_word_q + 1'b1;
      if (take) skip_q <= ~last_i & (skip_q | at_final);
      if (complete) begin
        full_q[write_bank_q] <= 1'b1;
        write_bank_q         <= ~write_bank_q;
      end
      // Never the bank being completed: that bank was not full, so it was not available.
      if (release_i) begin
        full_q[read_bank_q] <= 1'b0;
        read_bank_q         <= ~read_bank_q;
      end
    end
  end

  assign available_o = full_q[read_bank_q];

  reg [WIDTH-1:0] words [0:(2 << WORD_W)-1];
  reg [WIDTH-1:0] data_q;
  always @(posedge clk_i) begin
    if (store) words[{write_bank_q, write_word_q}] <= data_i;
    data_q <= words[{read_bank_q, word_i}];
  end
  assign data_o = data_q;

endmodule

`default_nettype wire
