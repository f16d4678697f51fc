// What host_port promises, for all time and every request: each address has one meaning or none,
// what must not be done changes nothing and says so, answers come in order three clocks later.
//
// The address map is written here a second time, by ranges of the whole address.

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
    input wire [63:0] rdata_w1_i,
    input wire [63:0] rdata_b1_i,
    input wire [63:0] rdata_w2_i,
    input wire [63:0] rdata_b2_i
);

  // The default accelerator, 64-100-10.
  localparam BANKS_W1 = 13, DEPTH_W1 = 64;
  localparam BANKS_B1 = 1,  DEPTH_B1 = 56;
  localparam BANKS_W2 = 3,  DEPTH_W2 = 56;
  localparam BANKS_B2 = 1,  DEPTH_B2 = 5;

  wire        ack, error, hold, select_we;
  wire [63:0] rdata, select_wdata;
  wire [15:0] scale;
  wire [4:0]  shift;
  wire [3:0]  select, bank;
  wire [5:0]  word;
  host_port dut (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .request_i      (request_i),
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
      .select_o       (select),
      .we_o           (select_we),
      .bank_o         (bank),
      .word_o         (word),
      .wdata_o        (select_wdata),
      .rdata_w1_i     (rdata_w1_i),
      .rdata_b1_i     (rdata_b1_i),
      .rdata_w2_i     (rdata_w2_i),
      .rdata_b2_i     (rdata_b2_i)
  );
  (* hierconn *) wire [4:0] \dut.errors_q ;

  // The request of a clock ago, and what is right to do with it.
  reg        started = 1'b0;
  reg        request, we, malformed;
  reg [18:0] addr;
  reg [63:0] wdata;
  always @(posedge clk_i) begin
    started   <= 1'b1;
    request   <= request_i & ~rst_i;
    we        <= we_i;
    malformed <= malformed_i;
    addr      <= addr_i;
    wdata     <= wdata_i;
  end
  reg  [3:0] target;                       // the one memory that is meant
  always @* begin
    target = 4'b0000;
    if (addr >= 19'h10000 && addr < 19'h10000 + 1024 * BANKS_W1) target[0] = addr % 1024 < DEPTH_W1;
    if (addr >= 19'h20000 && addr < 19'h20000 + 1024 * BANKS_B1) target[1] = addr % 1024 < DEPTH_B1;
    if (addr >= 19'h30000 && addr < 19'h30000 + 1024 * BANKS_W2) target[2] = addr % 1024 < DEPTH_W2;
    if (addr >= 19'h40000 && addr < 19'h40000 + 1024 * BANKS_B2) target[3] = addr % 1024 < DEPTH_B2;
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

  // The answer, two clocks after the access.
  reg [63:0] register_is;
  always @* begin
    case (addr)
      19'd0: register_is = 64'h4F48_4D42_0001_0000;
      19'd1: register_is = {8'd2, 8'd13, 16'd10, 16'd100, 16'd64};
      19'd2: register_is = {58'd0, outstanding_i, 1'b0, image_waits_i, result_waits_i, ~idle_i};
      19'd3: register_is = hold_is;
      19'd4: register_is = errors_are;
      19'd5: register_is = scale_is;
      19'd6: register_is = shift_is;
      default: register_is = 64'd0;
    endcase
  end
  reg [1:0]   request_age, refused_age;
  reg [127:0] register_age;
  reg [7:0]   read_age;
  always @(posedge clk_i) begin
    request_age  <= {request_age[0], request & ~rst_i};
    refused_age  <= {refused_age[0], refused & ~rst_i};
    register_age <= {register_age[63:0], (done & ~we) ? register_is : 64'd0};
    read_age     <= {read_age[3:0], (done & ~we) ? target : 4'd0};
    if (rst_i) begin
      request_age  <= 2'd0;
      refused_age  <= 2'd0;
      register_age <= 128'd0;
      read_age     <= 8'd0;
    end
  end
  wire [63:0] answer = read_age[4] ? rdata_w1_i : read_age[5] ? rdata_b1_i
      : read_age[6] ? rdata_w2_i : read_age[7] ? rdata_b2_i : register_age[127:64];

  always @* begin
    if (!started) assume (rst_i);
    if (started) begin
      host_port_ack_latency: assert (ack == request_age[1]);
      host_port_error_latency: assert (error == refused_age[1]);
      host_port_one_target: assert (select == (done ? target : 4'd0));
      host_port_address: assert (select == 0
          || (bank == (addr / 1024) % 64 && word == addr % 1024));
      host_port_write: assert (select == 0 || (select_we == we && select_wdata == wdata));
      host_port_busy_refused: assert (idle_i || select == 0);
      host_port_hold: assert (hold == hold_is);
      host_port_settings: assert (scale == scale_is && shift == shift_is);
      host_port_errors: assert (\dut.errors_q == errors_are);
      host_port_errors_sticky: assert (cleared || (errors_before & ~\dut.errors_q ) == 0);
      host_port_answer: assert (rdata == answer);
      host_port_error_answers_zero: assert (!error || rdata == 64'd0);
      host_port_covers: cover (ack & ~error & (rdata == 64'd77) & (scale == 16'd77));
    end
  end

endmodule

`default_nettype wire
