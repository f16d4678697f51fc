// The control of the whole accelerator, for all time and any use of its ports: exact latencies, two
// images under way at most, nothing overwritten that is still needed, every address in range, the
// host kept out while something runs, and idle again a bounded time after the images stop.
//
// The numbers are data, not control, so narrow ones do. Every image is on a fixed timetable from its
// start (its first word issued); starts[a] says that an image started a clocks ago, and where each
// part of the pipeline must be follows from that alone.

`default_nettype none

module accelerator_properties #(
    parameter INPUTS   = 4,
    parameter HIDDEN   = 5,
    parameter CLASSES  = 3,
    parameter LANES    = 2,
    parameter REQUANTS = 1,
    parameter ELEMENTS = 2
) (
    input wire        clk_i,
    input wire        rst_i,
    input wire        image_valid_i,
    input wire [3:0]  image_data_i,
    input wire        image_last_i,
    input wire        result_ready_i,
    input wire        host_request_i,
    input wire        host_we_i,
    input wire        host_malformed_i,
    input wire [18:0] host_addr_i,
    input wire [63:0] host_wdata_i
);

  localparam WORDS   = (INPUTS + ELEMENTS - 1) / ELEMENTS;
  localparam GROUPS  = (HIDDEN + LANES - 1) / LANES;
  localparam STEPS   = (LANES + REQUANTS - 1) / REQUANTS;
  localparam PAIRS   = (CLASSES + 1) / 2;
  localparam ISSUES  = GROUPS * WORDS;
  localparam DEPTH2  = GROUPS * STEPS;
  localparam SUM1    = 3 + $clog2(ELEMENTS);                 // last issue of a group to its sums
  localparam SUM2    = ISSUES + STEPS + 9 + $clog2(ELEMENTS) + $clog2(REQUANTS);  // start to sums
  localparam AGES1   = SUM1;               // clocks of the delays in layer1 and layer2
  localparam AGES2   = 2 + $clog2(REQUANTS);
  localparam LATENCY = SUM2 + PAIRS + 4;   // last word taken to result, as accelerator.v says
  localparam READOUT = PAIRS + 4;          // sums waiting to result accepted, at most
  localparam IMAGE   = SUM2 + 2 * READOUT + 1;               // start to acceptance, at most
  localparam QUIET   = 3 * IMAGE;          // images stop to idle, at most

  wire        image_ready, result_valid, hidden_valid, host_ack, host_error;
  accelerator #(
      .INPUTS  (INPUTS),
      .HIDDEN  (HIDDEN),
      .CLASSES (CLASSES),
      .LANES   (LANES),
      .REQUANTS(REQUANTS),
      .ELEMENTS(ELEMENTS),
      .WEIGHT_W(2),
      .ACT_W   (2),
      .BIAS_W  (4),
      .SCALE_W (2),
      .SHIFT_W (4)
  ) dut (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .image_valid_i   (image_valid_i),
      .image_ready_o   (image_ready),
      .image_data_i    (image_data_i),
      .image_last_i    (image_last_i),
      .result_valid_o  (result_valid),
      .result_ready_i  (result_ready_i),
      .result_class_o  (),
      .result_value_o  (),
      .result_logits_o (),
      .hidden_valid_o  (hidden_valid),
      .host_request_i  (host_request_i),
      .host_we_i       (host_we_i),
      .host_malformed_i(host_malformed_i),
      .host_addr_i     (host_addr_i),
      .host_wdata_i    (host_wdata_i),
      .host_ack_o      (host_ack),
      .host_error_o    (host_error)
  );
  (* hierconn *) wire       \dut.available , \dut.issue , \dut.group_done , \dut.layer2_done ;
  (* hierconn *) wire       \dut.hold , \dut.idle ;
  (* hierconn *) wire [1:0] \dut.outstanding , \dut.scale ;
  (* hierconn *) wire [3:0] \dut.shift , \dut.host_select ;
  (* hierconn *) wire [$clog2(WORDS)-1:0]  \dut.word ;
  (* hierconn *) wire [$clog2(ISSUES)-1:0] \dut.addr1 ;
  (* hierconn *) wire       \dut.images.complete ;
  (* hierconn *) wire [1:0] \dut.images.full_q ;
  (* hierconn *) wire       \dut.images.write_bank_q , \dut.images.read_bank_q , \dut.images.skip_q ;
  (* hierconn *) wire [$clog2(WORDS)-1:0]  \dut.images.write_word_q ;
  (* hierconn *) wire [$clog2(STEPS)-1:0]  \dut.hidden.step_q ;
  (* hierconn *) wire [$clog2(DEPTH2)-1:0] \dut.hidden.addr_q , \dut.second_layer.addr_q ;
  (* hierconn *) wire       \dut.hidden.step ;
  (* hierconn *) wire [5:0] \dut.hidden.step_age_q ;
  (* hierconn *) wire       \dut.second_layer.accumulate ;
  (* hierconn *) wire [AGES1-1:0]     \dut.first_layer.to_done.age_q ;
  (* hierconn *) wire [2*AGES2-3:0]   \dut.second_layer.to_sum.age_q ;
  (* hierconn *) wire [AGES2-1:0]     \dut.second_layer.to_done.age_q ;
  (* hierconn *) wire       \dut.second_layer.last_q ;
  (* hierconn *) wire       \dut.result.waiting_q , \dut.result.active_q , \dut.result.load ;
  (* hierconn *) wire [$clog2(PAIRS+2)-1:0] \dut.result.count_q , \dut.result.next_pair ;

  // The timetable.
  reg            started = 1'b0;
  reg [SUM2:1]   starts;
  reg [LATENCY:1] lone;                    // an image's last word came while nothing was in the way
  wire start = \dut.issue & (\dut.addr1 == 0);
  wire in_the_way = \dut.available | (\dut.outstanding != 0) | \dut.issue ;
  always @(posedge clk_i) begin
    started <= 1'b1;
    if (rst_i) begin
      starts <= 0;
      lone   <= 0;
    end else begin
      starts <= {starts[SUM2-1:1], start};
      lone   <= {lone[LATENCY-1:2], lone[1] & ~\dut.hold , \dut.images.complete & ~in_the_way};
    end
  end

  // The step of group g and step s belongs to age AT(g, s) of its image.
  `define AT(g, s) ((g) * WORDS + WORDS - 1 + SUM1 + (s))
  integer a, g, s;
  reg [31:0] under_way, position, newest, steps_made, steps_fetched, steps_fetched_before;
  reg        step_now, early, lone_is_wrong, too_close;
  reg [5:0]  steps_before;                 // bit k: a step k + 1 clocks ago
  reg [AGES1-1:0] ends_before;             // bit k: a group's last issue k + 1 clocks ago
  reg [AGES2-1:0] valid_before, last_before;  // bit k: hidden bytes k + 1 clocks ago, the last ones
  always @* begin
    under_way            = 0;              // images between start and their sums in layer 2
    position             = 0;              // of the image that is being issued
    newest               = SUM2 + 1;       // age of the youngest image
    steps_made           = 0;
    steps_fetched        = 0;
    steps_fetched_before = 0;              // a clock ago
    step_now             = 1'b0;
    ends_before          = 0;
    steps_before         = 0;
    valid_before         = 0;
    last_before          = 0;
    for (a = SUM2; a >= 1; a = a - 1) begin
      under_way = under_way + starts[a];
      if (starts[a]) newest = a;
      if (starts[a] && a < ISSUES) position = a;
      for (g = 0; g < GROUPS; g = g + 1) begin
        if (a > (g + 1) * WORDS - 1 && a <= (g + 1) * WORDS - 1 + AGES1)
          ends_before[a-(g+1)*WORDS] = ends_before[a-(g+1)*WORDS] | starts[a];
        for (s = 0; s < STEPS; s = s + 1) begin
          if (a == `AT(g, s)) step_now = step_now | starts[a];
          if (a > `AT(g, s)) steps_made = steps_made + starts[a];
          if (a > `AT(g, s) + 5) steps_fetched = steps_fetched + starts[a];
          if (a > `AT(g, s) + 6) steps_fetched_before = steps_fetched_before + starts[a];
          if (a > `AT(g, s) && a <= `AT(g, s) + 6)
            steps_before[a-`AT(g, s)-1] = steps_before[a-`AT(g, s)-1] | starts[a];
          if (a > `AT(g, s) + 6 && a <= `AT(g, s) + 6 + AGES2)
            valid_before[a-`AT(g, s)-7] = valid_before[a-`AT(g, s)-7] | starts[a];
          if (g == GROUPS - 1 && s == STEPS - 1 && a > `AT(g, s) + 6
              && a <= `AT(g, s) + 6 + AGES2)
            last_before[a-`AT(g, s)-7] = last_before[a-`AT(g, s)-7] | starts[a];
        end
      end
    end
    too_close = 1'b0;                      // an image started before the last one was issued
    for (a = 1; a < ISSUES; a = a + 1) too_close = too_close | ((starts & (starts >> a)) != 0);
    early         = 1'b0;                  // a lone image's result comes too soon
    lone_is_wrong = 1'b0;                  // or it is not where it must be
    for (a = 1; a < LATENCY; a = a + 1) begin
      early = early | (lone[a] & result_valid);
      if (lone[a] & (a <= SUM2 + 1)) begin
        lone_is_wrong = lone_is_wrong | ((starts >> (a - 1)) != 0) | result_valid
            | \dut.result.waiting_q | \dut.result.active_q ;
        if (a == 1) lone_is_wrong = lone_is_wrong | ~\dut.available ;
        if (a > 1) lone_is_wrong = lone_is_wrong | ~starts[(a > 1) ? a - 1 : 1];
      end
      if (lone[a] & (a > SUM2 + 1)) lone_is_wrong = lone_is_wrong | ~\dut.result.active_q
          | (\dut.result.count_q != a - SUM2 - 2);
    end
  end

  // Clocks until all that is under way has been accepted, at most; then all that has not started.
  wire [31:0] readout_left = (\dut.result.waiting_q ? READOUT : 0) + (result_valid ? 1 : 0)
      + (\dut.result.active_q ? PAIRS + 3 - \dut.result.count_q : 0);
  wire [31:0] left = (under_way != 0) ? SUM2 - newest + 2 * READOUT : readout_left;
  wire [31:0] not_started = \dut.images.full_q [0] + \dut.images.full_q [1] - (position != 0);
  wire [31:0] work = not_started * IMAGE + left;
  reg  [31:0] work_before;
  reg  [31:0] quiet;                       // clocks without image or hold, results accepted
  always @(posedge clk_i) begin
    work_before <= work;
    if (rst_i | image_valid_i | \dut.hold | ~result_ready_i) quiet <= 0;
    else if (quiet <= QUIET) quiet <= quiet + 1;
  end

  wire [AGES2-2:0] takes;                  // without the bits that say which is the first
  genvar t;
  generate
    for (t = 0; t < AGES2 - 1; t = t + 1) begin : take
      assign takes[t] = \dut.second_layer.to_sum.age_q [2*t+1];
    end
  endgenerate

  reg        stalled;
  reg        busy_before;
  reg [5:0]  settings_before;
  always @(posedge clk_i) begin
    stalled         <= result_valid & ~result_ready_i & ~rst_i;
    busy_before     <= ~\dut.idle & ~rst_i;
    settings_before <= {\dut.scale , \dut.shift };
  end

  always @* begin
    if (!started) assume (rst_i);
    if (started) begin
      accelerator_sums1_latency: assert (\dut.group_done == ends_before[AGES1-1]);
      accelerator_hidden_latency: assert (hidden_valid == steps_before[5]);
      accelerator_sums2_latency: assert (\dut.layer2_done == starts[SUM2]);
      accelerator_latency: assert (!lone[LATENCY] || result_valid);
      accelerator_not_early: assert (!early);
      accelerator_outstanding: assert (\dut.outstanding <= 2
          && \dut.outstanding == under_way + \dut.result.waiting_q + \dut.result.active_q
             + result_valid);
      accelerator_queue_safe: assert (!\dut.group_done || \dut.hidden.step_q == 0);
      accelerator_sums_safe: assert (
          !(\dut.result.waiting_q | \dut.layer2_done ) || \dut.result.load
          || !\dut.second_layer.accumulate );
      accelerator_one_waits: assert (!(\dut.result.waiting_q & \dut.layer2_done ));
      accelerator_addresses: assert (\dut.addr1 < ISSUES && \dut.word < WORDS
          && \dut.images.write_word_q < WORDS && \dut.hidden.addr_q < DEPTH2
          && \dut.second_layer.addr_q < DEPTH2 && \dut.result.next_pair < PAIRS);
      accelerator_host_kept_out: assert (\dut.host_select == 0
          || (~start & (starts == 0) & ~result_valid & ~\dut.result.waiting_q
              & ~\dut.result.active_q & ~\dut.second_layer.accumulate & (\dut.hidden.step_age_q == 0)));
      accelerator_settings_kept: assert (!busy_before || settings_before == {\dut.scale , \dut.shift });
      accelerator_result_stays: assert (!stalled || result_valid);
      accelerator_returns_to_idle: assert (quiet <= QUIET
          || (\dut.idle & ~\dut.available & ~result_valid & (\dut.outstanding == 0)));
      accelerator_progress: assert (quiet == 0 || work < work_before || work == 0);
      // What induction needs to know of the inside: where everything is on the timetable.
      inside_sequencer: assert (\dut.addr1 == position && \dut.word == position % WORDS
          && (position == 0 || \dut.available ) && !too_close);
      inside_hidden: assert (\dut.hidden.addr_q == steps_made % DEPTH2
          && \dut.hidden.step_q == steps_made % STEPS && \dut.hidden.step == step_now
          && \dut.hidden.step_age_q == steps_before);
      inside_layer1: assert (\dut.first_layer.to_done.age_q == ends_before);
      inside_layer2: assert (\dut.second_layer.addr_q == steps_fetched % DEPTH2
          && (!hidden_valid || \dut.second_layer.last_q == (steps_fetched_before % DEPTH2 == DEPTH2 - 1))
          && \dut.second_layer.to_done.age_q == last_before && takes == valid_before[AGES2-2:0]);
      inside_lone: assert (!lone_is_wrong);
      inside_readout: assert (!(\dut.result.active_q & result_valid)
          && \dut.result.count_q <= (\dut.result.active_q ? PAIRS + 1 : 0));
      inside_images: assert ((\dut.images.write_bank_q == \dut.images.read_bank_q )
              == (\dut.images.full_q [0] == \dut.images.full_q [1])
          && \dut.images.full_q [\dut.images.write_bank_q ] == (\dut.images.full_q == 2'b11)
          && (!\dut.images.skip_q || \dut.images.write_word_q == 0));
      inside_quiet: assert (quiet == 0 || quiet > QUIET || quiet + work <= QUIET + 1);
    end
  end

endmodule

`default_nettype wire
