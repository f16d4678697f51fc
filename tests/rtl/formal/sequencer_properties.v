// What sequencer promises, for all time: ranges, order, no clock lost, two images under way at most.
//
// Assumed of its surroundings: an image stays available until it is released (image_buffer), and a
// result is accepted only while one is outstanding (accelerator_properties).

`default_nettype none

module sequencer_properties #(
    parameter WORDS  = 3,
    parameter GROUPS = 2
) (
    input wire clk_i,
    input wire rst_i,
    input wire available_i,
    input wire hold_i,
    input wire accepted_i
);

  localparam DEPTH = WORDS * GROUPS;
  wire [$clog2(WORDS)-1:0] word;
  wire [$clog2(DEPTH)-1:0] addr;
  wire                     release_image, issue, first, last, idle;
  wire [1:0]               outstanding;
  sequencer #(
      .WORDS (WORDS),
      .GROUPS(GROUPS)
  ) dut (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .available_i  (available_i),
      .hold_i       (hold_i),
      .accepted_i   (accepted_i),
      .release_o    (release_image),
      .issue_o      (issue),
      .word_o       (word),
      .addr_o       (addr),
      .first_o      (first),
      .last_o       (last),
      .outstanding_o(outstanding),
      .idle_o       (idle)
  );

  reg        started = 1'b0;
  reg        promised;                     // an image was available and not released
  reg [31:0] position;                     // clocks since the image's start, 0: none is read
  reg [31:0] count;                        // starts minus acceptances
  wire       start = (position == 0) & available_i & ~hold_i & (count < 2);
  wire       run   = start | (position != 0);
  always @(posedge clk_i) begin
    started  <= 1'b1;
    promised <= available_i & ~release_image & ~rst_i;
    if (rst_i) begin
      position <= 0;
      count    <= 0;
    end else begin
      if (run) position <= (position == DEPTH - 1) ? 0 : position + 1;
      count <= count + {31'd0, start} - {31'd0, accepted_i};
    end
  end

  always @* begin
    if (!started) assume (rst_i);
    if (started & promised) assume (available_i);
    if (started & accepted_i) assume (count != 0);
    if (started) begin
      sequencer_range: assert (addr < DEPTH && word < WORDS);
      sequencer_in_step: assert (addr == position && word == position % WORDS);
      sequencer_no_clock_lost: assert (issue == run);
      sequencer_duration: assert (release_image == (run & (position == DEPTH - 1)));
      sequencer_two_outstanding: assert (outstanding == count && count <= 2);
      sequencer_group_ends: assert (
          !issue || (first == (position % WORDS == 0) && last == (position % WORDS == WORDS - 1)));
      sequencer_idle: assert (idle == (~run & (count == 0)));
      sequencer_covers: cover (release_image & (count == 2));
    end
  end

endmodule

`default_nettype wire
