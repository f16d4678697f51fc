// What hidden_stage promises, for all time: when its bytes come, at which address it stands, and that
// the byte of an arbitrary lane is that lane's sum with its own bias, requantised.
//
// Assumed: groups are STEPS clocks apart at least (accelerator_properties). The memory of biases, M
// and S are arbitrary; the host is away.

`default_nettype none

module hidden_stage_properties #(
    parameter LANES    = 3,
    parameter GROUPS   = 3,
    parameter REQUANTS = 2
) (
    input wire        clk_i,
    input wire        rst_i,
    input wire        done_i,
    input wire [3*LANES-1:0] acc_i
);

  localparam ACC_W = 3, BIAS_W = 3, SUM_W = 4, SCALE_W = 2, SHIFT_W = 4, ACT_W = 2;
  localparam STEPS = (LANES + REQUANTS - 1) / REQUANTS;
  localparam DEPTH = GROUPS * STEPS;
  localparam AGES  = STEPS + 6;
  (* anyconst *) reg [SCALE_W-1:0] scale;
  (* anyconst *) reg [SHIFT_W-1:0] shift;
  wire fetch, valid;
  wire [REQUANTS*ACT_W-1:0] hidden;
  hidden_stage #(
      .LANES   (LANES),
      .GROUPS  (GROUPS),
      .REQUANTS(REQUANTS),
      .ACC_W   (ACC_W),
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
      .acc_i        (acc_i),
      .fetch_o      (fetch),
      .valid_o      (valid),
      .hidden_o     (hidden),
      .host_select_i(1'b0),
      .host_we_i    (1'b0),
      .host_bank_i  (1'b0),
      .host_addr_i  (3'd0),
      .host_wdata_i (6'd0),
      .host_rdata_o ()
  );
  (* hierconn *) wire [2:0] \dut.addr_q ;
  (* hierconn *) wire       \dut.step_q ;
  (* hierconn *) wire [5:0] \dut.store.bank[0].memory.words[0] ,
      \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[2] ,
      \dut.store.bank[0].memory.words[3] , \dut.store.bank[0].memory.words[4] ,
      \dut.store.bank[0].memory.words[5] ;
  wire [35:0] biases = {
    \dut.store.bank[0].memory.words[5] , \dut.store.bank[0].memory.words[4] ,
    \dut.store.bank[0].memory.words[3] , \dut.store.bank[0].memory.words[2] ,
    \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[0]
  };

  (* anyconst *) reg [1:0] lane;
  wire [2:0] at_step = lane / REQUANTS;
  reg                 started = 1'b0;
  reg [AGES:1]        dones;               // bit k: sums came k clocks ago
  reg [2:0]           group;               // of the sums that come next
  reg [AGES*ACC_W-1:0] accs;               // the lane's sums, the youngest in the low bits
  reg [AGES*3-1:0]    groups;
  integer k;
  always @(posedge clk_i) begin
    started <= 1'b1;
    dones   <= rst_i ? 0 : {dones[AGES-1:1], done_i};
    accs    <= {accs, acc_i[ACC_W*lane +: ACC_W]};
    groups  <= {groups, group};
    if (rst_i) group <= 0;
    else if (done_i) group <= (group == GROUPS - 1) ? 0 : group + 1;
  end
  reg valid_is, fetch_is;
  reg [2:0] step_is;
  always @* begin
    valid_is = 1'b0;
    fetch_is = 1'b0;
    step_is  = 0;
    for (k = 1; k <= AGES; k = k + 1) begin
      if (dones[k] && k >= 6 && k < 6 + STEPS) valid_is = 1'b1;
      if (dones[k] && k >= 5 && k < 5 + STEPS) fetch_is = 1'b1;
      if (dones[k] && k < STEPS) step_is = k;
    end
  end
  // The byte of `lane` comes at_step + 6 clocks after its sum.
  wire        comes = (at_step == 0) ? dones[6] : dones[7];
  wire signed [ACC_W-1:0] acc = accs[((at_step == 0) ? 5 : 6) * ACC_W +: ACC_W];
  wire [2:0]  of_group = groups[((at_step == 0) ? 5 : 6) * 3 +: 3];
  wire signed [BIAS_W-1:0] bias =
      biases[((of_group * STEPS + at_step) * REQUANTS + lane % REQUANTS) * BIAS_W +: BIAS_W];
  wire signed [31:0] sum = acc + bias;
  wire [31:0] scaled = ((sum > 0 ? sum : 0) * scale) >> shift;
  wire [ACT_W-1:0] byte_is = (scaled > 3) ? 2'd3 : scaled;

  always @* begin
    assume (lane < LANES);
    if (!started) assume (rst_i);
    if (started && dones[STEPS-1:1] != 0) assume (!done_i);
    if (started) begin
      hidden_stage_valid_latency: assert (valid == valid_is);
      hidden_stage_fetch_ahead: assert (fetch == fetch_is);
      hidden_stage_order: assert (\dut.step_q == step_is
          && \dut.addr_q == ((step_is == 0) ? group * STEPS
              : ((group + GROUPS - 1) % GROUPS) * STEPS + step_is));
      hidden_stage_range: assert (\dut.addr_q < DEPTH && group < GROUPS);
      hidden_stage_bytes: assert (!comes || hidden[(lane%REQUANTS)*ACT_W +: ACT_W] == byte_is);
      hidden_stage_covers: cover (comes & (lane == 2) & (of_group == 1) & (byte_is == 2)
                                  & (scale == 2) & (shift == 1));
    end
  end

endmodule

`default_nettype wire
