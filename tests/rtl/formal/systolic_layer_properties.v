// What systolic_layer promises, for all time: for an arbitrary lane and an arbitrary word of its memory,
// every word of activations that meets it adds their dot product to that lane, at its segment's
// clock, and nothing else moves the lane's value; the memory has what the host wrote last, and the
// host reads that.
//
// Assumed: the host is away while words come, and no word comes in the SKEW clocks after a read began
// (accelerator_properties), and one read is under way at a time (host_port_properties). Numbers are narrow;
// dot_lane_properties and activation_total_properties have them at full width.

`default_nettype none

module systolic_layer_properties #(
    parameter LANES     = 5,
    parameter PLACES    = 2,
    parameter SKEW      = 1,
    parameter MEM_LANES = 1,
    parameter SEGMENTS  = (LANES + PLACES - 1) / PLACES,
    parameter MEMS      = (LANES + MEM_LANES - 1) / MEM_LANES
) (
    input wire       clk_i,
    input wire       rst_i,
    input wire       valid_i,
    input wire       first_i,
    input wire       last_i,
    input wire [1:0] addr_i,
    input wire [1:0] activations_i,
    input wire       host_we_i,
    input wire       host_re_i,
    input wire [((MEMS > 1) ? $clog2(MEMS) : 1)-1:0] host_bank_i,
    input wire [1:0] host_addr_i,
    input wire [4*MEM_LANES-1:0] host_wdata_i
);

  localparam ELEMENTS = 2, WEIGHT_W = 2, ACT_W = 1, ACC_W = 6, TOTAL_W = 4, HOST_W = 9, DEPTH = 3;
  localparam LANE_W = ELEMENTS * WEIGHT_W;
  localparam MEM_W  = MEM_LANES * LANE_W;
  localparam END    = SKEW * (SEGMENTS - 1);
  localparam FINAL_W = (LANES - (MEMS - 1) * MEM_LANES) * LANE_W;   // bits of the last memory
  wire                     done, host_valid;
  wire [LANES*2*ACC_W-1:0] rows;
  wire [TOTAL_W-1:0]       total;
  wire [HOST_W-1:0]        host_word;
  systolic_layer #(
      .LANES    (LANES),
      .PLACES   (PLACES),
      .SKEW     (SKEW),
      .MEM_LANES(MEM_LANES),
      .DEPTH    (DEPTH),
      .ELEMENTS (ELEMENTS),
      .WEIGHT_W (WEIGHT_W),
      .ACT_W    (ACT_W),
      .ACC_W    (ACC_W),
      .HOST_W   (HOST_W)
  ) dut (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .valid_i      (valid_i),
      .first_i      (first_i),
      .last_i       (last_i),
      .addr_i       (addr_i),
      .activations_i(activations_i),
      .done_o       (done),
      .rows_o       (rows),
      .total_o      (total),
      .host_we_i    (host_we_i),
      .host_re_i    (host_re_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_valid_o (host_valid),
      .host_word_o  (host_word)
  );

  // The watched lane and word, and where they are.
  (* anyconst *) reg [2:0] lane;
  (* anyconst *) reg [1:0] at;
  wire [2:0]  mem     = lane / MEM_LANES;
  wire [31:0] segment = lane / PLACES;
  wire [31:0] lag     = SKEW * segment;    // clocks behind the first segment
  wire [MEM_W-1:0] there = (mem == MEMS - 1) ? {FINAL_W{1'b1}} : {MEM_W{1'b1}};

  // What comes to the head, as long ago as the way to the segment's memory takes: bit k, k + 1 clocks.
  localparam AGES = END + 5;
  localparam HOST_BITS = MEM_W + 2 + 8;
  reg [(END+1)*HOST_BITS-1:0] host_age;
  reg [(END+1)*4-1:0]         word_age;
  reg [AGES:1]                valids, firsts, lasts;   // bit k: k clocks ago
  always @(posedge clk_i) begin
    host_age <= {host_age, 8'd0 | host_bank_i, host_addr_i, host_wdata_i};
    word_age <= {word_age, addr_i, activations_i};
    valids   <= rst_i ? 0 : {valids, valid_i};
    firsts   <= rst_i ? 0 : {firsts, valid_i & first_i};
    lasts    <= rst_i ? 0 : {lasts, valid_i & last_i};
  end
  reg [END:0] we_age = 0;                  // a reset does not stop a write
  always @(posedge clk_i) we_age <= {we_age, host_we_i};
  wire [MEM_W-1:0] data;
  wire [1:0]       addr, word_addr, activations;
  wire [7:0]       bank;
  assign {bank, addr, data} = host_age[lag*HOST_BITS +: HOST_BITS];
  assign {word_addr, activations} = word_age[lag*4 +: 4];
  wire host_mine = (bank == mem) & (addr == at);

  // What the host wrote there last.
  reg             known = 1'b0;
  reg [MEM_W-1:0] written;
  always @(posedge clk_i) begin
    if (we_age[lag] & host_mine) begin
      known   <= 1'b1;
      written <= data & there;
    end
  end

  // A word's dot product with it, 2^(WEIGHT_W-1) added to each weight; 4 clocks later it is in the rows.
  wire [LANE_W-1:0] weights = written[(lane%MEM_LANES)*LANE_W +: LANE_W];
  reg [ACC_W-1:0]   dot;
  integer e;
  always @* begin
    dot = 0;
    for (e = 0; e < ELEMENTS; e = e + 1)
      if (activations[e]) dot = dot + (weights[e*WEIGHT_W +: WEIGHT_W] ^ 2'b10);
  end
  reg                 started = 1'b0;
  reg [4:1]           mine;
  reg [4*ACC_W-1:0]   dots;
  reg [ACC_W-1:0]     before;
  reg [3:0]           since = 4'd0;        // clocks since a reset
  wire [ACC_W-1:0] row_0 = rows[lane*2*ACC_W +: ACC_W];
  wire [ACC_W-1:0] row_1 = rows[lane*2*ACC_W+ACC_W +: ACC_W];
  wire [ACC_W-1:0] value = row_0 + row_1;
  always @(posedge clk_i) begin
    started <= 1'b1;
    mine    <= {mine, known & (word_addr == at)};
    dots    <= {dots, dot};
    before  <= value;
    since   <= rst_i ? 0 : (since != 15) ? since + 1 : since;
  end
  wire             came = valids[lag+5];
  wire [ACC_W-1:0] start = firsts[lag+5] ? 0 : before;

  // The total, as the first segment's sums become complete.
  reg [3*TOTAL_W-1:0] ones;                // activations of a word, the oldest high
  reg                 running_known, total_known;
  reg [TOTAL_W-1:0]   running, total_is;
  always @(posedge clk_i) begin
    ones <= {ones, {3'd0, activations_i[0]} + {3'd0, activations_i[1]}};
    if (rst_i) running_known <= 1'b0;
    else if (firsts[3]) running_known <= 1'b1;
    running <= (firsts[3] ? 0 : running) + (valids[3] ? ones[3*TOTAL_W-1 -: TOTAL_W] : 0);
    if (rst_i) total_known <= 1'b0;
    else if (lasts[4]) total_known <= running_known;
    if (lasts[4]) total_is <= running;
  end
  (* hierconn *) wire [TOTAL_W-1:0] \dut.total.running_q ;

  // The host's reads: one at a time.
  localparam ANSWER = END + 3;
  reg [ANSWER:1]  re_age;
  reg             asked_known;
  reg [MEM_W-1:0] asked;
  always @(posedge clk_i) begin
    re_age <= rst_i ? 0 : {re_age, host_re_i};
    if (re_age[lag+1]) begin
      asked_known <= known & host_mine;
      asked       <= written;
    end
  end

`ifdef PLACES_4
  (* hierconn *) wire [7:0] \dut.stage[0].here.mem[0].memory.words[0] ,
      \dut.stage[0].here.mem[0].memory.words[1] , \dut.stage[0].here.mem[0].memory.words[2] ;
  (* hierconn *) wire [7:0] \dut.stage[0].here.mem[1].memory.words[0] ,
      \dut.stage[0].here.mem[1].memory.words[1] , \dut.stage[0].here.mem[1].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[1].here.mem[0].memory.words[0] ,
      \dut.stage[1].here.mem[0].memory.words[1] , \dut.stage[1].here.mem[0].memory.words[2] ;
  wire [71:0] memory = {
    4'd0, \dut.stage[1].here.mem[0].memory.words[2] ,
    4'd0, \dut.stage[1].here.mem[0].memory.words[1] ,
    4'd0, \dut.stage[1].here.mem[0].memory.words[0] ,
    \dut.stage[0].here.mem[1].memory.words[2] ,
    \dut.stage[0].here.mem[1].memory.words[1] ,
    \dut.stage[0].here.mem[1].memory.words[0] ,
    \dut.stage[0].here.mem[0].memory.words[2] ,
    \dut.stage[0].here.mem[0].memory.words[1] ,
    \dut.stage[0].here.mem[0].memory.words[0] 
  };
`elsif MEM_LANES_2
  (* hierconn *) wire [7:0] \dut.stage[0].here.mem[0].memory.words[0] ,
      \dut.stage[0].here.mem[0].memory.words[1] , \dut.stage[0].here.mem[0].memory.words[2] ;
  (* hierconn *) wire [7:0] \dut.stage[1].here.mem[0].memory.words[0] ,
      \dut.stage[1].here.mem[0].memory.words[1] , \dut.stage[1].here.mem[0].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[2].here.mem[0].memory.words[0] ,
      \dut.stage[2].here.mem[0].memory.words[1] , \dut.stage[2].here.mem[0].memory.words[2] ;
  wire [71:0] memory = {
    4'd0, \dut.stage[2].here.mem[0].memory.words[2] ,
    4'd0, \dut.stage[2].here.mem[0].memory.words[1] ,
    4'd0, \dut.stage[2].here.mem[0].memory.words[0] ,
    \dut.stage[1].here.mem[0].memory.words[2] ,
    \dut.stage[1].here.mem[0].memory.words[1] ,
    \dut.stage[1].here.mem[0].memory.words[0] ,
    \dut.stage[0].here.mem[0].memory.words[2] ,
    \dut.stage[0].here.mem[0].memory.words[1] ,
    \dut.stage[0].here.mem[0].memory.words[0] 
  };
`else
  (* hierconn *) wire [3:0] \dut.stage[0].here.mem[0].memory.words[0] ,
      \dut.stage[0].here.mem[0].memory.words[1] , \dut.stage[0].here.mem[0].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[0].here.mem[1].memory.words[0] ,
      \dut.stage[0].here.mem[1].memory.words[1] , \dut.stage[0].here.mem[1].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[1].here.mem[0].memory.words[0] ,
      \dut.stage[1].here.mem[0].memory.words[1] , \dut.stage[1].here.mem[0].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[1].here.mem[1].memory.words[0] ,
      \dut.stage[1].here.mem[1].memory.words[1] , \dut.stage[1].here.mem[1].memory.words[2] ;
  (* hierconn *) wire [3:0] \dut.stage[2].here.mem[0].memory.words[0] ,
      \dut.stage[2].here.mem[0].memory.words[1] , \dut.stage[2].here.mem[0].memory.words[2] ;
  wire [59:0] memory = {
    \dut.stage[2].here.mem[0].memory.words[2] ,
    \dut.stage[2].here.mem[0].memory.words[1] ,
    \dut.stage[2].here.mem[0].memory.words[0] ,
    \dut.stage[1].here.mem[1].memory.words[2] ,
    \dut.stage[1].here.mem[1].memory.words[1] ,
    \dut.stage[1].here.mem[1].memory.words[0] ,
    \dut.stage[1].here.mem[0].memory.words[2] ,
    \dut.stage[1].here.mem[0].memory.words[1] ,
    \dut.stage[1].here.mem[0].memory.words[0] ,
    \dut.stage[0].here.mem[1].memory.words[2] ,
    \dut.stage[0].here.mem[1].memory.words[1] ,
    \dut.stage[0].here.mem[1].memory.words[0] ,
    \dut.stage[0].here.mem[0].memory.words[2] ,
    \dut.stage[0].here.mem[0].memory.words[1] ,
    \dut.stage[0].here.mem[0].memory.words[0] 
  };
`endif
  wire host_waits = (re_age[ANSWER-1:1] != 0);
  always @* begin
    assume (lane < LANES && at < DEPTH && addr_i < DEPTH && host_addr_i < DEPTH && host_bank_i < MEMS);
    assume (!(host_we_i & host_re_i) && !(valid_i & (host_we_i | host_re_i)));
    if (!started) assume (rst_i);
    if (started) begin
      assume (!(host_we_i | host_re_i) || !host_waits);
      assume (!valid_i || re_age[SKEW:1] == 0);
      systolic_layer_done: assert (done == lasts[4]);
      systolic_layer_total: assert (!total_known || total == total_is);
      systolic_layer_value: assert (since < AGES || !came || !mine[4]
          || value == start + dots[4*ACC_W-1 -: ACC_W]);
      systolic_layer_keeps: assert (since < AGES || came || value == before);
      systolic_layer_written: assert (!known || memory[(DEPTH*mem+at)*MEM_W +: MEM_W] == written);
      systolic_layer_answer: assert (host_valid == re_age[ANSWER]);
      systolic_layer_read: assert (!re_age[ANSWER] || !asked_known || host_word == asked);
      inside_running: assert (!running_known || \dut.total.running_q == running);
      systolic_layer_covers: cover (lane == LANES - 1 && at == 2 && came && mine[4] && !firsts[lag+5]
                                    && since == 15 && before == 5 && value == 8);
    end
  end

endmodule

`default_nettype wire
