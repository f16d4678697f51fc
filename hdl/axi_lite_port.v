// AXI4-Lite subordinate with 64-bit data in front of host_port: one access at a time, in order.
//
// A write address and its data may arrive in either order. Each waits in its own register, so that no
// ready depends on a valid. A write waits until the previous write response has been taken, and a read
// until the previous read data have been taken; neither waits for the other kind, so a manager may
// leave one response channel alone for any time. If both wait they take turns, since the clock in
// which a response is taken belongs to the other kind.
//
// The host's word address is the byte address / 8. Partial strobes and addresses inside a word are
// passed on as malformed, which host_port refuses. A refused access answers SLVERR.
//
// Latency: bvalid_o comes 5 clocks after the clock that takes the later of address and data, rvalid_o 5
// clocks after the clock that takes the address, if no other access is under way; later by the extra
// time of host_port for a word of a memory. If responses are taken at once, writes alone, or reads of
// registers alone, come every 5 clocks; writes and reads in turn every 4.

`default_nettype none

module axi_lite_port #(
    parameter ADDR_W = 22                  // bits of a byte address
) (
    input  wire              clk_i,
    input  wire              rst_i,

    input  wire [ADDR_W-1:0] awaddr_i,
    input  wire              awvalid_i,
    output wire              awready_o,
    input  wire [63:0]       wdata_i,
    input  wire [7:0]        wstrb_i,
    input  wire              wvalid_i,
    output wire              wready_o,
    output wire [1:0]        bresp_o,
    output wire              bvalid_o,
    input  wire              bready_i,
    input  wire [ADDR_W-1:0] araddr_i,
    input  wire              arvalid_i,
    output wire              arready_o,
    output wire [63:0]       rdata_o,
    output wire [1:0]        rresp_o,
    output wire              rvalid_o,
    input  wire              rready_i,

    output wire              request_o,    // to host_port, for one clock
    output wire              we_o,
    output wire              malformed_o,
    output wire [ADDR_W-4:0] addr_o,       // of a 64-bit word
    output wire [63:0]       wdata_o,
    input  wire              ack_i,        // some clocks later, together with the answer
    input  wire              error_i,
    input  wire [63:0]       rdata_i
);

  reg              aw_waits_q, w_waits_q, ar_waits_q;
  reg [ADDR_W-1:0] awaddr_q, araddr_q;
  reg [63:0]       wdata_q;
  reg              partial_q;              // only some bytes of wdata_q are valid
  reg              busy_q;                 // between request and answer
  reg              write_q;                // the access under way is a write
  reg              bvalid_q, rvalid_q;
  reg              berror_q, rerror_q;
  reg [63:0]       rdata_q;

  wire write_waits = aw_waits_q & w_waits_q & ~bvalid_q;
  wire read_waits  = ar_waits_q & ~rvalid_q;
  wire start_write = ~busy_q & write_waits;
  wire start_read  = ~busy_q & read_waits & ~write_waits;

  assign awready_o = ~aw_waits_q;
  assign wready_o  = ~w_waits_q;
  assign arready_o = ~ar_waits_q;

  always @(posedge clk_i) begin
    if (rst_i) begin
      aw_waits_q <= 1'b0;
      w_waits_q  <= 1'b0;
      ar_waits_q <= 1'b0;
      busy_q     <= 1'b0;
      write_q    <= 1'b0;
      bvalid_q   <= 1'b0;
      rvalid_q   <= 1'b0;
      berror_q   <= 1'b0;
      rerror_q   <= 1'b0;
      rdata_q    <= 64'd0;
    end else begin
      aw_waits_q <= aw_waits_q ? ~start_write : awvalid_i;
      w_waits_q  <= w_waits_q ? ~start_write : wvalid_i;
      ar_waits_q <= ar_waits_q ? ~start_read : arvalid_i;
      if (request_o) begin
        busy_q  <= 1'b1;
        write_q <= start_write;
      end else if (ack_i) begin
        busy_q <= 1'b0;
      end
      bvalid_q <= bvalid_q ? ~bready_i : ack_i & write_q;
      rvalid_q <= rvalid_q ? ~rready_i : ack_i & ~write_q;
      if (ack_i & write_q) berror_q <= error_i;
      if (ack_i & ~write_q) begin
        rerror_q <= error_i;
        rdata_q  <= rdata_i;
      end
    end
    if (awready_o) awaddr_q <= awaddr_i;
    if (arready_o) araddr_q <= araddr_i;
    if (wready_o) begin
      wdata_q   <= wdata_i;
      partial_q <= wstrb_i != 8'hFF;
    end
  end

  wire [ADDR_W-1:0] addr = start_write ? awaddr_q : araddr_q;
  assign request_o   = start_write | start_read;
  assign we_o        = start_write;
  assign malformed_o = (addr[2:0] != 3'd0) | (start_write & partial_q);
  assign addr_o      = addr[ADDR_W-1:3];
  assign wdata_o     = wdata_q;

  assign bvalid_o = bvalid_q;
  assign bresp_o  = {berror_q, 1'b0};      // SLVERR, OKAY
  assign rvalid_o = rvalid_q;
  assign rresp_o  = {rerror_q, 1'b0};
  assign rdata_o  = rdata_q;

endmodule

`default_nettype wire
