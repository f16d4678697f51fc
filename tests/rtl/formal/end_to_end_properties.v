// The whole accelerator against its specification, from the host's writes to the class: every
// weight, bias, input, M and S is an arbitrary constant of full width, written through the host port
// as hostmap.network_words lays it out; then IMAGES images come without a pause.
//
// The control is concrete, so the bounded proof, long enough for all results, is complete. Products are
// compared as the hardware makes them, of weights with 128 added; that these, less 128 times the sum of
// the inputs, are the products of the weights is offset_properties.

`default_nettype none

module end_to_end_properties #(
    parameter INPUTS   = 2,
    parameter HIDDEN   = 2,
    parameter CLASSES  = 2,
    parameter LANES    = 2,
    parameter REQUANTS = 2,
    parameter ELEMENTS = 2,
    parameter IMAGES   = 1
) (
    input wire clk_i
);

  localparam WORDS   = (INPUTS + ELEMENTS - 1) / ELEMENTS;
  localparam GROUPS  = (HIDDEN + LANES - 1) / LANES;
  localparam STEPS   = (LANES + REQUANTS - 1) / REQUANTS;
  localparam PAIRS   = (CLASSES + 1) / 2;
  localparam ISSUES  = GROUPS * WORDS;
  localparam DEPTH1  = GROUPS * STEPS;
  localparam LOGIT_W = 33;
  localparam CLASS_W = (CLASSES > 1) ? $clog2(CLASSES) : 1;
  localparam W0_W    = 8 * ELEMENTS;
  localparam B0_W    = 32 * REQUANTS;
  localparam SHARE1  = 2;                  // classes whose weights share a memory
  localparam BANKS1  = (CLASSES + SHARE1 - 1) / SHARE1;
  localparam W1_W    = 8 * SHARE1 * REQUANTS;
  localparam WRITES  = LANES * ISSUES + DEPTH1 + BANKS1 * DEPTH1 + PAIRS + 2;
  localparam FIRST   = WRITES + 3;         // clock of the first image's first word
  localparam LATENCY = ISSUES + STEPS + PAIRS + 18;
  localparam RESULT  = FIRST + WORDS - 1 + LATENCY;          // clock of the first result

  (* anyconst *) reg [W0_W*LANES*ISSUES-1:0]     any_w0;
  (* anyconst *) reg [B0_W*DEPTH1-1:0]           any_b0;
  (* anyconst *) reg [W1_W*BANKS1*DEPTH1-1:0]    any_w1;
  (* anyconst *) reg [64*PAIRS-1:0]              b1;
  (* anyconst *) reg [15:0]                      M;
  (* anyconst *) reg [4:0]                       S;
  (* anyconst *) reg [W0_W*WORDS*IMAGES-1:0]     x;

  // Padding is zero in the weights, as the host writes it, and arbitrary in biases and inputs.
  wire [W0_W*LANES*ISSUES-1:0] w0;
  wire [B0_W*DEPTH1-1:0]       b0 = any_b0;
  wire [W1_W*BANKS1*DEPTH1-1:0] w1;        // memory after memory
  genvar i, j;
  generate
    for (i = 0; i < LANES * ISSUES * ELEMENTS; i = i + 1) begin : pad0
      assign w0[8*i +: 8] = (i % (WORDS * ELEMENTS) < INPUTS) ? any_w0[8*i +: 8] : 8'd0;
    end
    for (i = 0; i < BANKS1 * DEPTH1 * SHARE1 * REQUANTS; i = i + 1) begin : pad1
      localparam PLACE  = (i / (SHARE1 * REQUANTS)) % STEPS * REQUANTS + i % REQUANTS;
      localparam NEURON = (i / (SHARE1 * REQUANTS)) % DEPTH1 / STEPS * LANES + PLACE;
      localparam CLASS  = i / (SHARE1 * REQUANTS * DEPTH1) * SHARE1 + i / REQUANTS % SHARE1;
      assign w1[8*i +: 8] = (PLACE < LANES && NEURON < HIDDEN && CLASS < CLASSES) ? any_w1[8*i +: 8] : 8'd0;
    end
  endgenerate

  // What is driven in which clock.
  reg [7:0]  clock = 8'd0;
  reg        request;
  reg [18:0] addr;
  reg [63:0] wdata;
  integer    n;
  always @(posedge clk_i) if (clock != 8'd255) clock <= clock + 8'd1;
  always @* begin
    request = 1'b0;
    addr    = 19'd0;
    wdata   = 64'd0;
    n       = clock - 8'd1;
    if (clock >= 1 && clock <= WRITES) begin
      request = 1'b1;
      if (n < LANES * ISSUES) begin
        addr  = (1 << 16) | ((n / ISSUES) << 10) | (n % ISSUES);
        wdata = w0 >> (W0_W * n) & {W0_W{1'b1}};
      end else if (n < LANES * ISSUES + DEPTH1) begin
        n     = n - LANES * ISSUES;
        addr  = (2 << 16) | n;
        wdata = b0 >> (B0_W * n);
      end else if (n < LANES * ISSUES + DEPTH1 + BANKS1 * DEPTH1) begin
        n     = n - LANES * ISSUES - DEPTH1;
        addr  = (3 << 16) | ((n / DEPTH1) << 10) | (n % DEPTH1);
        wdata = w1 >> (W1_W * n) & {W1_W{1'b1}};
      end else if (n < WRITES - 2) begin
        n     = n - LANES * ISSUES - DEPTH1 - BANKS1 * DEPTH1;
        addr  = (4 << 16) | n;
        wdata = b1 >> (64 * n);
      end else if (n == WRITES - 2) begin
        addr  = 5;
        wdata = M;
      end else begin
        addr  = 6;
        wdata = S;
      end
    end
  end
  wire                 image_valid = clock >= FIRST && clock < FIRST + WORDS * IMAGES;
  wire [W0_W-1:0]      image_data = x >> (W0_W * (clock - FIRST));
  wire                 image_last = ((clock - FIRST) % WORDS) == WORDS - 1;

  wire                 image_ready, result_valid, host_ready, ack, error, hidden_valid;
  wire [8*REQUANTS-1:0] hidden;
  wire [CLASS_W-1:0]   class_index;
  wire [LOGIT_W-1:0]   value;
  wire [CLASSES*LOGIT_W-1:0] logits;
  accelerator #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS),
      .ELEMENTS(ELEMENTS)
  ) dut (
      .clk_i           (clk_i),
      .rst_i           (clock == 8'd0),
      .image_valid_i   (image_valid),
      .image_ready_o   (image_ready),
      .image_data_i    (image_data),
      .image_last_i    (image_last),
      .result_valid_o  (result_valid),
      .result_ready_i  (1'b1),
      .result_class_o  (class_index),
      .result_value_o  (value),
      .result_logits_o (logits),
      .hidden_valid_o  (hidden_valid),
      .hidden_o        (hidden),
      .host_request_i  (request),
      .host_ready_o    (host_ready),
      .host_we_i       (1'b1),
      .host_malformed_i(1'b0),
      .host_addr_i     (addr),
      .host_wdata_i    (wdata),
      .host_ack_o      (ack),
      .host_error_o    (error),
      .host_rdata_o    ()
  );

  // What passed between the layers, in order: sums with bias, and two clocks later the bytes.
  localparam SUM_W = 33;
  reg [7:0] groups = 8'd0;
  reg [8*REQUANTS*DEPTH1*IMAGES-1:0]     seen;
  reg [SUM_W*REQUANTS*DEPTH1*IMAGES-1:0] seen_sums;
  reg [2*SUM_W*REQUANTS-1:0]             sums_age;   // the oldest in the high bits
  (* hierconn *) wire [SUM_W*REQUANTS-1:0] \dut.hidden.sums ;
  always @(posedge clk_i) begin
    if (hidden_valid && clock != 8'd0) begin
      groups <= groups + 8'd1;
      seen[8*REQUANTS*groups +: 8*REQUANTS] <= hidden;
      seen_sums[SUM_W*REQUANTS*groups +: SUM_W*REQUANTS] <=
          sums_age[2*SUM_W*REQUANTS-1 -: SUM_W*REQUANTS];
    end
    sums_age <= {sums_age, \dut.hidden.sums };
  end

  // The specification, neuron by neuron, in 64-bit integers: sums from the inputs, hidden bytes from
  // the sums that were seen, logits from the hidden bytes that were seen, the class from the logits
  // that were seen. All are proven of one run, so the whole is. That a negative sum gives zero stands
  // behind the multiplication here; requantize_properties proves it of the maximum before it.
  wire signed [63:0] h [0:HIDDEN*IMAGES-1];
  wire signed [63:0] logit [0:CLASSES*IMAGES-1];
  wire signed [63:0] sum [0:HIDDEN*IMAGES-1];
  wire signed [63:0] sum_seen [0:HIDDEN*IMAGES-1];
  wire signed [63:0] byte_seen [0:HIDDEN*IMAGES-1];
  genvar m;
  generate
    for (m = 0; m < IMAGES; m = m + 1) begin : image
      for (j = 0; j < HIDDEN; j = j + 1) begin : neuron
        localparam GROUP = j / LANES;
        localparam LANE  = j % LANES;
        localparam PLACE = (GROUP * STEPS + LANE / REQUANTS) * REQUANTS + LANE % REQUANTS;
        // Products of 16 bits, as the lanes make them: the solver sees that both sides multiply the same.
        wire [31:0] acc [0:WORDS*ELEMENTS];
        wire [31:0] inputs [0:WORDS*ELEMENTS];
        assign acc[0] = 0;
        assign inputs[0] = 0;
        for (i = 0; i < WORDS * ELEMENTS; i = i + 1) begin : term
          localparam AT = (LANE * ISSUES + GROUP * WORDS) * ELEMENTS + i;
          wire [7:0]  w = w0[8*AT +: 8] ^ 8'h80;
          wire [7:0]  u = x[8*(m*WORDS*ELEMENTS+i) +: 8];
          wire [15:0] product = w * u;
          assign acc[i+1] = acc[i] + product;
          assign inputs[i+1] = inputs[i] + u;
        end
        assign sum[m*HIDDEN+j] = $signed({32'd0, acc[WORDS*ELEMENTS]}) + $signed(b0[32*PLACE +: 32])
            - $signed({25'd0, inputs[WORDS*ELEMENTS], 7'd0});
        assign sum_seen[m*HIDDEN+j] = $signed(seen_sums[SUM_W*(m*DEPTH1*REQUANTS+PLACE) +: SUM_W]);
        assign byte_seen[m*HIDDEN+j] = {56'd0, seen[8*(m*DEPTH1*REQUANTS+PLACE) +: 8]};
        wire [63:0] scaled = (sum_seen[m*HIDDEN+j] * $signed({48'd0, M})) >> S;
        assign h[m*HIDDEN+j] = (sum_seen[m*HIDDEN+j] < 0) ? 64'd0
            : (scaled > 255) ? 64'd255 : scaled;
      end
      for (j = 0; j < CLASSES; j = j + 1) begin : row
        wire [31:0] acc [0:HIDDEN];
        wire [31:0] bytes [0:HIDDEN];
        assign acc[0] = 0;
        assign bytes[0] = 0;
        for (i = 0; i < HIDDEN; i = i + 1) begin : term
          localparam STEP  = (i / LANES) * STEPS + (i % LANES) / REQUANTS;
          localparam PLACE = ((j / SHARE1 * DEPTH1 + STEP) * SHARE1 + j % SHARE1) * REQUANTS
                           + (i % LANES) % REQUANTS;
          wire [7:0]  w = w1[8*PLACE +: 8] ^ 8'h80;
          wire [7:0]  u = byte_seen[m*HIDDEN+i];
          wire [15:0] product = w * u;
          assign acc[i+1] = acc[i] + product;
          assign bytes[i+1] = bytes[i] + u;
        end
        assign logit[m*CLASSES+j] = $signed({32'd0, acc[HIDDEN]}) + $signed(b1[32*j +: 32])
            - $signed({25'd0, bytes[HIDDEN], 7'd0});
      end
    end
  endgenerate

  // What was ever wrong is kept and looked at once, when all results have come: one question to the
  // solver and not one a clock.
  localparam END = RESULT + (IMAGES - 1) * (ISSUES + PAIRS + 6) + 1;
  reg [7:0] results = 8'd0;                // that have come
  reg wrong_logits = 1'b0, wrong_class = 1'b0, wrong_value = 1'b0, wrong_time = 1'b0;
  reg refused = 1'b0;
  reg wrong_sums, wrong_hidden;
  integer c;
  always @* begin
    wrong_hidden = groups != DEPTH1 * IMAGES;
    wrong_sums   = 1'b0;
    for (c = 0; c < HIDDEN * IMAGES; c = c + 1) begin
      if (sum[c] != sum_seen[c]) wrong_sums = 1'b1;
      if (h[c] != byte_seen[c]) wrong_hidden = 1'b1;
    end
  end
  reg signed [LOGIT_W-1:0] best;
  reg [CLASS_W-1:0]        best_at;
  always @* begin
    best    = logits[LOGIT_W-1:0];
    best_at = 0;
    for (c = 1; c < CLASSES; c = c + 1) begin
      if ($signed(logits[c*LOGIT_W +: LOGIT_W]) > best) begin
        best    = logits[c*LOGIT_W +: LOGIT_W];
        best_at = c;
      end
    end
  end
  always @(posedge clk_i) begin
    if (clock != 8'd0 && clock < END) begin
      if (result_valid) begin
        results <= results + 8'd1;
        for (c = 0; c < CLASSES; c = c + 1) begin
          if ($signed(logits[c*LOGIT_W +: LOGIT_W]) != logit[results*CLASSES+c])
            wrong_logits <= 1'b1;
        end
        if (class_index != best_at) wrong_class <= 1'b1;
        if ($signed(value) != best) wrong_value <= 1'b1;
      end
      if (clock <= RESULT && result_valid != (clock == RESULT)) wrong_time <= 1'b1;
      if (error | (image_valid & ~image_ready) | (request & ~host_ready)) refused <= 1'b1;
    end
  end
  always @* begin
    if (clock == END) begin
      end_to_end_results: assert (results == IMAGES && !refused);
      end_to_end_latency: assert (!wrong_time);
      end_to_end_sums: assert (!wrong_sums);
      end_to_end_hidden: assert (!wrong_hidden);
      end_to_end_logits: assert (!wrong_logits);
      end_to_end_class: assert (!wrong_class);
      end_to_end_value: assert (!wrong_value);
    end
  end

endmodule

`default_nettype wire
