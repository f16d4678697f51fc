// parameter_store keeps what the host wrote, for all time: for an arbitrary word of an arbitrary bank,
// the host and the computation read what was written last, and nothing else changes it, a reset included.
//
// Assumed: addresses are in range (accelerator_properties and host_port_properties).

`default_nettype none

module parameter_store_properties #(
    parameter BANKS  = 2,
    parameter WIDTH  = 4,
    parameter TOTAL  = 7,                  // the last bank is narrower
    parameter DEPTH  = 3,
    parameter HOST_W = 6
) (
    input wire             clk_i,
    input wire [1:0]       addr_i,
    input wire             rst_i,
    input wire             host_we_i,
    input wire             host_re_i,
    input wire             host_bank_i,
    input wire [1:0]       host_addr_i,
    input wire [WIDTH-1:0] host_wdata_i
);

  wire [TOTAL-1:0]  data;
  wire              host_valid;
  wire [HOST_W-1:0] host_word;
  parameter_store #(
      .BANKS (BANKS),
      .WIDTH (WIDTH),
      .TOTAL (TOTAL),
      .DEPTH (DEPTH),
      .HOST_W(HOST_W)
  ) dut (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .addr_i       (addr_i),
      .data_o       (data),
      .host_we_i    (host_we_i),
      .host_re_i    (host_re_i),
      .host_bank_i  (host_bank_i),
      .host_addr_i  (host_addr_i),
      .host_wdata_i (host_wdata_i),
      .host_valid_o (host_valid),
      .host_word_o  (host_word)
  );
  (* hierconn *) wire [3:0] \dut.bank[0].memory.words[0] , \dut.bank[0].memory.words[1] ,
      \dut.bank[0].memory.words[2] ;
  (* hierconn *) wire [2:0] \dut.bank[1].memory.words[0] , \dut.bank[1].memory.words[1] ,
      \dut.bank[1].memory.words[2] ;
  wire [23:0] words = {
    1'b0, \dut.bank[1].memory.words[2] , 1'b0, \dut.bank[1].memory.words[1] ,
    1'b0, \dut.bank[1].memory.words[0] , \dut.bank[0].memory.words[2] ,
    \dut.bank[0].memory.words[1] , \dut.bank[0].memory.words[0]
  };

  (* anyconst *) reg       at_bank;
  (* anyconst *) reg [1:0] at_word;
  reg             known = 1'b0;            // the word has been written
  reg [WIDTH-1:0] written;
  wire [1:0] asked = (host_we_i | host_re_i) ? host_addr_i : addr_i;
  wire       mine  = host_we_i & (host_bank_i == at_bank) & (host_addr_i == at_word);
  // The word as it was when it was asked for, a clock and two clocks ago.
  reg             read_1 = 1'b0, host_read_1 = 1'b0, host_read_2 = 1'b0;
  reg [WIDTH-1:0] value_1, value_2;
  reg             re_1 = 1'b0, re_2 = 1'b0, valid_known = 1'b0;
  always @(posedge clk_i) begin
    if (mine) begin
      known   <= 1'b1;
      written <= at_bank ? host_wdata_i & 4'b0111 : host_wdata_i;
    end
    read_1      <= known & (asked == at_word);
    host_read_1 <= known & host_re_i & (host_addr_i == at_word) & (host_bank_i == at_bank);
    host_read_2 <= host_read_1;
    re_1        <= host_re_i & ~rst_i;
    re_2        <= re_1 & ~rst_i;
    valid_known <= rst_i | valid_known;
    value_1     <= written;
    value_2     <= value_1;
  end

  always @* begin
    assume (at_word < DEPTH && addr_i < DEPTH && host_addr_i < DEPTH);
    parameter_store_computation: assert (!read_1 || (at_bank ? data[6:4] : data[3:0]) == value_1);
    parameter_store_host: assert (!host_read_2 || host_word == value_2);
    parameter_store_valid: assert (!valid_known || host_valid == re_2);
    parameter_store_keeps: assert (!known || words[4*(3*at_bank+at_word) +: 4] == written);
    parameter_store_covers: cover (host_read_2 & at_bank & (at_word == 2) & (value_2 == 5));
  end

endmodule

`default_nettype wire
