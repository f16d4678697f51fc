// From accumulators to sums with bias: in every clock the sums of one segment, each computed from its
// two rows, its bias and the contribution of the weights' offset.
//
// Latency: segment k's rows are taken k + 1 clocks after start_i; their sums are in sum_o two clocks
// later, together with valid_o.

`default_nettype none

module sum_stage #(
    parameter LANES    = 13,
    parameter PLACES   = 2,                // lanes of a segment; the last one may have fewer
    parameter GROUPS   = 8,                // times that all segments are read for an image
    parameter ACC_W    = 22,               // bits of a row
    parameter TOTAL_W  = 14,
    parameter WEIGHT_W = 8,
    parameter BIAS_W   = 32,               // signed
    parameter SUM_W    = 33,               // bits of a sum with bias, signed
    parameter HOST_W   = 64,
    parameter STEPS    = (LANES + PLACES - 1) / PLACES,
    parameter DEPTH    = GROUPS * STEPS,
    parameter BANKS    = (PLACES * BIAS_W + HOST_W - 1) / HOST_W,
    parameter WIDTH    = (BANKS > 1) ? HOST_W : PLACES * BIAS_W,
    parameter ADDR_W   = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    parameter BANK_W   = (BANKS > 1) ? $clog2(BANKS) : 1
) (
    input  wire                      clk_i,
    input  wire                      rst_i,

    input  wire                      start_i,
    input  wire [LANES*2*ACC_W-1:0] rows_i,
    input  wire [TOTAL_W-1:0]        total_i,
    output wire                      valid_o,
    output wire [PLACES*SUM_W-1:0]   sum_o,

    input  wire                      host_we_i,
    input  wire                      host_re_i,
    input  wire [BANK_W-1:0]         host_bank_i,
    input  wire [ADDR_W-1:0]         host_addr_i,
    input  wire [WIDTH-1:0]          host_wdata_i,
    output wire                      host_valid_o,
    output wire [HOST_W-1:0]         host_word_o
);

  localparam STEP_W = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam LAST_LANES = LANES - (STEPS - 1) * PLACES;
  localparam [STEP_W-1:0] FINAL_STEP = STEPS[STEP_W-1:0] - 1'b1;
  localparam [ADDR_W-1:0] FINAL_ADDR = DEPTH[ADDR_W-1:0] - 1'b1;

  // The bias memory is read at addr_q; its word and the rows of step at_q arrive one clock later.
  reg [STEP_W-1:0] step_q;
  reg [STEP_W-1:0] at_q;
  reg [ADDR_W-1:0] addr_q;
  reg [2:0]        age_q;                  // bit k: there was a step k + 1 clocks ago
  wire step = start_i | (step_q != {STEP_W{1'b0}});
  always @(posedge clk_i) begin
    at_q <= step_q;
    if (rst_i) begin
      step_q <= {STEP_W{1'b0}};
      addr_q <= {ADDR_W{1'b0}};
      age_q  <= 3'b000;
    end else begin
      if (step) begin
        step_q <= (step_q == FINAL_STEP) ? {STEP_W{1'b0}} : step_q + 1'b1;
        addr_q <= (addr_q == FINAL_ADDR) ? {ADDR_W{1'b0}} : addr_q + 1'b1;
      end
      age_q <= {age_q[1:0], step};
    end
  end
  assign valid_o = age_q[2];

  wire [PLACES*BIAS_W-1:0] biases;
  parameter_store #(
      .BANKS (BANKS),
      .WIDTH (WIDTH),
      .TOTAL (PLACES * BIAS_W),
      .DEPTH (DEPTH),
      .HOST_W(HOST_W)
  ) store (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .addr_i       (addr_q),
      .data_o       (biases),
      .host_we_i    (host_we_i),
      .host_re_i    (host_re_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_valid_o (host_valid_o),
      .host_word_o  (host_word_o)
  );

  wire [STEPS*PLACES*2*ACC_W-1:0] all_rows;
  wire [PLACES*2*ACC_W-1:0] rows = all_rows[at_q*(PLACES*2*ACC_W) +: PLACES*2*ACC_W];
  assign all_rows[LANES*2*ACC_W-1:0] = rows_i;
  generate
    if (LAST_LANES < PLACES) begin : no_lanes
      assign all_rows[LANES*2*ACC_W +: (PLACES-LAST_LANES)*2*ACC_W] =
          {((PLACES - LAST_LANES) * 2 * ACC_W) {1'b0}};
    end
  endgenerate
  // Kept from the first sums on: the next total may arrive before the last sums have left.
  reg  [TOTAL_W-1:0] total_q;
  wire [TOTAL_W-1:0] total = (at_q == {STEP_W{1'b0}}) ? total_i : total_q;
  always @(posedge clk_i) total_q <= total;
  wire [SUM_W-1:0] offset =
      {{(SUM_W - TOTAL_W - WEIGHT_W + 1) {1'b0}}, total, {(WEIGHT_W - 1) {1'b0}}};
  genvar u;
  generate
    for (u = 0; u < PLACES; u = u + 1) begin : unit
      wire [ACC_W-1:0]  row_0 = rows[2*u*ACC_W +: ACC_W];
      wire [ACC_W-1:0]  row_1 = rows[(2*u+1)*ACC_W +: ACC_W];
      wire [BIAS_W-1:0] bias = biases[u*BIAS_W +: BIAS_W];
      // Places of the last segment without a lane have no offset either.
      wire is_lane = (u < LAST_LANES) | (at_q != FINAL_STEP);
      wire [2*SUM_W-1:0] two;
      carry_save #(
          .ROWS (4),
          .WIDTH(SUM_W)
      ) reduce (
          .rows_i({
            {{(SUM_W - BIAS_W) {bias[BIAS_W-1]}}, bias},
            ~(offset & {SUM_W{is_lane}}),
            {(SUM_W - ACC_W) {1'b0}}, row_1,
            {(SUM_W - ACC_W) {1'b0}}, row_0
          }),
          .rows_o(two)
      );
      reg  [SUM_W-1:0] a_q, b_q, sum_q;
      wire [SUM_W-1:0] sum;
      // The second row holds carries, so its lowest bit is free for the 1 that turns the complement of
      // the offset into its negative.
      block_adder #(
          .WIDTH(SUM_W)
      ) add (
          .a_i  (a_q),
          .b_i  (b_q | {{(SUM_W - 1) {1'b0}}, 1'b1}),
          .sum_o(sum)
      );
      always @(posedge clk_i) begin
        a_q   <= two[SUM_W-1:0];
        b_q   <= two[2*SUM_W-1:SUM_W];
        sum_q <= sum;
      end
      assign sum_o[u*SUM_W +: SUM_W] = sum_q;
    end
  endgenerate

endmodule

`default_nettype wire
