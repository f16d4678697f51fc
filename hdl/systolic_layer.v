// The products and sums of one layer: SEGMENTS segments of PLACES lanes in a row. A word of activations
// enters at the head and passes one segment every SKEW clocks, and so do its address, its flags and the
// host's accesses. So no wire reaches beyond the next segment, and the sums of the segments become
// complete one after the other, as they are needed.
//
// Latency: a word at the head is in the accumulators of segment 0 (rows_o) 5 clocks later, and in those
// of each further segment SKEW clocks after that. done_o comes one clock before the complete sums of
// segment 0; total_o, the sum of the activations of the same words, comes with them and stays until
// the next. For a word that the host reads, host_valid_o comes SKEW * (SEGMENTS - 1) + 3 clocks after
// host_re_i.
//
// Sums are those of weights with 2^(WEIGHT_W-1) added, which makes everything unsigned. This adds
// 2^(WEIGHT_W-1) * total_o to every sum, which sum_stage subtracts again.

`default_nettype none

module systolic_layer #(
    parameter LANES     = 13,
    parameter PLACES    = 2,               // lanes of a segment; the last one may have fewer
    parameter SKEW      = 1,               // clocks from segment to segment
    parameter MEM_LANES = 1,               // lanes that share a memory; divides PLACES
    parameter DEPTH     = 64,              // words of a memory
    parameter ELEMENTS  = 8,               // weights of a lane per word, a power of two
    parameter WEIGHT_W  = 8,               // signed, as the host has them
    parameter ACT_W     = 8,               // unsigned
    parameter ACC_W     = 22,
    parameter HOST_W    = 64,
    parameter TOTAL_W   = ACC_W - WEIGHT_W,
    parameter SEGMENTS  = (LANES + PLACES - 1) / PLACES,
    parameter MEM_W     = MEM_LANES * ELEMENTS * WEIGHT_W,
    parameter ADDR_W    = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter MEMS      = (LANES + MEM_LANES - 1) / MEM_LANES,
    parameter BANK_W    = (MEMS > 1) ? $clog2(MEMS) : 1
) (
    input  wire                      clk_i,
    input  wire                      rst_i,

    input  wire                      valid_i,
    input  wire                      first_i,        // first word of a sum
    input  wire                      last_i,         // last word of a sum
    input  wire [ADDR_W-1:0]         addr_i,
    input  wire [ELEMENTS*ACT_W-1:0] activations_i,

    output wire                      done_o,
    output wire [LANES*2*ACC_W-1:0]  rows_o,         // lane 0 in the low bits, two rows each
    output wire [TOTAL_W-1:0]        total_o,

    // Only while nothing is under way in this layer; no access after a read until its word has come.
    input  wire                      host_we_i,
    input  wire                      host_re_i,
    input  wire [BANK_W-1:0]         host_bank_i,
    input  wire [ADDR_W-1:0]         host_addr_i,
    input  wire [MEM_W-1:0]          host_wdata_i,
    output wire                      host_valid_o,
    output wire [HOST_W-1:0]         host_word_o     // zero above the memory's width
);

  localparam LANE_W       = ELEMENTS * WEIGHT_W;
  localparam X_W          = ELEMENTS * ACT_W;
  localparam DATA_W       = (X_W > MEM_W) ? X_W : MEM_W;
  localparam LAST_LANES   = LANES - (SEGMENTS - 1) * PLACES;
  localparam SEGMENT_MEMS = PLACES / MEM_LANES;
  localparam END          = SKEW * (SEGMENTS - 1);   // age at the last segment
  localparam [WEIGHT_W-1:0] SIGN = {1'b1, {(WEIGHT_W - 1) {1'b0}}};

  // The signals that pass along. Segment k uses those of age SKEW * k together with its address; signals
  // of the same word that are needed later are taken at the age of their later clock.
  wire host = host_we_i | host_re_i;
  wire [DATA_W-1:0] activations = {{(DATA_W - X_W) {1'b0}}, activations_i};
  wire [DATA_W-1:0] host_wdata  = {{(DATA_W - MEM_W) {1'b0}}, host_wdata_i};
  wire [(END+1)*ADDR_W-1:0] addr;
  wire [(END+3)*DATA_W-1:0] data;          // the host's write data; at ages two higher, the activations
  wire [(END+1)*BANK_W-1:0] host_bank;
  wire [END:0]              host_we;
  wire [END+2:0]            valid, host_re;
  wire [END+3:0]            first;
  wire [3:0]                last;
  wire unused = &{1'b0, addr, data, host_bank, host_we, valid, host_re, first, last};
  taps #(.WIDTH(ADDR_W), .LENGTH(END + 1), .RESET(0)) addresses (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(host ? host_addr_i : addr_i), .q_o(addr)
  );
  taps #(.WIDTH(DATA_W), .LENGTH(END + 3), .RESET(0)) words_in (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(host ? host_wdata : activations), .q_o(data)
  );
  taps #(.LENGTH(END + 3)) valids (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(valid_i), .q_o(valid)
  );
  taps #(.LENGTH(END + 4)) firsts (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(valid_i & first_i), .q_o(first)
  );
  taps #(.LENGTH(4)) lasts (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(valid_i & last_i), .q_o(last)
  );
  // Writes are not reset: a write that was acknowledged to the host is completed.
  taps #(.LENGTH(END + 1), .RESET(0)) host_writes (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(host_we_i), .q_o(host_we)
  );
  taps #(.LENGTH(END + 3)) host_reads (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(host_re_i), .q_o(host_re)
  );
  taps #(.WIDTH(BANK_W), .LENGTH(END + 1), .RESET(0)) host_banks (
      .clk_i(clk_i), .rst_i(rst_i), .d_i(host_bank_i), .q_o(host_bank)
  );
  assign done_o = last[3];

  wire [(SEGMENTS+1)*PLACES*LANE_W-1:0] words;
  assign words[PLACES*LANE_W-1:0] = {(PLACES * LANE_W) {1'b0}};
  genvar k;
  generate
    for (k = 0; k < SEGMENTS; k = k + 1) begin : stage
      localparam HERE = (k == SEGMENTS - 1) ? LAST_LANES : PLACES;
      localparam AGE  = SKEW * k;
      segment #(
          .LANES    (HERE),
          .MEM_LANES(MEM_LANES),
          .FIRST_MEM(k * SEGMENT_MEMS),
          .DEPTH    (DEPTH),
          .ELEMENTS (ELEMENTS),
          .WEIGHT_W (WEIGHT_W),
          .ACT_W    (ACT_W),
          .ACC_W    (ACC_W),
          .BANK_W   (BANK_W)
      ) here (
          .clk_i        (clk_i),
          .addr_i       (addr[AGE*ADDR_W +: ADDR_W]),
          .wdata_i      (data[AGE*DATA_W +: MEM_W]),
          .host_we_i    (host_we[AGE]),
          .host_re_i    (host_re[AGE]),
          .host_bank_i  (host_bank[AGE*BANK_W +: BANK_W]),
          .load_i       (valid[AGE+1]),
          .pass_i       (host_re[AGE+1]),
          .activations_i(data[(AGE+2)*DATA_W +: X_W]),
          .valid_i      (valid[AGE+2]),
          .first_i      (first[AGE+3]),
          .words_i      (words[k*PLACES*LANE_W +: HERE*LANE_W]),
          .words_o      (words[(k+1)*PLACES*LANE_W +: HERE*LANE_W]),
          .rows_o       (rows_o[k*PLACES*2*ACC_W +: HERE*2*ACC_W])
      );
      // Words in places that the last segment lacks stay where they are and are taken from there.
      if (HERE < PLACES) begin : none
        assign words[((k+1)*PLACES+HERE)*LANE_W +: (PLACES-HERE)*LANE_W] =
            words[(k*PLACES+HERE)*LANE_W +: (PLACES-HERE)*LANE_W];
      end
    end
  endgenerate

  activation_total #(
      .ELEMENTS(ELEMENTS),
      .ACT_W   (ACT_W),
      .TOTAL_W (TOTAL_W)
  ) total (
      .clk_i        (clk_i),
      .activations_i(data[X_W-1:0]),
      .valid_i      (valid[0]),
      .first_i      (first[2]),
      .last_i       (last[3]),
      .total_o      (total_o)
  );

  // Restores the signs of the weights for the host; the last memory may be narrower.
  localparam FINAL_LANES = LANES - (MEMS - 1) * MEM_LANES;
  localparam [BANK_W-1:0] FINAL = MEMS[BANK_W-1:0] - 1'b1;
  wire [PLACES*LANE_W-1:0] tail = words[SEGMENTS*PLACES*LANE_W +: PLACES*LANE_W];
  reg  [BANK_W-1:0]        bank_q;         // of the word that the host reads
  wire [MEM_W-1:0]         word, signs;
  always @(posedge clk_i) if (host_re_i) bank_q <= host_bank_i;
  generate
    if (SEGMENT_MEMS == 1) begin : one_memory
      assign word = tail;
    end else begin : several
      localparam AT_W = ($clog2(SEGMENT_MEMS) < BANK_W) ? $clog2(SEGMENT_MEMS) : BANK_W;
      wire [AT_W-1:0] at = bank_q[AT_W-1:0];
      assign word = tail[at*MEM_W +: MEM_W];
    end
    for (k = 0; k < MEM_LANES; k = k + 1) begin : sign
      assign signs[k*LANE_W +: LANE_W] =
          {ELEMENTS{SIGN}} & {LANE_W{(k < FINAL_LANES) | (bank_q != FINAL)}};
    end
  endgenerate
  assign host_valid_o = host_re[END+2];
  assign host_word_o  = {{(HOST_W - MEM_W) {1'b0}}, word ^ signs};

endmodule

`default_nettype wire
