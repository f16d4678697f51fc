// A result as an AXI4-Stream packet of CLASSES + 1 beats of 64 bits:
//   beat 0            class [63:48], its logit [47:0], sign-extended
//   beat 1 + c        logit of class c, sign-extended; tlast on the final one
//
// Latency: none; beat 0 is valid in the clock in which the result is. The result is taken from the core
// together with the last beat and stays stable until then, so beats need no register here.

`default_nettype none

module axi_result_stream #(
    parameter CLASSES = 10,
    parameter LOGIT_W = 33,                // bits of a logit, signed; at most 48
    parameter CLASS_W = 4                  // at most 16
) (
    input  wire                       clk_i,
    input  wire                       rst_i,

    input  wire                       result_valid_i,
    output wire                       result_ready_o,
    input  wire [CLASS_W-1:0]         result_class_i,
    input  wire [LOGIT_W-1:0]         result_value_i,
    input  wire [CLASSES*LOGIT_W-1:0] result_logits_i, // class 0 in the low bits

    output wire [63:0]                tdata_o,
    output wire                       tvalid_o,
    input  wire                       tready_i,
    output wire                       tlast_o
);

  localparam BEAT_W = $clog2(CLASSES + 1);
  localparam [BEAT_W-1:0] FINAL_BEAT = CLASSES[BEAT_W-1:0];

  // All beats side by side, padded with zeros to a power of two, so that no index is out of range.
  wire [(64<<BEAT_W)-1:0] beats;
  genvar k;
  generate
    for (k = 0; k < (1 << BEAT_W); k = k + 1) begin : beat
      if (k == 0) begin : head
        assign beats[63:0] = {
          {(16 - CLASS_W) {1'b0}},
          result_class_i,
          {(48 - LOGIT_W) {result_value_i[LOGIT_W-1]}},
          result_value_i
        };
      end else if (k <= CLASSES) begin : logit
        assign beats[k*64 +: 64] = {
          {(64 - LOGIT_W) {result_logits_i[k*LOGIT_W-1]}},
          result_logits_i[(k-1)*LOGIT_W +: LOGIT_W]
        };
      end else begin : none
        assign beats[k*64 +: 64] = 64'd0;
      end
    end
  endgenerate

  reg [BEAT_W-1:0] beat_q;
  always @(posedge clk_i) begin
    if (rst_i) beat_q <= {BEAT_W{1'b0}};
    else if (tvalid_o & tready_i) beat_q <= tlast_o ? {BEAT_W{1'b0}} : beat_q + 1'b1;
  end

  assign tdata_o        = beats[beat_q*64 +: 64];
  assign tvalid_o       = result_valid_i;
  assign tlast_o        = beat_q == FINAL_BEAT;
  assign result_ready_o = tready_i & tlast_o;

endmodule

`default_nettype wire
