// delay gives what it was given CLOCKS clocks ago, and zero for what was before a reset.

`default_nettype none

module delay_properties #(
    parameter WIDTH  = 2,
    parameter CLOCKS = 4
) (
    input wire             clk_i,
    input wire             rst_i,
    input wire [WIDTH-1:0] d_i
);

  wire [WIDTH-1:0] q;
  delay #(
      .WIDTH (WIDTH),
      .CLOCKS(CLOCKS)
  ) dut (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .d_i  (d_i),
      .q_o  (q)
  );

  reg [WIDTH-1:0] given [0:CLOCKS-1];
  reg             started = 1'b0;
  integer k;
  always @(posedge clk_i) begin
    started <= 1'b1;
    given[0] <= rst_i ? {WIDTH{1'b0}} : d_i;
    for (k = 1; k < CLOCKS; k = k + 1) given[k] <= rst_i ? {WIDTH{1'b0}} : given[k-1];
  end
  always @* begin
    if (!started) assume (rst_i);
    if (started) begin
      delay_exact: assert (q == given[CLOCKS-1]);
      delay_covers: cover (q == 2);
    end
  end

endmodule

`default_nettype wire
