// One stage of systolic_layer: memories, registers for their weights, and lanes.
//
// Latency: weights are in their registers 2 clocks after addr_i, and their word is in rows_o 2 clocks
// later (dot_lane). A write stores the word at wdata_i in the clock of its addr_i.
//
// Words that the host reads leave through the weight registers: with pass_i each register takes the
// value of the previous segment's, except for the one whose memory was read.

`default_nettype none

module segment #(
    parameter LANES     = 2,               // lanes here
    parameter MEM_LANES = 1,               // lanes whose weights share a memory
    parameter FIRST_MEM = 0,               // the host's number of the first memory here
    parameter DEPTH     = 64,              // words of a memory
    parameter ELEMENTS  = 8,               // weights of a lane per word, a power of two
    parameter WEIGHT_W  = 8,               // signed, as the host has them
    parameter ACT_W     = 8,               // unsigned
    parameter ACC_W     = 22,
    parameter BANK_W    = 5,
    parameter LANE_W    = ELEMENTS * WEIGHT_W,
    parameter MEM_W     = MEM_LANES * LANE_W,
    parameter ADDR_W    = (DEPTH > 1) ? $clog2(DEPTH) : 1
) (
    input  wire                        clk_i,

    input  wire [ADDR_W-1:0]           addr_i,
    input  wire [MEM_W-1:0]            wdata_i,
    input  wire                        host_we_i,
    input  wire                        host_re_i,
    input  wire [BANK_W-1:0]           host_bank_i,

    // For the word, or the host's read, whose address came one, one, two, two and three clocks ago.
    input  wire                        load_i,
    input  wire                        pass_i,
    input  wire [ELEMENTS*ACT_W-1:0]   activations_i,
    input  wire                        valid_i,
    input  wire                        first_i,

    input  wire [LANES*LANE_W-1:0]     words_i,     // the previous segment's weight registers
    output wire [LANES*LANE_W-1:0]     words_o,
    output wire [LANES*2*ACC_W-1:0]    rows_o       // of the accumulators, two per lane
);

  localparam MEMS = (LANES + MEM_LANES - 1) / MEM_LANES;
  localparam [WEIGHT_W-1:0] SIGN = {1'b1, {(WEIGHT_W - 1) {1'b0}}};

  reg [LANES*LANE_W-1:0] weights_q;        // with 2^(WEIGHT_W-1) added, which makes them unsigned
  genvar m, p;
  generate
    for (m = 0; m < MEMS; m = m + 1) begin : mem
      localparam NUMBER = FIRST_MEM + m;
      localparam [BANK_W-1:0] BANK = NUMBER[BANK_W-1:0];
      localparam HERE = (LANES - m * MEM_LANES < MEM_LANES) ? LANES - m * MEM_LANES : MEM_LANES;
      localparam BITS = HERE * LANE_W;
      wire hit = host_bank_i == BANK;
      wire [BITS-1:0] word;
      reg hit_q;                           // the host reads the word that arrives now
      ram #(
          .WIDTH(BITS),
          .DEPTH(DEPTH)
      ) memory (
          .clk_i  (clk_i),
          .we_i   (host_we_i & hit),
          .addr_i (addr_i),
          .wdata_i(wdata_i[BITS-1:0]),
          .rdata_o(word)
      );
      always @(posedge clk_i) begin
        hit_q <= host_re_i & hit;
        if (load_i | hit_q) weights_q[m*MEM_W +: BITS] <= word ^ {(BITS / WEIGHT_W) {SIGN}};
        else if (pass_i) weights_q[m*MEM_W +: BITS] <= words_i[m*MEM_W +: BITS];
      end
    end
    for (p = 0; p < LANES; p = p + 1) begin : lane
      dot_lane #(
          .ELEMENTS(ELEMENTS),
          .WEIGHT_W(WEIGHT_W),
          .ACT_W   (ACT_W),
          .ACC_W   (ACC_W)
      ) mac (
          .clk_i        (clk_i),
          .weights_i    (weights_q[p*LANE_W +: LANE_W]),
          .activations_i(activations_i),
          .valid_i      (valid_i),
          .first_i      (first_i),
          .rows_o       (rows_o[p*2*ACC_W +: 2*ACC_W])
      );
    end
  endgenerate
  assign words_o = weights_q;

endmodule

`default_nettype wire
