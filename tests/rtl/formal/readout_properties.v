// What readout promises, for all time: no image lost, exact latency, a result that is right (sums and
// biases added, the first largest logit) and does not move until it is taken.
//
// Assumed of layer 2: its sums stay while they wait, and no others come meanwhile (both proven in
// accelerator_properties). The memory of biases is arbitrary; the host is away.

`default_nettype none

module readout_properties #(
    parameter CLASSES = 5,
    parameter ACC_W   = 3,
    parameter BIAS_W  = 3,
    parameter LOGIT_W = 4
) (
    input wire                     clk_i,
    input wire                     rst_i,
    input wire                     done_i,
    input wire [CLASSES*ACC_W-1:0] acc_i,
    input wire                     ready_i
);

  localparam PAIRS   = (CLASSES + 1) / 2;
  localparam LATENCY = PAIRS + 3;
  wire                       valid;
  wire [2:0]                 best_at;
  wire [LOGIT_W-1:0]         best;
  wire [CLASSES*LOGIT_W-1:0] logits;
  readout #(
      .CLASSES(CLASSES),
      .ACC_W  (ACC_W),
      .BIAS_W (BIAS_W),
      .LOGIT_W(LOGIT_W),
      .HOST_W (8)
  ) dut (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .done_i       (done_i),
      .acc_i        (acc_i),
      .valid_o      (valid),
      .ready_i      (ready_i),
      .class_o      (best_at),
      .value_o      (best),
      .logits_o     (logits),
      .host_select_i(1'b0),
      .host_we_i    (1'b0),
      .host_bank_i  (1'b0),
      .host_addr_i  (2'b0),
      .host_wdata_i (6'd0),
      .host_rdata_o ()
  );
  (* hierconn *) wire       \dut.load , \dut.waiting_q , \dut.active_q ;
  (* hierconn *) wire [2:0] \dut.count_q , \dut.next_pair ;
  (* hierconn *) wire [2*BIAS_W-1:0] \dut.store.bank[0].memory.words[0] ,
      \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[2] ;
  wire [6*BIAS_W-1:0] biases = {
    \dut.store.bank[0].memory.words[2] , \dut.store.bank[0].memory.words[1] , \dut.store.bank[0].memory.words[0]
  };

  reg                     started = 1'b0;
  reg                     waits;           // sums in layer 2 that are not taken over yet
  reg [CLASSES*ACC_W-1:0] acc_before;
  reg [31:0]              left;            // clocks until the result, 0: none is on its way
  reg                     there;           // a result is there
  reg [CLASSES*ACC_W-1:0] taken;           // its sums
  wire                    take_over = (done_i | waits) & (left == 0) & ~there;
  reg                     stalled;
  reg [2:0]               best_at_before;
  reg [LOGIT_W-1:0]       best_before;
  reg [CLASSES*LOGIT_W-1:0] logits_before;
  always @(posedge clk_i) begin
    started        <= 1'b1;
    acc_before     <= acc_i;
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
      if (take_over) begin
        left  <= LATENCY - 1;
        taken <= acc_i;
      end else if (left != 0) left <= left - 1;
      there <= (left == 1) | (there & ~ready_i);
    end
  end

  integer c;
  reg logits_right, best_right, best_seen;
  always @* begin
    logits_right = 1'b1;
    best_right   = best_at < CLASSES;
    best_seen    = 1'b0;
    for (c = 0; c < CLASSES; c = c + 1) begin
      if ($signed(logits[c*LOGIT_W +: LOGIT_W])
          != $signed(taken[c*ACC_W +: ACC_W]) + $signed(biases[c*BIAS_W +: BIAS_W]))
        logits_right = 1'b0;
      if ($signed(logits[c*LOGIT_W +: LOGIT_W]) > $signed(best)) best_right = 1'b0;
      if (c < best_at && logits[c*LOGIT_W +: LOGIT_W] == best) best_right = 1'b0;
      if (c == best_at && logits[c*LOGIT_W +: LOGIT_W] == best) best_seen = 1'b1;
    end
  end

  always @* begin
    if (!started) assume (rst_i);
    if (started & waits) assume (~done_i & (acc_i == acc_before));
    if (started) begin
      readout_latency: assert (valid == there);
      readout_none_lost: assert (\dut.load == take_over && \dut.waiting_q == waits);
      readout_stays: assert (!stalled || (valid && best_at == best_at_before
          && best == best_before && logits == logits_before));
      readout_logits: assert (!valid || logits_right);
      readout_first_maximum: assert (!valid || (best_right && best_seen));
      readout_range: assert (\dut.next_pair < PAIRS);
      inside_count: assert (\dut.active_q == (left != 0) && left < LATENCY
          && (left != 0 ? \dut.count_q == LATENCY - 1 - left
              : \dut.count_q == 0 || (there && \dut.count_q == PAIRS + 2))
          && !(there && left != 0));
      readout_covers: cover (valid & waits & (best_at == 4) & (best == 4'd5));
    end
  end

endmodule

`default_nettype wire
