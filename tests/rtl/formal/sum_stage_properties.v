// sum_stage gives every lane's sum with its own bias, for all time and at full width: the two rows it
// had in the clock of its segment, its bias, less 2^(WEIGHT_W-1) times the total that came with the
// first segment; and the bias alone where the last segment has no lane.
//
// Assumed: starts are STEPS clocks apart at least (accelerator_properties). The memory of biases is
// arbitrary; the host is away.

`default_nettype none

module sum_stage_properties #(
    parameter LANES    = 3,
    parameter PLACES   = 2,
    parameter GROUPS   = 3,
    parameter ACC_W    = 22,
    parameter TOTAL_W  = 14,
    parameter WEIGHT_W = 8,
    parameter BIAS_W   = 32,
    parameter SUM_W    = 33
) (
    input wire                     clk_i,
    input wire                     rst_i,
    input wire                     start_i,
    input wire [LANES*2*ACC_W-1:0] rows_i,
    input wire [TOTAL_W-1:0]       total_i
);

  localparam STEPS = (LANES + PLACES - 1) / PLACES;
  localparam DEPTH = GROUPS * STEPS;
  localparam AGES  = STEPS + 3;
  wire                    valid;
  wire [PLACES*SUM_W-1:0] sums;
  sum_stage #(
      .LANES   (LANES),
      .PLACES  (PLACES),
      .GROUPS  (GROUPS),
      .ACC_W   (ACC_W),
      .TOTAL_W (TOTAL_W),
      .WEIGHT_W(WEIGHT_W),
      .BIAS_W  (BIAS_W),
      .SUM_W   (SUM_W)
  ) dut (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .start_i     (start_i),
      .rows_i      (rows_i),
      .total_i     (total_i),
      .valid_o     (valid),
      .sum_o       (sums),
      .host_we_i   (1'b0),
      .host_re_i   (1'b0),
      .host_bank_i (1'b0),
      .host_addr_i (3'd0),
      .host_wdata_i(64'd0),
      .host_valid_o(),
      .host_word_o ()
  );
  (* hierconn *) wire [2:0] \dut.addr_q ;
  (* hierconn *) wire       \dut.step_q ;
  (* hierconn *) wire [63:0] \dut.store.bank[0].memory.words[0] ,
      \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[2] ,
      \dut.store.bank[0].memory.words[3] , \dut.store.bank[0].memory.words[4] ,
      \dut.store.bank[0].memory.words[5] ;
  wire [383:0] biases = {
    \dut.store.bank[0].memory.words[5] , \dut.store.bank[0].memory.words[4] ,
    \dut.store.bank[0].memory.words[3] , \dut.store.bank[0].memory.words[2] ,
    \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[0]
  };

  (* anyconst *) reg [1:0] place;          // a lane, or a place of the last segment without one
  wire                at_step = place[1];
  reg                 started = 1'b0;
  reg [AGES:1]        starts;              // bit k: a start k clocks ago
  reg [2:0]           group;               // of the next start
  reg [2:0]           group_now;           // of the last one
  reg [TOTAL_W-1:0]   total;               // that came with its first segment
  integer k;
  reg                 valid_is;
  reg [2:0]           step_is;
  always @* begin
    valid_is = 1'b0;
    step_is  = 0;
    for (k = 1; k <= AGES; k = k + 1) begin
      if (starts[k] && k >= 3 && k < 3 + STEPS) valid_is = 1'b1;
      if (starts[k] && k < STEPS) step_is = k;
    end
  end
  wire [2*ACC_W-1:0] rows = (place < LANES) ? rows_i[2*ACC_W*place +: 2*ACC_W] : 0;
  wire [TOTAL_W-1:0] total_now = starts[1] ? total_i : total;
  wire [BIAS_W-1:0]  bias = biases[((group_now * STEPS + at_step) * PLACES + place[0]) * BIAS_W +: BIAS_W];
  wire signed [SUM_W-1:0] sum_now = {1'b0, rows[ACC_W-1:0]} + {1'b0, rows[2*ACC_W-1:ACC_W]}
      + {{(SUM_W - BIAS_W) {bias[BIAS_W-1]}}, bias}
      - ((place < LANES) ? {{(SUM_W - TOTAL_W) {1'b0}}, total_now} << (WEIGHT_W - 1) : 0);
  reg [SUM_W-1:0] sum_1, sum_2;
  always @(posedge clk_i) begin
    started <= 1'b1;
    starts  <= rst_i ? 0 : {starts[AGES-1:1], start_i};
    if (rst_i) group <= 0;
    else if (start_i) group <= (group == GROUPS - 1) ? 0 : group + 1;
    if (start_i) group_now <= group;
    total <= total_now;
    sum_1 <= sum_now;
    sum_2 <= sum_1;
  end
  wire comes = at_step ? starts[4] : starts[3];
  wire [SUM_W-1:0] sum = sums[place[0]*SUM_W +: SUM_W];

  always @* begin
    if (!started) assume (rst_i);
    if (started && starts[STEPS-1:1] != 0) assume (!start_i);
    if (started) begin
      sum_stage_valid: assert (valid == valid_is);
      sum_stage_address: assert (\dut.addr_q < DEPTH && group < GROUPS && \dut.step_q == step_is
          && \dut.addr_q == ((step_is == 0) ? group * STEPS : group_now * STEPS + step_is));
      sum_stage_sum: assert (!(comes && place < LANES) || sum == sum_2);
      sum_stage_padding: assert (!(comes && place >= LANES) || sum == sum_2);
      inside_group: assert (starts[STEPS-1:1] == 0 || group_now == (group + GROUPS - 1) % GROUPS);
      sum_stage_covers: cover (comes && place == 2 && group_now == 1 && sum == -77 && total == 500);
    end
  end

endmodule

`default_nettype wire
