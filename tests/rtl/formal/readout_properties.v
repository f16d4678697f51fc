// What readout promises, for all time: no image lost, exact latency, a result that is right (sums and
// biases added, the first largest logit) and does not move until it is taken.
//
// Assumed of layer 1: no other sums come while some wait. It samples pair p's rows p + 1 clocks after it
// takes the sums over, and the total one clock after; that they are there then, and still, is proven
// in accelerator_properties. The memory of biases is arbitrary; the host is away. Numbers are narrow;
// sum_stage_properties has them at full width.

`default_nettype none

module readout_properties #(
    parameter CLASSES  = 5,
    parameter ACC_W    = 3,
    parameter TOTAL_W  = 1,
    parameter WEIGHT_W = 2,
    parameter BIAS_W   = 3,
    parameter LOGIT_W  = 5
) (
    input wire                       clk_i,
    input wire                       rst_i,
    input wire                       done_i,
    input wire [CLASSES*2*ACC_W-1:0] rows_i,
    input wire [TOTAL_W-1:0]         total_i,
    input wire                       ready_i
);

  localparam PAIRS   = (CLASSES + 1) / 2;
  localparam LATENCY = PAIRS + 5;
  wire                       valid;
  wire [2:0]                 best_at;
  wire [LOGIT_W-1:0]         best;
  wire [CLASSES*LOGIT_W-1:0] logits;
  readout #(
      .CLASSES (CLASSES),
      .ACC_W   (ACC_W),
      .TOTAL_W (TOTAL_W),
      .WEIGHT_W(WEIGHT_W),
      .BIAS_W  (BIAS_W),
      .LOGIT_W (LOGIT_W),
      .HOST_W  (8)
  ) dut (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .done_i      (done_i),
      .rows_i      (rows_i),
      .total_i     (total_i),
      .valid_o     (valid),
      .ready_i     (ready_i),
      .class_o     (best_at),
      .value_o     (best),
      .logits_o    (logits),
      .host_we_i   (1'b0),
      .host_re_i   (1'b0),
      .host_bank_i (1'b0),
      .host_addr_i (2'b0),
      .host_wdata_i(6'd0),
      .host_valid_o(),
      .host_word_o ()
  );
  (* hierconn *) wire       \dut.load , \dut.waiting_q , \dut.active_q ;
  (* hierconn *) wire [1:0] \dut.at_q , \dut.summing.step_q , \dut.summing.addr_q ;
  (* hierconn *) wire [2*BIAS_W-1:0] \dut.summing.store.bank[0].memory.words[0] ,
      \dut.summing.store.bank[0].memory.words[1] , \dut.summing.store.bank[0].memory.words[2] ;
  wire [6*BIAS_W-1:0] biases = {
    \dut.summing.store.bank[0].memory.words[2] , \dut.summing.store.bank[0].memory.words[1] ,
    \dut.summing.store.bank[0].memory.words[0]
  };

  reg                     started = 1'b0;
  reg                     waits;           // sums in layer 1 that are not taken over yet
  reg [31:0]              left;            // clocks until the result, 0: none is on its way
  reg                     there;           // a result is there
  reg [CLASSES*LOGIT_W-1:0] expected;      // its logits
  reg [TOTAL_W-1:0]       total;
  wire                    take_over = (done_i | waits) & (left == 0) & ~there;
  wire [31:0]             age = (left == 0) ? 0 : LATENCY - left;   // clocks since it was taken over
  wire [TOTAL_W-1:0]      total_now = (age == 1) ? total_i : total;
  reg                     stalled;
  reg [2:0]               best_at_before;
  reg [LOGIT_W-1:0]       best_before;
  reg [CLASSES*LOGIT_W-1:0] logits_before;
  integer c;
  always @(posedge clk_i) begin
    started        <= 1'b1;
    total          <= total_now;
    stalled        <= valid & ~ready_i & ~rst_i;
    best_at_before <= best_at;
    best_before    <= best;
    logits_before  <= logits;
    if (rst_i) begin
      waits <= 1'b0;
      left  <= 0;
      there <= 1'b0;
    end else begin
      waits <= (waits | done_i) & ~take_over;
      if (take_over) left <= LATENCY - 1;
      else if (left != 0) left <= left - 1;
      there <= (left == 1) | (there & ~ready_i);
    end
    for (c = 0; c < CLASSES; c = c + 1) begin
      if (age == c / 2 + 1)
        expected[c*LOGIT_W +: LOGIT_W] <=
            {{(LOGIT_W - ACC_W) {1'b0}}, rows_i[2*c*ACC_W +: ACC_W]}
            + {{(LOGIT_W - ACC_W) {1'b0}}, rows_i[(2*c+1)*ACC_W +: ACC_W]}
            + {{(LOGIT_W - BIAS_W) {biases[c*BIAS_W+BIAS_W-1]}}, biases[c*BIAS_W +: BIAS_W]}
            - ({{(LOGIT_W - TOTAL_W) {1'b0}}, total_now} << (WEIGHT_W - 1));
    end
  end

  reg best_right, best_seen;
  always @* begin
    best_right   = best_at < CLASSES;
    best_seen    = 1'b0;
    for (c = 0; c < CLASSES; c = c + 1) begin
      if ($signed(logits[c*LOGIT_W +: LOGIT_W]) > $signed(best)) best_right = 1'b0;
      if (c < best_at && logits[c*LOGIT_W +: LOGIT_W] == best) best_right = 1'b0;
      if (c == best_at && logits[c*LOGIT_W +: LOGIT_W] == best) best_seen = 1'b1;
    end
  end

  always @* begin
    if (!started) assume (rst_i);
    if (started & waits) assume (~done_i);
    if (started) begin
      readout_latency: assert (valid == there);
      readout_none_lost: assert (\dut.load == take_over && \dut.waiting_q == waits);
      readout_stays: assert (!stalled || (valid && best_at == best_at_before
          && best == best_before && logits == logits_before));
      readout_logits: assert (!valid || logits == expected);
      readout_first_maximum: assert (!valid || (best_right && best_seen));
      readout_range: assert (\dut.summing.addr_q < PAIRS && \dut.at_q < PAIRS);
      inside_steps: assert (\dut.active_q == (left != 0) && left < LATENCY && !(there && left != 0)
          && \dut.summing.step_q == ((age < PAIRS) ? age : 0)
          && \dut.summing.addr_q == \dut.summing.step_q
          && \dut.at_q == ((age >= 3 && age < PAIRS + 3) ? age - 3 : 0));
      readout_covers: cover (valid & waits & (best_at == 4) & (best == 5'd5));
    end
  end

endmodule

`default_nettype wire
