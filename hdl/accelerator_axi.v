// accelerator behind AXI interfaces with their standard names. Images and results are AXI4-Streams;
// weights, control, status, version and error flags are behind a 64-bit AXI4-Lite.
//
//   s_axis   an image: ceil(INPUTS / 8) beats of 8 bytes, the first input in the low byte, tlast on
//            the final one; packets of another length are dropped and flagged
//   m_axis   a result: CLASSES + 1 beats, see axi_result_stream.v
//   s_axi    64-bit words only: byte address = word address of host_port.v * 8. A refused access
//            answers SLVERR and is flagged in ERRORS. AxPROT is ignored.
//
// aresetn is active low and synchronous: it must be low at one edge of aclk, and the managers must keep
// their valids low meanwhile, as the standard demands. The memories keep their contents.
//
// Latency: from the clock that takes the last beat of an image to the first beat of its result it is as
// in accelerator.v (64-100-10: 94 clocks); the packet takes CLASSES + 1 clocks if the sink is ready. At
// most two images are between start and the end of the packet, so two take at least the latency and
// CLASSES clocks. The rate stays one image every GROUPS * WORDS clocks if twice that is more
// (64-100-10: 128, more than 104). For the latency of an access see axi_lite_port.v.

`default_nettype none

module accelerator_axi #(
    parameter INPUTS   = 64,
    parameter HIDDEN   = 100,
    parameter CLASSES  = 10,
    parameter LANES    = 13,               // neurons of layer 0 computed at a time
    parameter REQUANTS = 2                 // hidden bytes per clock; a power of two
) (
    input  wire        aclk,
    input  wire        aresetn,

    input  wire [63:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire        s_axis_tlast,

    output wire [63:0] m_axis_tdata,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    output wire        m_axis_tlast,

    input  wire [21:0] s_axi_awaddr,
    input  wire [2:0]  s_axi_awprot,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [63:0] s_axi_wdata,
    input  wire [7:0]  s_axi_wstrb,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    output wire [1:0]  s_axi_bresp,
    output wire        s_axi_bvalid,
    input  wire        s_axi_bready,
    input  wire [21:0] s_axi_araddr,
    input  wire [2:0]  s_axi_arprot,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output wire [63:0] s_axi_rdata,
    output wire [1:0]  s_axi_rresp,
    output wire        s_axi_rvalid,
    input  wire        s_axi_rready
);

  // The widths of accelerator's ports for 8-bit weights and activations and 32-bit biases.
  localparam GROUPS  = (HIDDEN + LANES - 1) / LANES;
  localparam STEPS   = (LANES + REQUANTS - 1) / REQUANTS;
  localparam ACT_W   = 8;
  localparam BIAS_W  = 32;
  localparam ACC1_W  = 8 + ACT_W + $clog2(GROUPS * STEPS * REQUANTS);
  localparam LOGIT_W = ((ACC1_W > BIAS_W) ? ACC1_W : BIAS_W) + 1;
  localparam CLASS_W = (CLASSES > 1) ? $clog2(CLASSES) : 1;

  wire rst = ~aresetn;

  wire                       result_valid, result_ready;
  wire [CLASS_W-1:0]         result_class;
  wire [LOGIT_W-1:0]         result_value;
  wire [CLASSES*LOGIT_W-1:0] result_logits;
  wire                       host_request, host_we, host_malformed, host_ack, host_error;
  wire [18:0]                host_addr;
  wire [63:0]                host_wdata, host_rdata;

  // Unused: taps for observation, protection bits, and the host's ready, since axi_lite_port has only
  // one access under way at a time.
  wire                       host_ready;
  wire                       hidden_valid;
  wire [REQUANTS*ACT_W-1:0]  hidden;
  wire unused = &{1'b0, host_ready, hidden_valid, hidden, s_axi_awprot, s_axi_arprot};

  accelerator #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS)
  ) core (
      .clk_i           (aclk),
      .rst_i           (rst),
      .image_valid_i   (s_axis_tvalid),
      .image_ready_o   (s_axis_tready),
      .image_data_i    (s_axis_tdata),
      .image_last_i    (s_axis_tlast),
      .result_valid_o  (result_valid),
      .result_ready_i  (result_ready),
      .result_class_o  (result_class),
      .result_value_o  (result_value),
      .result_logits_o (result_logits),
      .hidden_valid_o  (hidden_valid),
      .hidden_o        (hidden),
      .host_request_i  (host_request),
      .host_ready_o    (host_ready),
      .host_we_i       (host_we),
      .host_malformed_i(host_malformed),
      .host_addr_i     (host_addr),
      .host_wdata_i    (host_wdata),
      .host_ack_o      (host_ack),
      .host_error_o    (host_error),
      .host_rdata_o    (host_rdata)
  );

  axi_result_stream #(
      .CLASSES(CLASSES),
      .LOGIT_W(LOGIT_W),
      .CLASS_W(CLASS_W)
  ) results (
      .clk_i          (aclk),
      .rst_i          (rst),
      .result_valid_i (result_valid),
      .result_ready_o (result_ready),
      .result_class_i (result_class),
      .result_value_i (result_value),
      .result_logits_i(result_logits),
      .tdata_o        (m_axis_tdata),
      .tvalid_o       (m_axis_tvalid),
      .tready_i       (m_axis_tready),
      .tlast_o        (m_axis_tlast)
  );

  axi_lite_port #(
      .ADDR_W(22)
  ) host (
      .clk_i      (aclk),
      .rst_i      (rst),
      .awaddr_i   (s_axi_awaddr),
      .awvalid_i  (s_axi_awvalid),
      .awready_o  (s_axi_awready),
      .wdata_i    (s_axi_wdata),
      .wstrb_i    (s_axi_wstrb),
      .wvalid_i   (s_axi_wvalid),
      .wready_o   (s_axi_wready),
      .bresp_o    (s_axi_bresp),
      .bvalid_o   (s_axi_bvalid),
      .bready_i   (s_axi_bready),
      .araddr_i   (s_axi_araddr),
      .arvalid_i  (s_axi_arvalid),
      .arready_o  (s_axi_arready),
      .rdata_o    (s_axi_rdata),
      .rresp_o    (s_axi_rresp),
      .rvalid_o   (s_axi_rvalid),
      .rready_i   (s_axi_rready),
      .request_o  (host_request),
      .we_o       (host_we),
      .malformed_o(host_malformed),
      .addr_o     (host_addr),
      .wdata_o    (host_wdata),
      .ack_i      (host_ack),
      .error_i    (host_error),
      .rdata_i    (host_rdata)
  );

endmodule

`default_nettype wire
