// From the sums of layer 1 to the hidden bytes: the LANES sums of a group are taken over at once
// and then leave REQUANTS a clock, each through its bias and its requantiser.
//
// Latency: the first hidden bytes (valid_o) 6 clocks after done_i, the rest in the clocks that
// follow without a gap; fetch_o is one clock ahead of valid_o, for the memories of layer 2.

`default_nettype none

module hidden_stage #(
    parameter LANES    = 13,               // sums of a group
    parameter GROUPS   = 8,                // groups of an image
    parameter REQUANTS = 2,                // hidden bytes a clock
    parameter ACC_W    = 22,               // bits of a sum without bias, signed
    parameter BIAS_W   = 32,               // bits of a bias, signed
    parameter SUM_W    = 33,               // bits of a sum with bias, signed
    parameter SCALE_W  = 16,
    parameter SHIFT_W  = 5,
    parameter ACT_W    = 8,
    parameter HOST_W   = 64,
    parameter STEPS    = (LANES + REQUANTS - 1) / REQUANTS,
    parameter DEPTH    = GROUPS * STEPS,
    parameter BANKS    = (REQUANTS * BIAS_W + HOST_W - 1) / HOST_W,
    parameter WIDTH    = (BANKS > 1) ? HOST_W : REQUANTS * BIAS_W,
    parameter ADDR_W   = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W   = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                      clk_i,
    input  wire                      rst_i,
    input  wire [SCALE_W-1:0]        scale_i,
    input  wire [SHIFT_W-1:0]        shift_i,

    input  wire                      done_i,
    input  wire [LANES*ACC_W-1:0]    acc_i,

    output wire                      fetch_o,     // hidden bytes will be valid in the next clock
    output wire                      valid_o,
    output wire [REQUANTS*ACT_W-1:0] hidden_o,    // the lower neuron in the low bits

    input  wire                      host_select_i,
    input  wire                      host_we_i,
    input  wire [BANK_W-1:0]         host_bank_i,
    input  wire [ADDR_W-1:0]         host_addr_i,
    input  wire [WIDTH-1:0]          host_wdata_i,
    output wire [HOST_W-1:0]         host_rdata_o
);

  localparam STEP_W = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam [STEP_W-1:0] FINAL_STEP = STEPS[STEP_W-1:0] - 1'b1;
  localparam [ADDR_W-1:0] FINAL_ADDR = DEPTH[ADDR_W-1:0] - 1'b1;
  localparam QUEUE_W = STEPS * REQUANTS * ACC_W;
  localparam SHIFT_OUT = REQUANTS * ACC_W;
  localparam STAGES = 6;                   // queue, bias, and the requantiser's four

  // One step: the bias memory is read at addr_q; the sums are at the head of the queue a clock later.
  reg [STEP_W-1:0] step_q;
  reg [ADDR_W-1:0] addr_q;
  wire step = done_i | (step_q != {STEP_W{1'b0}});

  reg [STAGES-1:0] step_age_q;             // bit k: there was a step k + 1 clocks ago
  reg [QUEUE_W-1:0] queue_q;

  always @(posedge clk_i) begin
    if (rst_i) begin
      step_q     <= {STEP_W{1'b0}};
      addr_q     <= {ADDR_W{1'b0}};
      step_age_q <= {STAGES{1'b0}};
    end else begin
      if (step) begin
        step_q <= (step_q == FINAL_STEP) ? {STEP_W{1'b0}} : step_q + 1'b1;
        addr_q <= (addr_q == FINAL_ADDR) ? {ADDR_W{1'b0}} : addr_q + 1'b1;
      end
      step_age_q <= {step_age_q[STAGES-2:0], step};
    end
    if (done_i) queue_q <= {{(QUEUE_W - LANES * ACC_W) {1'b0}}, acc_i};
    else queue_q <= queue_q >> SHIFT_OUT;
  end

  wire [REQUANTS*BIAS_W-1:0] biases;
  parameter_store #(
      .BANKS (BANKS),
      .WIDTH (WIDTH),
      .TOTAL (REQUANTS * BIAS_W),
      .DEPTH (DEPTH),
      .HOST_W(HOST_W)
  ) store (
      .clk_i        (clk_i),
      .addr_i       (addr_q),
      .data_o       (biases),
      .host_select_i(host_select_i),
      .host_we_i    (host_we_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_rdata_o (host_rdata_o)
  );

  genvar r;
  generate
    for (r = 0; r < REQUANTS; r = r + 1) begin : unit
      wire [ACC_W-1:0]  acc  = queue_q[r*ACC_W +: ACC_W];
      wire [BIAS_W-1:0] bias = biases[r*BIAS_W +: BIAS_W];
      reg [SUM_W-1:0] sum_q;
      always @(posedge clk_i) begin
        sum_q <= {{(SUM_W - ACC_W) {acc[ACC_W-1]}}, acc}
               + {{(SUM_W - BIAS_W) {bias[BIAS_W-1]}}, bias};
      end
      requantize #(
          .SUM_W  (SUM_W),
          .SCALE_W(SCALE_W),
          .SHIFT_W(SHIFT_W),
          .ACT_W  (ACT_W)
      ) requantiser (
          .clk_i  (clk_i),
          .rst_i  (rst_i),
          .sum_i  (sum_q),
          .scale_i(scale_i),
          .shift_i(shift_i),
          .h_o    (hidden_o[r*ACT_W +: ACT_W])
      );
    end
  endgenerate

  assign fetch_o = step_age_q[STAGES-2];
  assign valid_o = step_age_q[STAGES-1];

endmodule

`default_nettype wire
