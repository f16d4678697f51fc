// accelerator_axi with given pins in every clock, and what its outputs must be: as tb_clocks.v. What is
// on a channel is compared where its valid says that something is.
//
// Prints the first difference, or SAME and the number of clocks.

`default_nettype none

module tb_axi_clocks #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,
    parameter REQUANTS = 2,
    parameter CLOCKS   = 1
) ();

  // In the order of axi_pins.py.
  localparam IN_W  = 1 + 64 + 3 + 22 + 3 + 1 + 64 + 8 + 2 + 22 + 3 + 2;
  localparam OUT_W = 1 + 64 + 4 + 2 + 2 + 64 + 2 + 1;

  reg [IN_W-1:0]  inputs [0:CLOCKS-1];
  reg [OUT_W-1:0] outputs [0:CLOCKS-1];
  reg             clk = 1'b0;
  reg [IN_W-1:0]  now = {IN_W{1'b0}};
  reg [OUT_W-1:0] due;

  wire [63:0] tdata, rdata;
  wire [1:0]  bresp, rresp;
  wire        tvalid, tlast, bvalid, rvalid, tready, awready, wready, arready;
  wire [OUT_W-1:0] promised = {
    1'b1, {64{tvalid}}, 1'b1, tvalid, 2'b11, {2{bvalid}}, 2'b11, {64{rvalid}}, {2{rvalid}}, 1'b1
  };
  wire [OUT_W-1:0] found = {
    tready, tdata, tvalid, tlast, awready, wready, bresp, bvalid, arready, rdata, rresp, rvalid
  };
  integer clock, settling;

  accelerator_axi #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS)
  ) dut (
      .aclk         (clk),
      .aresetn      (now[194]),
      .s_axis_tdata (now[193:130]),
      .s_axis_tvalid(now[129]),
      .s_axis_tready(tready),
      .s_axis_tlast (now[128]),
      .m_axis_tdata (tdata),
      .m_axis_tvalid(tvalid),
      .m_axis_tready(now[127]),
      .m_axis_tlast (tlast),
      .s_axi_awaddr (now[126:105]),
      .s_axi_awprot (now[104:102]),
      .s_axi_awvalid(now[101]),
      .s_axi_awready(awready),
      .s_axi_wdata  (now[100:37]),
      .s_axi_wstrb  (now[36:29]),
      .s_axi_wvalid (now[28]),
      .s_axi_wready (wready),
      .s_axi_bresp  (bresp),
      .s_axi_bvalid (bvalid),
      .s_axi_bready (now[27]),
      .s_axi_araddr (now[26:5]),
      .s_axi_arprot (now[4:2]),
      .s_axi_arvalid(now[1]),
      .s_axi_arready(arready),
      .s_axi_rdata  (rdata),
      .s_axi_rresp  (rresp),
      .s_axi_rvalid (rvalid),
      .s_axi_rready (now[0])
  );

  initial begin
    $readmemh("inputs.hex", inputs);
    $readmemh("outputs.hex", outputs);
    for (settling = 0; settling < 2; settling = settling + 1) begin
      #1 clk = 1'b1;
      #1 clk = 1'b0;
    end
    clock = 0;
    while (clock < CLOCKS) begin
      now = inputs[clock];
      due = outputs[clock];
      #1;
      if (^promised === 1'bx || (found & promised) !== (due & promised)) begin
        $display("clock %0d: %h, but should be %h where %h", clock, found, due, promised);
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
