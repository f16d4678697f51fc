// Weights or biases of one layer: BANKS memories that are read together at one address, so that a
// wide word costs no more depth than the computation needs. The host accesses them one by one.
//
// Latency: data_o one clock after addr_i; host_word_o two clocks after host_re_i. While the host accesses
// the memories, addr_i is ignored: the caller lets the host in only while nothing runs.

`default_nettype none

module parameter_store #(
    parameter BANKS  = 1,                  // memories side by side
    parameter WIDTH  = 64,                 // bits of one memory's word, at most HOST_W
    parameter TOTAL  = BANKS * WIDTH,      // bits of all memories together: the last one may be narrower
    parameter DEPTH  = 64,                 // words of each memory
    parameter HOST_W = 64,                 // bits of the host's words
    parameter ADDR_W = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire              clk_i,
    input  wire              rst_i,
    input  wire [ADDR_W-1:0] addr_i,        // of the computation
    output wire [TOTAL-1:0]  data_o,        // bank 0 in the low bits

    input  wire              host_we_i,     // the host writes a word
    input  wire              host_re_i,     // the host reads a word
    input  wire [BANK_W-1:0] host_bank_i,
    input  wire [ADDR_W-1:0] host_addr_i,
    input  wire [WIDTH-1:0]  host_wdata_i,
    output wire              host_valid_o,  // the word that was read is valid
    output wire [HOST_W-1:0] host_word_o    // zero above the memory's width
);

  wire [ADDR_W-1:0] addr = (host_we_i | host_re_i) ? host_addr_i : addr_i;
  wire [HOST_W*BANKS-1:0] host_words;

  genvar b;
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : bank
      localparam [BANK_W-1:0] INDEX = b;
      localparam BITS = (b == BANKS - 1) ? TOTAL - b * WIDTH : WIDTH;
      wire [BITS-1:0] word;
      ram #(
          .WIDTH(BITS),
          .DEPTH(DEPTH)
      ) memory (
          .clk_i  (clk_i),
          .we_i   (host_we_i & (host_bank_i == INDEX)),
          .addr_i (addr),
          .wdata_i(host_wdata_i[BITS-1:0]),
          .rdata_o(word)
      );
      assign data_o[b*WIDTH +: BITS] = word;
      assign host_words[b*HOST_W +: HOST_W] = {{(HOST_W - BITS) {1'b0}}, word};
    end
  endgenerate

  // The requested word is selected one clock later, when it has arrived from the memories.
  wire [HOST_W-1:0] host_word;
  reg  [HOST_W-1:0] host_word_q;
  generate
    if (BANKS == 1) begin : one_bank
      assign host_word = host_words;
    end else begin : pick
      reg [BANK_W-1:0] bank_q;
      always @(posedge clk_i) bank_q <= host_bank_i;
      assign host_word = host_words[bank_q*HOST_W +: HOST_W];
    end
  endgenerate
  reg [1:0] re_age_q;
  always @(posedge clk_i) begin
    if (rst_i) re_age_q <= 2'b00;
    else re_age_q <= {re_age_q[0], host_re_i};
  end
  assign host_valid_o = re_age_q[1];
  always @(posedge clk_i) host_word_q <= host_word;
  assign host_word_o = host_word_q;

endmodule

`default_nettype wire
