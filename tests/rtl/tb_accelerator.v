// A network, images and what must come of them, in a simulator that knows unknown values: everything
// is read from files that test_views.py wrote, every result and hidden byte is compared, and no
// output may be X or Z after the reset, hidden bytes while they are not valid excepted.
//
// Prints one line for each difference and PASS or FAIL at the end; exit status says nothing.

`default_nettype none

module tb_accelerator #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,
    parameter REQUANTS = 2,
    parameter CLASS_W  = 4,
    parameter LOGIT_W  = 33,
    parameter WORDS    = 8,
    parameter WRITES   = 1,                // lines of writes.hex: address and word
    parameter IMAGES   = 1,
    parameter STEPS    = 1,                // clocks with hidden bytes of an image
    parameter LIMIT    = 100000            // clocks
) ();

  localparam RESULT_W = CLASS_W + LOGIT_W + CLASSES * LOGIT_W;

  reg [82:0] writes [0:WRITES-1];
  reg [63:0] words [0:IMAGES*WORDS-1];
  reg [RESULT_W-1:0] results [0:IMAGES-1];
  reg [REQUANTS*8-1:0] hiddens [0:IMAGES*STEPS-1];

  reg         clk = 1'b0;
  reg         rst = 1'b1;
  reg         image_valid = 1'b0;
  reg         image_last = 1'b0;
  reg [63:0]  image_data = 64'd0;
  reg         result_ready = 1'b0;
  reg         host_request = 1'b0;
  reg [18:0]  host_addr = 19'd0;
  reg [63:0]  host_wdata = 64'd0;
  wire        image_ready, result_valid, hidden_valid, host_ready, host_ack, host_error;
  wire [CLASS_W-1:0] result_class;
  wire [LOGIT_W-1:0] result_value;
  wire [CLASSES*LOGIT_W-1:0] result_logits;
  wire [REQUANTS*8-1:0] hidden;
  wire [63:0] host_rdata;

  accelerator #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS)
  ) dut (
      .clk_i           (clk),
      .rst_i           (rst),
      .image_valid_i   (image_valid),
      .image_ready_o   (image_ready),
      .image_data_i    (image_data),
      .image_last_i    (image_last),
      .result_valid_o  (result_valid),
      .result_ready_i  (result_ready),
      .result_class_o  (result_class),
      .result_value_o  (result_value),
      .result_logits_o (result_logits),
      .hidden_valid_o  (hidden_valid),
      .hidden_o        (hidden),
      .host_request_i  (host_request),
      .host_ready_o    (host_ready),
      .host_we_i       (1'b1),
      .host_malformed_i(1'b0),
      .host_addr_i     (host_addr),
      .host_wdata_i    (host_wdata),
      .host_ack_o      (host_ack),
      .host_error_o    (host_error),
      .host_rdata_o    (host_rdata)
  );

  integer written = 0, acked = 0, sent = 0, taken = 0, seen = 0, clocks = 0, wrong = 0;
  wire [RESULT_W-1:0] result = {result_class, result_value, result_logits};
  wire unknown = ^{
    image_ready, result_valid, result, hidden_valid, host_ready, host_ack, host_error, host_rdata,
    hidden & {REQUANTS * 8{hidden_valid}}
  } === 1'bx;

  always #5 clk = ~clk;

  initial begin
    $readmemh("writes.hex", writes);
    $readmemh("words.hex", words);
    $readmemh("results.hex", results);
    $readmemh("hiddens.hex", hiddens);
    repeat (3) @(posedge clk);
    rst <= 1'b0;
  end

  // Outputs are looked at as they are before the edge; inputs change with it, as registers would.
  always @(posedge clk) if (!rst) begin
    clocks = clocks + 1;
    if (unknown) begin
      wrong = wrong + 1;
      if (wrong < 10) $display("clock %0d: an output is unknown", clocks);
    end
    if (host_ready !== 1'b1) begin
      wrong = wrong + 1;
      if (wrong < 10) $display("clock %0d: not ready for writes", clocks);
    end
    if (host_ack) begin
      acked = acked + 1;
      if (host_error !== 1'b0) begin
        wrong = wrong + 1;
        $display("clock %0d: write %0d refused", clocks, acked);
      end
    end
    if (hidden_valid) begin
      if (seen >= IMAGES * STEPS || hidden !== hiddens[seen]) begin
        wrong = wrong + 1;
        if (wrong < 10) $display("clock %0d: hidden %0d = %h", clocks, seen, hidden);
      end
      seen = seen + 1;
    end
    if (result_valid && result_ready) begin
      if (result !== results[taken]) begin
        wrong = wrong + 1;
        $display("clock %0d: result %0d = %h, but should be %h", clocks, taken, result,
                 results[taken]);
      end
      taken = taken + 1;
    end
    if (image_valid && image_ready) sent = sent + 1;

    host_request <= written < WRITES;
    if (written < WRITES) begin
      {host_addr, host_wdata} <= writes[written];
      written = written + 1;
    end
    image_valid <= (acked == WRITES) && (sent < IMAGES * WORDS);
    if (sent < IMAGES * WORDS) begin
      image_data <= words[sent];
      image_last <= sent % WORDS == WORDS - 1;
    end
    result_ready <= clocks % 7 != 0;
    if (taken == IMAGES || clocks == LIMIT) begin
      if (wrong == 0 && taken == IMAGES && seen == IMAGES * STEPS) $display("PASS %0d", taken);
      else $display("FAIL %0d wrong, %0d results, %0d clocks", wrong, taken, clocks);
      $finish;
    end
  end

endmodule

`default_nettype wire
