// Given inputs in every clock, and what the outputs must be, in a simulator that knows unknown values:
// for hardware of any size and format. Everything is read from files that replay.py wrote.
//
// Prints the first difference, or SAME and the number of clocks.

`default_nettype none

module tb_clocks #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,
    parameter REQUANTS = 2,
    parameter ELEMENTS = 8,
    parameter WEIGHT_W = 8,
    parameter ACT_W    = 8,
    parameter BIAS_W   = 32,
    parameter SCALE_W  = 16,
    parameter SHIFT_W  = 5,
    parameter CLASS_W  = 4,
    parameter LOGIT_W  = 33,
    parameter CLOCKS   = 1
) ();

  localparam IN_W    = 6 + 64 + 1 + 19 + 64;
  localparam IMAGE_W = ELEMENTS * ACT_W;
  localparam BYTES_W = REQUANTS * ACT_W;
  // Of a result and of hidden bytes, whether they are promised; then the outputs.
  localparam OUT_W   = 2 + 70 + BYTES_W + CLASS_W + LOGIT_W + CLASSES * LOGIT_W;

  reg [IN_W-1:0]  inputs [0:CLOCKS-1];
  reg [OUT_W-1:0] outputs [0:CLOCKS-1];
  reg             clk = 1'b0;
  reg             rst = 1'b1;
  reg [IN_W-2:0]  now = {(IN_W - 1) {1'b0}};

  wire image_valid, image_last, result_ready, request, we, malformed;
  wire [63:0] image_data, wdata;
  wire [18:0] addr;
  assign {image_valid, image_last, result_ready, request, we, malformed, image_data, addr, wdata} = now;

  wire image_ready, result_valid, hidden_valid, host_ready, ack, error;
  wire [63:0] rdata;
  wire [BYTES_W-1:0] hidden;
  wire [CLASS_W-1:0] winner;
  wire [LOGIT_W-1:0] best;
  wire [CLASSES*LOGIT_W-1:0] logits;

  accelerator #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS),
      .ELEMENTS(ELEMENTS),
      .WEIGHT_W(WEIGHT_W),
      .ACT_W   (ACT_W),
      .BIAS_W  (BIAS_W),
      .SCALE_W (SCALE_W),
      .SHIFT_W (SHIFT_W)
  ) dut (
      .clk_i           (clk),
      .rst_i           (rst),
      .image_valid_i   (image_valid),
      .image_ready_o   (image_ready),
      .image_data_i    (image_data[IMAGE_W-1:0]),
      .image_last_i    (image_last),
      .result_valid_o  (result_valid),
      .result_ready_i  (result_ready),
      .result_class_o  (winner),
      .result_value_o  (best),
      .result_logits_o (logits),
      .hidden_valid_o  (hidden_valid),
      .hidden_o        (hidden),
      .host_request_i  (request),
      .host_ready_o    (host_ready),
      .host_we_i       (we),
      .host_malformed_i(malformed),
      .host_addr_i     (addr),
      .host_wdata_i    (wdata),
      .host_ack_o      (ack),
      .host_error_o    (error),
      .host_rdata_o    (rdata)
  );

  wire result_promised, hidden_promised;
  wire [69:0] plain_due;
  wire [BYTES_W-1:0] hidden_due;
  wire [OUT_W-73-BYTES_W:0] result_due;
  reg [OUT_W-1:0] due;
  assign {result_promised, hidden_promised, plain_due, hidden_due, result_due} = due;
  wire [69:0] plain = {image_ready, result_valid, hidden_valid, host_ready, ack, error, rdata};
  wire [OUT_W-73-BYTES_W:0] result = {winner, best, logits};
  integer clock, settling;

  initial begin
    $readmemh("inputs.hex", inputs);
    $readmemh("outputs.hex", outputs);
    for (settling = 0; settling < 2; settling = settling + 1) begin
      #1 clk = 1'b1;
      #1 clk = 1'b0;
    end
    clock = 0;
    while (clock < CLOCKS) begin
      {rst, now} = inputs[clock];
      due = outputs[clock];
      #1;
      if (plain !== plain_due || (result_promised && result !== result_due)
          || (hidden_promised && hidden !== hidden_due)) begin
        $display("clock %0d: %h %h %h, but should be %h %h %h", clock, plain, hidden, result,
                 plain_due, hidden_due, result_due);
        $finish;
        clock = CLOCKS;
      end
      clk = 1'b1;
      #1 clk = 1'b0;
      clock = clock + 1;
      if (clock == CLOCKS) $display("SAME %0d", clock);
    end
    $finish;
  end

endmodule

`default_nettype wire
