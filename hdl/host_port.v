// The host's port: decodes one 64-bit word per clock into registers and memories, refuses accesses that
// are not allowed, and records the reason in ERRORS.
//
// Address (of 64-bit words): region [18:16], memory in the region [15:10], word in the memory [9:0].
//   region 0  registers   0 ID       ro  "OHMB" and the version
//                         1 SHAPE    ro  inputs, hidden, classes (16 bits each), lanes, requants
//                         2 STATUS   ro  0 busy, 1 result waits, 2 image waits, 5:4 outstanding
//                         3 CONTROL  rw  0 hold: start no further images
//                         4 ERRORS   rw  write 1 to clear: 0 write refused while busy, 1 read refused
//                                        while busy, 2 no such address or not writable, 3 value
//                                        does not fit or partial word, 4 image of wrong length
//                         5 SCALE    rw  M of the requantisation
//                         6 SHIFT    rw  S of the requantisation
//   region 1  weights of layer 0, one per lane        region 2  biases of layer 0
//   region 3  weights of layer 1                      region 4  biases of layer 1
//
// Memories can be accessed, and SCALE and SHIFT written, only while nothing is under way; otherwise the
// access is refused, changes nothing and is answered with error_o. Every address that is not listed
// is an error; no address is an alias of another.
//
// Latency: a request is taken in a clock with ready_o and decided two clocks later. The answer (ack_o,
// error_o, rdata_o; rdata_o is zero unless a read was granted) comes one clock after that, or for a word
// of a memory when it has arrived from there. After a read nothing is taken until its answer.

`default_nettype none

module host_port #(
    parameter INPUTS     = 64,
    parameter HIDDEN     = 100,
    parameter CLASSES    = 10,
    parameter LANES      = 13,
    parameter REQUANTS   = 2,
    parameter SCALE_W    = 16,
    parameter SHIFT_W    = 5,
    parameter BANKS_W0   = 13,             // memories of each region, and their words
    parameter DEPTH_W0   = 64,
    parameter BANKS_B0   = 1,
    parameter DEPTH_B0   = 56,
    parameter BANKS_W1   = 3,
    parameter DEPTH_W1   = 56,
    parameter BANKS_B1   = 1,
    parameter DEPTH_B1   = 5,
    parameter BANK_W     = 4,              // bits of a memory number, for every region
    parameter WORD_W     = 6               // bits of a word number, for every memory
) (
    input  wire               clk_i,
    input  wire               rst_i,

    input  wire               request_i,
    output wire               ready_o,
    input  wire               we_i,
    input  wire               malformed_i, // not a whole, aligned word: refuse it
    input  wire [18:0]        addr_i,
    input  wire [63:0]        wdata_i,
    output wire               ack_o,
    output wire               error_o,
    output wire [63:0]        rdata_o,

    input  wire               idle_i,
    input  wire               result_waits_i,
    input  wire               image_waits_i,
    input  wire [1:0]         outstanding_i,
    input  wire               framing_error_i,
    output wire               hold_o,
    output wire [SCALE_W-1:0] scale_o,
    output wire [SHIFT_W-1:0] shift_o,

    // An access, to W0, B0, W1 or B1, and where the requested word comes back.
    output wire [3:0]         we_o,
    output wire [3:0]         re_o,
    output wire [BANK_W-1:0]  bank_o,
    output wire [WORD_W-1:0]  word_o,
    output wire [63:0]        wdata_o,
    input  wire [3:0]         valid_i,
    input  wire [63:0]        word_w0_i,
    input  wire [63:0]        word_b0_i,
    input  wire [63:0]        word_w1_i,
    input  wire [63:0]        word_b1_i
);

  localparam [63:0] ID    = {32'h4F48_4D42, 16'd1, 16'd0};
  localparam [63:0] SHAPE = {REQUANTS[7:0], LANES[7:0], CLASSES[15:0], HIDDEN[15:0], INPUTS[15:0]};

  // Clock 1: the request, registered.
  reg        request_q;
  reg        write_q;
  reg        malformed_q;
  reg [18:0] addr_q;
  reg [63:0] wdata_q;
  reg        reading_q;                    // a read has not been answered yet
  wire       take = request_i & ~reading_q;
  assign ready_o = ~reading_q;
  always @(posedge clk_i) begin
    if (rst_i) request_q <= 1'b0;
    else request_q <= take;
    write_q     <= we_i;
    malformed_q <= malformed_i;
    addr_q      <= addr_i;
    wdata_q     <= wdata_i;
  end

  wire [2:0] region = addr_q[18:16];
  wire [5:0] bank   = addr_q[15:10];
  wire [9:0] word   = addr_q[9:0];

  // Which memory is addressed, if any: depends on the region's number of memories and words.
  wire [3:0] in_region = {region == 3'd4, region == 3'd3, region == 3'd2, region == 3'd1};
  wire [3:0] in_banks  = {
    {26'd0, bank} < BANKS_B1, {26'd0, bank} < BANKS_W1,
    {26'd0, bank} < BANKS_B0, {26'd0, bank} < BANKS_W0
  };
  wire [3:0] in_depth  = {
    {22'd0, word} < DEPTH_B1, {22'd0, word} < DEPTH_W1,
    {22'd0, word} < DEPTH_B0, {22'd0, word} < DEPTH_W0
  };
  wire [3:0] memory    = in_region & in_banks & in_depth;
  wire       is_memory = |memory;

  // Which register is addressed, if any.
  wire       in_registers = (region == 3'd0) & (bank == 6'd0) & (word < 10'd7);
  wire [6:0] register     = {7{in_registers}} & (7'd1 << word[2:0]);

  // Reasons to refuse, in order: malformed, no such address, value does not fit; busy: see clock 2.
  wire exists   = is_memory | (write_q ? |register[6:3] : in_registers);
  wire fits     = ~write_q | is_memory
                | (register[3] & (wdata_q[63:1] == 63'd0))
                | (register[4] & (wdata_q[63:5] == 59'd0))
                | (register[5] & (wdata_q[63:SCALE_W] == {(64 - SCALE_W) {1'b0}}))
                | (register[6] & (wdata_q[63:SHIFT_W] == {(64 - SHIFT_W) {1'b0}}));

  // Clock 2: the decoded access, and whether it is allowed now.
  reg              good_q, bad_value_q, bad_addr_q;
  reg              needs_idle_q;
  reg              is_write_q;
  reg [3:0]        memory_q;
  reg [6:0]        register_q;
  reg [BANK_W-1:0] bank_q;
  reg [WORD_W-1:0] word_q;
  reg [63:0]       data_q;                 // changes only on writes, to keep switching low
  always @(posedge clk_i) begin
    if (rst_i) begin
      good_q      <= 1'b0;
      bad_value_q <= 1'b0;
      bad_addr_q  <= 1'b0;
    end else begin
      good_q      <= request_q & ~malformed_q & exists & fits;
      bad_value_q <= request_q & (malformed_q | (exists & ~fits));
      bad_addr_q  <= request_q & ~malformed_q & ~exists;
    end
    needs_idle_q <= is_memory | (write_q & |register[6:5]);
    is_write_q   <= write_q;
    memory_q     <= memory;
    register_q   <= register;
    bank_q       <= bank[BANK_W-1:0];
    word_q       <= word[WORD_W-1:0];
    if (request_q & write_q) data_q <= wdata_q;
  end
  wire bad_time = good_q & needs_idle_q & ~idle_i;
  wire refused  = bad_value_q | bad_addr_q | bad_time;
  wire go       = good_q & ~bad_time;
  wire write    = go & is_write_q;

  assign we_o    = memory_q & {4{write}};
  assign re_o    = memory_q & {4{go & ~is_write_q}};
  assign bank_o  = bank_q;
  assign word_o  = word_q;
  assign wdata_o = data_q;

  reg               hold_q;
  reg [4:0]         errors_q;
  reg [SCALE_W-1:0] scale_q;
  reg [SHIFT_W-1:0] shift_q;
  wire [4:0] new_errors = {
    framing_error_i, bad_value_q, bad_addr_q, bad_time & ~is_write_q, bad_time & is_write_q
  };
  wire [4:0] cleared = {5{write & register_q[4]}} & data_q[4:0];
  always @(posedge clk_i) begin
    if (rst_i) begin
      hold_q   <= 1'b0;
      errors_q <= 5'd0;
      scale_q  <= {SCALE_W{1'b0}};
      shift_q  <= {SHIFT_W{1'b0}};
    end else begin
      errors_q <= (errors_q & ~cleared) | new_errors;
      if (write & register_q[3]) hold_q <= data_q[0];
      if (write & register_q[5]) scale_q <= data_q[SCALE_W-1:0];
      if (write & register_q[6]) shift_q <= data_q[SHIFT_W-1:0];
    end
  end
  assign hold_o  = hold_q;
  assign scale_o = scale_q;
  assign shift_o = shift_q;

  wire [5:0]  status = {outstanding_i, 1'b0, image_waits_i, result_waits_i, ~idle_i};
  wire [63:0] register_value = ({64{register_q[0]}} & ID)
                             | ({64{register_q[1]}} & SHAPE)
                             | ({64{register_q[2]}} & {58'd0, status})
                             | ({64{register_q[3]}} & {63'd0, hold_q})
                             | ({64{register_q[4]}} & {59'd0, errors_q})
                             | ({64{register_q[5]}} & {{(64 - SCALE_W) {1'b0}}, scale_q})
                             | ({64{register_q[6]}} & {{(64 - SHIFT_W) {1'b0}}, shift_q});

  // Clock 3, or when the word has arrived: the answer.
  reg        ack_q;
  reg        error_q;
  reg [63:0] rdata_q;
  wire [63:0] came = ({64{valid_i[0]}} & word_w0_i) | ({64{valid_i[1]}} & word_b0_i)
                   | ({64{valid_i[2]}} & word_w1_i) | ({64{valid_i[3]}} & word_b1_i);
  wire answer = (good_q & ~|re_o) | refused | (|valid_i);
  always @(posedge clk_i) begin
    if (rst_i) begin
      ack_q     <= 1'b0;
      error_q   <= 1'b0;
      reading_q <= 1'b0;
      rdata_q   <= 64'd0;
    end else begin
      ack_q     <= answer;
      error_q   <= refused;
      rdata_q   <= came | (register_value & {64{go & ~is_write_q}});
      if (take & ~we_i) reading_q <= 1'b1;
      else if (answer & (~is_write_q | (|valid_i))) reading_q <= 1'b0;
    end
  end
  assign ack_o   = ack_q;
  assign error_o = error_q;
  assign rdata_o = rdata_q;

endmodule

`default_nettype wire
