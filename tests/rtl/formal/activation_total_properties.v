// activation_total is the sum of all activations of a sum's words, for all time and at full width, and
// no bit of it is ever lost.
//
// Assumed: a sum's first word says so, and at most WORDS words belong to it (accelerator_properties).

`default_nettype none

module activation_total_properties #(
    parameter ELEMENTS = 8,
    parameter WORDS    = 8,
    parameter ACT_W    = 8,
    parameter TOTAL_W  = ACT_W + $clog2(ELEMENTS * WORDS)
) (
    input wire                      clk_i,
    input wire [ELEMENTS*ACT_W-1:0] activations_i,
    input wire                      valid_i,
    input wire                      first_i,
    input wire                      last_i
);

  localparam HIGH = ELEMENTS * (2 ** ACT_W - 1);
  wire [TOTAL_W-1:0] total;
  activation_total #(
      .ELEMENTS(ELEMENTS),
      .ACT_W   (ACT_W),
      .TOTAL_W (TOTAL_W)
  ) dut (
      .clk_i        (clk_i),
      .activations_i(activations_i),
      .valid_i      (valid_i),
      .first_i      (first_i),
      .last_i       (last_i),
      .total_o      (total)
  );
  (* hierconn *) wire [TOTAL_W-1:0] \dut.running_q ;

  reg [31:0] term [1:2*ELEMENTS-1];
  integer e;
  always @* begin
    for (e = 0; e < ELEMENTS; e = e + 1) term[ELEMENTS+e] = activations_i[e*ACT_W +: ACT_W];
    for (e = ELEMENTS - 1; e >= 1; e = e - 1) term[e] = term[2*e] + term[2*e+1];
  end
  reg [31:0]        came_1, came_2;        // a clock and two clocks ago
  reg               valid_1 = 1'b0, valid_2 = 1'b0;
  reg [1:0]         clock = 2'd0;
  reg [31:0]        words = 0;             // of the sum that is running, 0: none has begun
  reg [31:0]        running;
  reg               known = 1'b0;          // a total has come
  reg [31:0]        total_is;
  reg               stays = 1'b0;
  reg [TOTAL_W-1:0] before;
  always @(posedge clk_i) begin
    if (clock != 2'd3) clock <= clock + 2'd1;
    came_1  <= valid_i ? term[1] : 0;
    came_2  <= came_1;
    valid_1 <= valid_i;
    valid_2 <= valid_1;
    if (clock >= 2'd2) begin
      if (first_i) begin
        words   <= valid_2;
        running <= came_2;
      end else if (words != 0) begin
        words   <= words + valid_2;
        running <= running + came_2;
      end
    end
    if (last_i) begin
      known    <= words != 0;
      total_is <= running;
    end
    stays  <= ~last_i;
    before <= total;
  end

  always @* begin
    if (valid_2 & ~first_i) assume (words > 0 && words < WORDS);
    activation_total_value: assert (!known || total == total_is);
    activation_total_stays: assert (!stays || total == before);
    inside_running: assert (words == 0 || (\dut.running_q == running && running <= words * HIGH));
    inside_words: assert (words <= WORDS);
    activation_total_covers: cover (known && total == WORDS * HIGH);
  end

endmodule

`default_nettype wire
