// What host_port promises, for all time and every request: each address has one meaning or none,
// what must not be done changes nothing and says so, answers come in order: three clocks after what was
// asked, or a clock after the word of a memory, and nothing is taken between a read and its answer.
//
// Assumed: a memory's word comes once for every read of it, later, and unasked never
// (parameter_store_properties, systolic_layer_properties). The address map is written here a second
// time, by ranges of the whole address.

`default_nettype none

module host_port_properties (
    input wire        clk_i,
    input wire        rst_i,
    input wire        request_i,
    input wire        we_i,
    input wire        malformed_i,
    input wire [18:0] addr_i,
    input wire [63:0] wdata_i,
    input wire        idle_i,
    input wire        result_waits_i,
    input wire        image_waits_i,
    input wire [1:0]  outstanding_i,
    input wire        framing_error_i,
    input wire [3:0]  valid_i,
    input wire [63:0] word_w0_i,
    input wire [63:0] word_b0_i,
    input wire [63:0] word_w1_i,
    input wire [63:0] word_b1_i
);

  // 64-100-10 with 25 lanes and 4 requants.
  localparam BANKS_W0 = 25, DEPTH_W0 = 32;
  localparam BANKS_B0 = 2,  DEPTH_B0 = 28;
  localparam BANKS_W1 = 5,  DEPTH_W1 = 28;
  localparam BANKS_B1 = 1,  DEPTH_B1 = 5;

  wire        ready, ack, error, hold;
  wire [63:0] rdata, wdata_out;
  wire [15:0] scale;
  wire [4:0]  shift;
  wire [3:0]  we_out, re_out;
  wire [4:0]  bank, word;
  host_port #(
      .INPUTS  (64),
      .HIDDEN  (100),
      .CLASSES (10),
      .LANES   (25),
      .REQUANTS(4),
      .BANKS_W0(BANKS_W0),
      .DEPTH_W0(DEPTH_W0),
      .BANKS_B0(BANKS_B0),
      .DEPTH_B0(DEPTH_B0),
      .BANKS_W1(BANKS_W1),
      .DEPTH_W1(DEPTH_W1),
      .BANKS_B1(BANKS_B1),
      .DEPTH_B1(DEPTH_B1),
      .BANK_W  (5),
      .WORD_W  (5)
  ) dut (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .request_i      (request_i),
      .ready_o        (ready),
      .we_i           (we_i),
      .malformed_i    (malformed_i),
      .addr_i         (addr_i),
      .wdata_i        (wdata_i),
      .ack_o          (ack),
      .error_o        (error),
      .rdata_o        (rdata),
      .idle_i         (idle_i),
      .result_waits_i (result_waits_i),
      .image_waits_i  (image_waits_i),
      .outstanding_i  (outstanding_i),
      .framing_error_i(framing_error_i),
      .hold_o         (hold),
      .scale_o        (scale),
      .shift_o        (shift),
      .we_o           (we_out),
      .re_o           (re_out),
      .bank_o         (bank),
      .word_o         (word),
      .wdata_o        (wdata_out),
      .valid_i        (valid_i),
      .word_w0_i      (word_w0_i),
      .word_b0_i      (word_b0_i),
      .word_w1_i      (word_w1_i),
      .word_b1_i      (word_b1_i)
  );
  (* hierconn *) wire [4:0] \dut.errors_q ;

  // The request that was taken two clocks ago, and what is right to do with it.
  reg        started = 1'b0;
  reg        request_1, we_1, malformed_1, request, we, malformed;
  reg [18:0] addr_1, addr;
  reg [63:0] wdata_1, wdata;
  always @(posedge clk_i) begin
    started     <= 1'b1;
    request_1   <= request_i & ready & ~rst_i;
    we_1        <= we_i;
    malformed_1 <= malformed_i;
    addr_1      <= addr_i;
    wdata_1     <= wdata_i;
    request     <= request_1 & ~rst_i;
    we          <= we_1;
    malformed   <= malformed_1;
    addr        <= addr_1;
    wdata       <= wdata_1;
  end
  reg  [3:0] target;                       // the one memory that is meant
  always @* begin
    target = 4'b0000;
    if (addr >= 19'h10000 && addr < 19'h10000 + 1024 * BANKS_W0) target[0] = addr % 1024 < DEPTH_W0;
    if (addr >= 19'h20000 && addr < 19'h20000 + 1024 * BANKS_B0) target[1] = addr % 1024 < DEPTH_B0;
    if (addr >= 19'h30000 && addr < 19'h30000 + 1024 * BANKS_W1) target[2] = addr % 1024 < DEPTH_W1;
    if (addr >= 19'h40000 && addr < 19'h40000 + 1024 * BANKS_B1) target[3] = addr % 1024 < DEPTH_B1;
  end
  wire exists = (target != 0) | (we ? addr >= 3 && addr <= 6 : addr <= 6);
  wire fits   = ~we | (target != 0) | (addr == 3 && wdata <= 1) | (addr == 4 && wdata <= 31)
              | (addr == 5 && wdata <= 65535) | (addr == 6 && wdata <= 31);
  wire locked = (target != 0) | (we & (addr == 5 || addr == 6));
  wire bad_addr  = request & ~malformed & ~exists;
  wire bad_value = request & (malformed | (exists & ~fits));
  wire bad_time  = request & ~malformed & exists & fits & locked & ~idle_i;
  wire refused   = bad_addr | bad_value | bad_time;
  wire done      = request & ~refused;

  // Registers as the accepted writes leave them.
  reg        hold_is;
  reg [4:0]  errors_are;
  reg [15:0] scale_is;
  reg [4:0]  shift_is;
  reg [4:0]  errors_before;
  reg        cleared;
  wire [4:0] causes = {framing_error_i, bad_value, bad_addr, bad_time & ~we, bad_time & we};
  always @(posedge clk_i) begin
    errors_before <= rst_i ? 5'd0 : \dut.errors_q ;
    cleared       <= done & we & (addr == 4);
    if (rst_i) begin
      hold_is    <= 1'b0;
      errors_are <= 5'd0;
      scale_is   <= 16'd0;
      shift_is   <= 5'd0;
    end else begin
      errors_are <= (errors_are & ~((done & we & (addr == 4)) ? wdata[4:0] : 5'd0)) | causes;
      if (done & we & (addr == 3)) hold_is <= wdata[0];
      if (done & we & (addr == 5)) scale_is <= wdata[15:0];
      if (done & we & (addr == 6)) shift_is <= wdata[4:0];
    end
  end

  // The answer.
  reg [63:0] register_is;
  always @* begin
    case (addr)
      19'd0: register_is = 64'h4F48_4D42_0001_0000;
      19'd1: register_is = {8'd4, 8'd25, 16'd10, 16'd100, 16'd64};
      19'd2: register_is = {58'd0, outstanding_i, 1'b0, image_waits_i, result_waits_i, ~idle_i};
      19'd3: register_is = hold_is;
      19'd4: register_is = errors_are;
      19'd5: register_is = scale_is;
      19'd6: register_is = shift_is;
      default: register_is = 64'd0;
    endcase
  end
  wire [3:0] asks = (done & ~we) ? target : 4'd0;
  reg  [3:0] pending;                      // the memory whose word is awaited
  reg        reading;                      // a read is not answered yet
  reg        acked, errored;
  reg [63:0] answer;
  wire       answers = (request & (asks == 0)) | (valid_i != 0);
  always @(posedge clk_i) begin
    acked   <= answers & ~rst_i;
    errored <= refused & ~rst_i;
    answer  <= rst_i ? 64'd0 : valid_i[0] ? word_w0_i : valid_i[1] ? word_b0_i
        : valid_i[2] ? word_w1_i : valid_i[3] ? word_b1_i : (done & ~we) ? register_is : 64'd0;
    pending <= rst_i ? 4'd0 : asks | (pending & ~valid_i);
    if (rst_i) reading <= 1'b0;
    else if (request_i & ready & ~we_i) reading <= 1'b1;
    else if ((request & ~we & (asks == 0)) | (valid_i != 0)) reading <= 1'b0;
  end

  always @* begin
    if (!started) assume (rst_i);
    assume ((valid_i & ~pending) == 0);
    if (started) begin
      host_port_ready: assert (ready == ~reading);
      host_port_ack: assert (ack == acked);
      host_port_error: assert (error == errored);
      host_port_one_target: assert ((we_out | re_out) == (done ? target : 4'd0));
      host_port_address: assert ((we_out | re_out) == 0
          || (bank == (addr / 1024) % 64 && word == addr % 1024));
      host_port_write: assert ((we ? re_out : we_out) == 0 && (we_out == 0 || wdata_out == wdata));
      host_port_busy_refused: assert (idle_i || (we_out | re_out) == 0);
      host_port_hold: assert (hold == hold_is);
      host_port_settings: assert (scale == scale_is && shift == shift_is);
      host_port_errors: assert (\dut.errors_q == errors_are);
      host_port_errors_sticky: assert (cleared || (errors_before & ~\dut.errors_q ) == 0);
      host_port_answer: assert (rdata == answer);
      host_port_error_answers_zero: assert (!error || rdata == 64'd0);
      host_port_alone: assert (pending == 0 || (!request && !request_1 && reading));
      inside_reading: assert (reading == ((request_1 & ~we_1) | (request & ~we) | (pending != 0))
          && (pending & (pending - 4'd1)) == 0
          && !(request & ~we & request_1));
      host_port_covers: cover (ack & ~error & (rdata == 64'd77) & (scale == 16'd77) & (addr != 5));
    end
  end

endmodule

`default_nettype wire
