// What hidden_stage promises, for all time: when its bytes come and which of the image's they are, and
// that the byte of an arbitrary lane is that lane's sum with its own bias, requantised.
//
// Assumed: groups are STEPS clocks apart at least (accelerator_properties). The memory of biases, M
// and S are arbitrary; the host is away. Numbers are narrow; sum_stage_properties and
// requantize_properties have them at full width.

`default_nettype none

module hidden_stage_properties #(
    parameter LANES    = 3,
    parameter GROUPS   = 3,
    parameter REQUANTS = 2
) (
    input wire               clk_i,
    input wire               rst_i,
    input wire               done_i,
    input wire [6*LANES-1:0] rows_i,
    input wire               total_i
);

  localparam ACC_W = 3, TOTAL_W = 1, WEIGHT_W = 2, BIAS_W = 3, SUM_W = 5, SCALE_W = 2, SHIFT_W = 4, ACT_W = 2;
  localparam STEPS = (LANES + REQUANTS - 1) / REQUANTS;
  localparam DEPTH = GROUPS * STEPS;
  localparam AGES  = STEPS + 5;
  (* anyconst *) reg [SCALE_W-1:0] scale;
  (* anyconst *) reg [SHIFT_W-1:0] shift;
  wire valid, first, last;
  wire [2:0] word;
  wire [REQUANTS*ACT_W-1:0] hidden;
  hidden_stage #(
      .LANES   (LANES),
      .GROUPS  (GROUPS),
      .REQUANTS(REQUANTS),
      .ACC_W   (ACC_W),
      .TOTAL_W (TOTAL_W),
      .WEIGHT_W(WEIGHT_W),
      .BIAS_W  (BIAS_W),
      .SUM_W   (SUM_W),
      .SCALE_W (SCALE_W),
      .SHIFT_W (SHIFT_W),
      .ACT_W   (ACT_W),
      .HOST_W  (8)
  ) dut (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .scale_i      (scale),
      .shift_i      (shift),
      .done_i       (done_i),
      .rows_i       (rows_i),
      .total_i      (total_i),
      .valid_o      (valid),
      .first_o      (first),
      .last_o       (last),
      .word_o       (word),
      .hidden_o     (hidden),
      .host_we_i    (1'b0),
      .host_re_i    (1'b0),
      .host_bank_i  (1'b0),
      .host_addr_i  (3'd0),
      .host_wdata_i (6'd0),
      .host_valid_o (),
      .host_word_o  ()
  );
  (* hierconn *) wire [2:0] \dut.summing.addr_q ;
  (* hierconn *) wire       \dut.summing.step_q ;
  (* hierconn *) wire [5:0] \dut.summing.store.bank[0].memory.words[0] ,
      \dut.summing.store.bank[0].memory.words[1] , \dut.summing.store.bank[0].memory.words[2] ,
      \dut.summing.store.bank[0].memory.words[3] , \dut.summing.store.bank[0].memory.words[4] ,
      \dut.summing.store.bank[0].memory.words[5] ;
  wire [35:0] biases = {
    \dut.summing.store.bank[0].memory.words[5] , \dut.summing.store.bank[0].memory.words[4] ,
    \dut.summing.store.bank[0].memory.words[3] , \dut.summing.store.bank[0].memory.words[2] ,
    \dut.summing.store.bank[0].memory.words[1] , \dut.summing.store.bank[0].memory.words[0]
  };

  (* anyconst *) reg [1:0] lane;
  wire                at_step = lane / REQUANTS;
  reg                 started = 1'b0;
  reg [AGES:1]        dones;               // bit k: sums came k clocks ago
  reg [2:0]           group, group_now;    // of the sums that come next, that came last
  reg [AGES*3-1:0]    words;               // the word of the image of sums that were taken, the youngest low
  reg                 total;
  wire [2:0]          group_word = group * STEPS;
  integer k;
  reg valid_is;
  reg [2:0] step_is, word_is;
  always @* begin
    valid_is = 1'b0;
    step_is  = 0;
    word_is  = 0;
    for (k = 1; k <= AGES; k = k + 1) begin
      if (dones[k] && k < STEPS) step_is = k;
      if (dones[k] && k >= 5 && k < 5 + STEPS) begin
        valid_is = 1'b1;
        word_is  = words[3*(k-1) +: 3] + k - 5;
      end
    end
  end
  // The lane's sum in the clock in which it is taken; its byte comes 4 clocks later.
  wire        total_now = dones[1] ? total_i : total;
  wire [2:0]  row_0 = rows_i[2*ACC_W*lane +: ACC_W];
  wire [2:0]  row_1 = rows_i[2*ACC_W*lane+ACC_W +: ACC_W];
  wire [2:0]  bias = biases[((group_now * STEPS + at_step) * REQUANTS + lane % REQUANTS) * BIAS_W +: BIAS_W];
  wire signed [SUM_W-1:0] sum_now = {2'b0, row_0} + {2'b0, row_1} + {{2{bias[2]}}, bias} - {3'd0, total_now, 1'b0};
  reg  signed [SUM_W-1:0] sum_1, sum_2, sum_3, sum_4;
  always @(posedge clk_i) begin
    started <= 1'b1;
    dones   <= rst_i ? 0 : {dones[AGES-1:1], done_i};
    words   <= {words, group_word};
    total   <= total_now;
    if (rst_i) group <= 0;
    else if (done_i) group <= (group == GROUPS - 1) ? 0 : group + 1;
    if (done_i) group_now <= group;
    sum_1 <= sum_now;
    sum_2 <= sum_1;
    sum_3 <= sum_2;
    sum_4 <= sum_3;
  end
  wire        comes = at_step ? dones[6] : dones[5];
  wire [31:0] scaled = ((sum_4 > 0 ? {27'd0, sum_4} : 0) * scale) >> shift;
  wire [ACT_W-1:0] byte_is = (scaled > 3) ? 2'd3 : scaled;

  always @* begin
    assume (lane < LANES);
    if (!started) assume (rst_i);
    if (started && dones[STEPS-1:1] != 0) assume (!done_i);
    if (started) begin
      hidden_stage_valid_latency: assert (valid == valid_is);
      hidden_stage_order: assert (!valid || word == word_is);
      hidden_stage_ends: assert (!valid
          || (first == (word_is == 0) && last == (word_is == DEPTH - 1)));
      hidden_stage_bytes: assert (!comes || hidden[(lane%REQUANTS)*ACT_W +: ACT_W] == byte_is);
      inside_order: assert (group < GROUPS && \dut.summing.addr_q < DEPTH
          && \dut.summing.step_q == step_is && \dut.summing.addr_q
             == ((step_is == 0) ? group * STEPS : group_now * STEPS + step_is));
      inside_group: assert (dones[STEPS-1:1] == 0 || group_now == (group + GROUPS - 1) % GROUPS);
      hidden_stage_covers: cover (comes & (lane == 2) & (word == 3) & (byte_is == 2)
                                  & (scale == 2) & (shift == 1));
    end
  end
  // Where the next bytes are to come: behind those on their way.
  reg [2:0] next_is;
  always @* begin
    next_is = (step_is == 0) ? group * STEPS : group_now * STEPS + step_is;
    for (k = 1; k <= AGES; k = k + 1) begin
      if (dones[k] && k < 5) next_is = words[3*(k-1) +: 3];
      if (dones[k] && k >= 5 && k < 5 + STEPS) next_is = words[3*(k-1) +: 3] + k - 5;
    end
    if (started) inside_word: assert (word == next_is);
  end

endmodule

`default_nettype wire
