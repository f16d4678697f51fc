// The control of the whole accelerator, for all time and any use of its ports: exact latencies, two
// images under way at most, every sum and total taken while it is complete and its own, every address
// in range, the host kept out while something runs and always answered, and idle again a bounded
// time after the images stop.
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
  localparam DEPTH1  = GROUPS * STEPS;
  localparam PLACES1 = (STEPS < WORDS) ? 4 : 2;
  localparam SKEW1   = PLACES1 / 2;
  localparam SEGS1   = (CLASSES + PLACES1 - 1) / PLACES1;
  localparam END0    = STEPS - 1;
  localparam END1    = SKEW1 * (SEGS1 - 1);
  localparam SUM0    = 5;                  // last issue of a group to done_o of layer 0
  localparam SUM1    = ISSUES + STEPS + 12;                  // start to done_o of layer 1
  localparam N       = SUM1 + END1 + PAIRS + 8;    // ages that are looked at
  localparam LATENCY = SUM1 + PAIRS + 6;   // last word taken to result, as accelerator.v says
  localparam READOUT = PAIRS + 6;          // sums waiting to result accepted, at most
  localparam IMAGE   = SUM1 + 2 * READOUT + 1;               // start to acceptance, at most
  localparam QUIET   = 3 * IMAGE;          // images stop to idle, at most
  localparam WORD_W  = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam ADDR_W  = (ISSUES > 1) ? $clog2(ISSUES) : 1;
  localparam STEP_W  = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam ADDR1_W = (DEPTH1 > 1) ? $clog2(DEPTH1) : 1;
  localparam PAIR_W  = (PAIRS > 1) ? $clog2(PAIRS) : 1;

  wire        image_ready, result_valid, hidden_valid, host_ready, host_ack, host_error;
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
      .host_ready_o    (host_ready),
      .host_we_i       (host_we_i),
      .host_malformed_i(host_malformed_i),
      .host_addr_i     (host_addr_i),
      .host_wdata_i    (host_wdata_i),
      .host_ack_o      (host_ack),
      .host_error_o    (host_error)
  );
  (* hierconn *) wire       \dut.available , \dut.issue , \dut.done0 , \dut.done1 , \dut.hold , \dut.idle ;
  (* hierconn *) wire       \dut.issue_q , \dut.first_q , \dut.last_q ;
  (* hierconn *) wire       \dut.hidden_first , \dut.hidden_last ;
  (* hierconn *) wire [1:0] \dut.outstanding , \dut.scale ;
  (* hierconn *) wire [3:0] \dut.shift , \dut.host_we , \dut.host_re ;
  (* hierconn *) wire [WORD_W-1:0]  \dut.word ;
  (* hierconn *) wire [ADDR_W-1:0]  \dut.addr , \dut.addr_q ;
  (* hierconn *) wire       \dut.images.complete ;
  (* hierconn *) wire [1:0] \dut.images.full_q ;
  (* hierconn *) wire       \dut.images.write_bank_q , \dut.images.read_bank_q , \dut.images.skip_q ;
  (* hierconn *) wire [WORD_W-1:0]  \dut.images.write_word_q ;
  (* hierconn *) wire [END0+2:0]    \dut.layer_0.valids.age_q , \dut.layer_0.host_reads.age_q ;
  (* hierconn *) wire [3:0]         \dut.layer_0.lasts.age_q ;
  (* hierconn *) wire [STEP_W-1:0]  \dut.hidden.summing.step_q , \dut.hidden.summing.at_q ;
  (* hierconn *) wire [ADDR1_W-1:0] \dut.hidden.summing.addr_q , \dut.hidden.word_q ;
  (* hierconn *) wire [2:0] \dut.hidden.summing.age_q , \dut.result.summing.age_q ;
  (* hierconn *) wire [1:0] \dut.hidden.valid_q ;
  (* hierconn *) wire [END1+2:0]    \dut.layer_1.valids.age_q , \dut.layer_1.host_reads.age_q ;
  (* hierconn *) wire [3:0]         \dut.layer_1.lasts.age_q ;
  (* hierconn *) wire       \dut.result.waiting_q , \dut.result.active_q , \dut.result.load ;
  (* hierconn *) wire [1:0] \dut.result.final_age_q ;
  (* hierconn *) wire [PAIR_W-1:0]  \dut.result.at_q , \dut.result.summing.step_q ,
      \dut.result.summing.at_q , \dut.result.summing.addr_q ;
  (* hierconn *) wire [1:0] \dut.hidden.summing.store.re_age_q , \dut.result.summing.store.re_age_q ;
  (* hierconn *) wire       \dut.host.request_q , \dut.host.write_q , \dut.host.reading_q ,
      \dut.host.good_q , \dut.host.bad_value_q , \dut.host.bad_addr_q , \dut.host.is_write_q ;
  (* hierconn *) wire [3:0] \dut.host.memory_q ;

  // The timetable.
  reg            started = 1'b0;
  reg [N:1]      starts;
  reg [LATENCY:1] lone;                    // an image's last word came while nothing was in the way
  wire start = \dut.issue & (\dut.addr == 0);
  wire in_the_way = \dut.available | (\dut.outstanding != 0) | \dut.issue ;
  always @(posedge clk_i) begin
    started <= 1'b1;
    if (rst_i) begin
      starts <= 0;
      lone   <= 0;
    end else begin
      starts <= {starts[N-1:1], start};
      lone   <= {lone[LATENCY-1:2], lone[1] & ~\dut.hold , \dut.images.complete & ~in_the_way};
    end
  end

  // Group g's sums of step s are asked for at age STEP_AT(g, s) of their image, and its hidden bytes
  // are there at age BYTES_AT(g, s).
  `define STEP_AT(g, s) (((g) + 1) * WORDS - 1 + SUM0 + (s))
  `define BYTES_AT(g, s) (`STEP_AT(g, s) + 5)
  integer a, g, s, k;
  reg [31:0] under_way, position, newest, heads_made, steps_made, bytes_made;
  reg        early, lone_is_wrong, too_close;
  reg [END0+3:0] head_before;              // bit k: a word at the head of layer 0 k clocks ago
  reg [5+END0:0] ends_before;              // a group's last
  reg [4:0]  steps_before;                 // bit k: a step k + 1 clocks ago
  reg [STEP_W-1:0] step_now, step_before;  // step_q and at_q
  reg [END1+3:0] bytes_before;             // bit k: hidden bytes k clocks ago
  reg [END1+5:0] lasts_before;             // an image's last
  reg            head_first, head_last;
  always @* begin
    under_way     = 0;                     // images between start and their sums in layer 1
    position      = 0;                     // of the image that is being issued
    newest        = SUM1 + 1;              // age of the youngest image
    heads_made    = 0;
    steps_made    = 0;
    bytes_made    = 0;
    head_before   = 0;
    ends_before   = 0;
    steps_before  = 0;
    step_now      = 0;
    step_before   = 0;
    bytes_before  = 0;
    lasts_before  = 0;
    head_first    = 1'b0;
    head_last     = 1'b0;
    for (a = N; a >= 1; a = a - 1) if (starts[a]) begin
      if (a <= SUM1) under_way = under_way + 1;
      if (a <= SUM1) newest = a;
      if (a < ISSUES) position = a;
      heads_made = heads_made + ((a - 1 < ISSUES) ? a - 1 : ISSUES);
      if (a <= ISSUES) begin
        head_first = (a - 1) % WORDS == 0;
        head_last  = (a - 1) % WORDS == WORDS - 1;
      end
      for (k = 0; k <= END0 + 3; k = k + 1)
        if (a - 1 - k >= 0 && a - 1 - k < ISSUES) head_before[k] = 1'b1;
      for (g = 0; g < GROUPS; g = g + 1) begin
        for (k = 0; k <= 5 + END0; k = k + 1)
          if (a - 1 - k == (g + 1) * WORDS - 1) ends_before[k] = 1'b1;
        for (s = 0; s < STEPS; s = s + 1) begin
          if (a == `STEP_AT(g, s)) step_now = s;
          if (a == `STEP_AT(g, s) + 1) step_before = s;
          if (a > `STEP_AT(g, s)) steps_made = steps_made + 1;
          if (a > `BYTES_AT(g, s)) bytes_made = bytes_made + 1;
          for (k = 0; k < 5; k = k + 1)
            if (a == `STEP_AT(g, s) + k + 1) steps_before[k] = 1'b1;
          for (k = 0; k <= END1 + 3; k = k + 1)
            if (a == `BYTES_AT(g, s) + k) bytes_before[k] = 1'b1;
        end
      end
      for (k = 0; k <= END1 + 5; k = k + 1)
        if (a == SUM1 - 4 + k) lasts_before[k] = 1'b1;
    end
    too_close = 1'b0;                      // an image started before the last one was issued
    for (a = 1; a < ISSUES; a = a + 1) too_close = too_close | ((starts & (starts >> a)) != 0);
  end

  // The readout: clocks since it took sums over, 0 when none are on their way to a result.
  reg [31:0] age;
  always @(posedge clk_i) begin
    if (rst_i) age <= 0;
    else if (\dut.result.load ) age <= 1;
    else if (age != 0) age <= (age == PAIRS + 4) ? 0 : age + 1;
  end
  always @* begin
    early         = 1'b0;                  // a lone image's result comes too soon
    lone_is_wrong = 1'b0;                  // or it is not where it must be
    for (a = 1; a < LATENCY; a = a + 1) begin
      early = early | (lone[a] & result_valid);
      if (lone[a] & (a <= SUM1 + 1)) begin
        lone_is_wrong = lone_is_wrong | (((starts & {SUM1{1'b1}}) >> (a - 1)) != 0) | result_valid
            | \dut.result.waiting_q | \dut.result.active_q ;
        if (a == 1) lone_is_wrong = lone_is_wrong | ~\dut.available ;
        if (a > 1) lone_is_wrong = lone_is_wrong | ~starts[(a > 1) ? a - 1 : 1];
      end
      if (lone[a] & (a > SUM1 + 1)) lone_is_wrong = lone_is_wrong | (age != a - SUM1 - 1);
    end
  end

  // What has been taken over directly has its start; after what had waited no image is older than that.
  reg takeover_wrong;
  always @* begin
    takeover_wrong = 1'b0;
    for (a = 1; a <= PAIRS; a = a + 1)
      if (age == a && !starts[SUM1+a] && ((starts & {SUM1{1'b1}}) >> a) != 0) takeover_wrong = 1'b1;
  end

  // Clocks until all that is under way has been accepted, at most; then all that has not started.
  wire [31:0] readout_left = (\dut.result.waiting_q ? READOUT : 0) + (result_valid ? 1 : 0)
      + ((age != 0) ? PAIRS + 6 - age : 0);
  wire [31:0] left = (under_way != 0) ? SUM1 - newest + 2 * READOUT : readout_left;
  wire [31:0] not_started = \dut.images.full_q [0] + \dut.images.full_q [1] - (position != 0);
  wire [31:0] work = not_started * IMAGE + left;
  reg  [31:0] work_before;
  reg  [31:0] quiet;                       // clocks without image or hold, results accepted
  always @(posedge clk_i) begin
    work_before <= work;
    if (rst_i | image_valid_i | \dut.hold | ~result_ready_i) quiet <= 0;
    else if (quiet <= QUIET) quiet <= quiet + 1;
  end

  // Whose sums and totals are there. A word at the head is in the rows of segment j 5 clocks and the
  // segment's lag later (systolic_layer_properties), the total 5 clocks; so at the head 4 clocks and the
  // lag ago means in the next clock. Images are numbered modulo 4.
  reg [1:0] taken_over, totals;
  reg [END1+5:0] valid1, last1;            // of the head of layer 1, bit k: k clocks ago
  reg [2*SEGS1-1:0] complete_of;           // number of the last image complete in a segment
  reg [SEGS1-1:0]   complete;              // nothing of a later one has come
  integer j;
  reg [END0+5:0] last0;
  always @* begin
    valid1[0] = hidden_valid;
    last1[0]  = hidden_valid & \dut.hidden_last ;
    last0[0]  = \dut.issue_q & \dut.last_q ;
  end
  always @(posedge clk_i) begin
    if (rst_i) begin
      valid1[END1+5:1] <= 0;
      last1[END1+5:1]  <= 0;
      last0[END0+5:1]  <= 0;
      taken_over       <= 2'd0;
      totals           <= 2'd0;
      complete_of      <= 0;
      complete         <= {SEGS1{1'b1}};
    end else begin
      valid1[END1+5:1] <= valid1;
      last1[END1+5:1]  <= last1;
      last0[END0+5:1]  <= last0;
      if (\dut.result.load ) taken_over <= taken_over + 2'd1;
      if (last1[4]) totals <= totals + 2'd1;
      for (j = 0; j < SEGS1; j = j + 1) begin
        if (valid1[4+SKEW1*j]) complete[j] <= last1[4+SKEW1*j];
        if (last1[4+SKEW1*j]) complete_of[2*j +: 2] <= complete_of[2*j +: 2] + 2'd1;
      end
    end
  end
  wire [STEP_W-1:0] step = \dut.hidden.summing.at_q ;   // is sampled now, when age_q[0] says so
  wire [PAIR_W-1:0] pair = \dut.result.summing.at_q ;
  wire [31:0]       seg1 = pair * 2 / PLACES1;

  // Words of the sum that is at the head of each layer.
  reg [31:0] words0, words1;
  always @(posedge clk_i) begin
    if (rst_i) begin
      words0 <= 0;
      words1 <= 0;
    end else begin
      if (\dut.issue_q ) words0 <= (\dut.first_q ) ? 1 : words0 + 1;
      if (hidden_valid) words1 <= (\dut.hidden_first ) ? 1 : words1 + 1;
    end
  end
  wire [31:0] words0_now = \dut.first_q ? 1 : words0 + 1;
  wire [31:0] words1_now = \dut.hidden_first ? 1 : words1 + 1;

  // The host's reads of memories under way.
  localparam LONGEST = 2 + ((END0 > END1) ? END0 : END1);
  reg [LONGEST:0] flying;                  // by age
  reg [31:0]      flights;
  always @* begin
    flying  = \dut.layer_0.host_reads.age_q | \dut.layer_1.host_reads.age_q
            | \dut.hidden.summing.store.re_age_q | \dut.result.summing.store.re_age_q ;
    flights = 0;
    for (k = 0; k < END0 + 3; k = k + 1) flights = flights + \dut.layer_0.host_reads.age_q [k];
    for (k = 0; k < END1 + 3; k = k + 1) flights = flights + \dut.layer_1.host_reads.age_q [k];
    for (k = 0; k < 2; k = k + 1)
      flights = flights + \dut.hidden.summing.store.re_age_q [k] + \dut.result.summing.store.re_age_q [k];
  end
  reg [31:0] waited;                       // clocks that the host has not been ready
  always @(posedge clk_i) waited <= (host_ready | rst_i) ? 0 : waited + 1;
  wire decided = \dut.host.good_q | \dut.host.bad_value_q | \dut.host.bad_addr_q ;
  reg  [31:0] flying_age;
  always @* begin
    flying_age = 0;
    for (k = 0; k <= LONGEST; k = k + 1) if (flying[k]) flying_age = k;
  end

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
      accelerator_sums0_latency: assert (\dut.done0 == ends_before[4]);
      accelerator_hidden_latency: assert (hidden_valid == bytes_before[0]);
      accelerator_sums1_latency: assert (\dut.done1 == starts[SUM1]);
      accelerator_latency: assert (!lone[LATENCY] || result_valid);
      accelerator_not_early: assert (!early);
      accelerator_outstanding: assert (\dut.outstanding <= 2
          && \dut.outstanding == under_way + \dut.result.waiting_q + \dut.result.active_q
             + result_valid);
      accelerator_sums0_safe: assert (!\dut.hidden.summing.age_q [0] || last0[5+step]);
      accelerator_sums1_safe: assert (!\dut.result.summing.age_q [0]
          || (complete[seg1] && complete_of[2*seg1 +: 2] == taken_over));
      accelerator_totals_safe: assert (!(\dut.result.summing.age_q [0] && pair == 0)
          || totals == taken_over);
      accelerator_one_waits: assert (!(\dut.result.waiting_q & \dut.done1 ));
      accelerator_sum_words: assert (
          (!\dut.issue_q || (words0_now <= WORDS && \dut.last_q == (words0_now == WORDS)))
          && (!hidden_valid || (words1_now <= DEPTH1 && \dut.hidden_last == (words1_now == DEPTH1))));
      accelerator_addresses: assert (\dut.addr < ISSUES && \dut.word < WORDS
          && \dut.images.write_word_q < WORDS && \dut.hidden.summing.addr_q < DEPTH1
          && \dut.hidden.word_q < DEPTH1 && \dut.result.summing.addr_q < PAIRS);
      accelerator_host_kept_out: assert ((\dut.host_we | \dut.host_re ) == 0
          || (~start & (under_way == 0) & ~\dut.issue_q & ~hidden_valid & ~result_valid
              & ~\dut.result.waiting_q & ~\dut.result.active_q ));
      accelerator_reads_safe: assert (!(\dut.layer_0.host_reads.age_q [0] & \dut.issue_q )
          && !((\dut.layer_1.host_reads.age_q & ((1 << SKEW1) - 1)) != 0 && hidden_valid));
      accelerator_host_alone: assert ((\dut.host_we | \dut.host_re ) == 0 || flying == 0);
      accelerator_host_answered: assert (host_ready || waited <= LONGEST + 2);
      accelerator_settings_kept: assert (!busy_before || settings_before == {\dut.scale , \dut.shift });
      accelerator_result_stays: assert (!stalled || result_valid);
      accelerator_returns_to_idle: assert (quiet <= QUIET
          || (\dut.idle & ~\dut.available & ~result_valid & (\dut.outstanding == 0)));
      accelerator_progress: assert (quiet == 0 || work < work_before || work == 0);
      // What induction needs to know of the inside: where everything is on the timetable.
      inside_sequencer: assert (\dut.addr == position && \dut.word == position % WORDS
          && (position == 0 || \dut.available ) && !too_close);
      inside_head: assert (\dut.issue_q == head_before[0]
          && (!\dut.issue_q || (\dut.first_q == head_first && \dut.last_q == head_last)));
      inside_words: assert (
          ((heads_made % WORDS == 0) ? words0 == 0 || words0 == WORDS : words0 == heads_made % WORDS)
          && ((bytes_made % DEPTH1 == 0) ? words1 == 0 || words1 == DEPTH1
              : words1 == bytes_made % DEPTH1));
      inside_layer0: assert (\dut.layer_0.valids.age_q == head_before[END0+3:1]
          && \dut.layer_0.lasts.age_q == ends_before[4:1] && last0[END0+5:1] == ends_before[END0+5:1]);
      inside_hidden: assert (\dut.hidden.summing.addr_q == steps_made % DEPTH1
          && \dut.hidden.summing.step_q == step_now && \dut.hidden.summing.age_q == steps_before[2:0]
          && (!steps_before[0] || \dut.hidden.summing.at_q == step_before)
          && \dut.hidden.valid_q == steps_before[4:3] && \dut.hidden.word_q == bytes_made % DEPTH1);
      inside_layer1: assert (\dut.layer_1.valids.age_q == bytes_before[END1+3:1]
          && \dut.layer_1.lasts.age_q == lasts_before[4:1]);
      inside_lone: assert (!lone_is_wrong);
      inside_readout: assert (!(\dut.result.active_q & result_valid) && age <= PAIRS + 4
          && \dut.result.active_q == (age != 0)
          && \dut.result.summing.step_q == ((age < PAIRS) ? age : 0)
          && \dut.result.summing.addr_q == \dut.result.summing.step_q
          && (age == 0 || age > PAIRS || \dut.result.summing.at_q == age - 1)
          && \dut.result.summing.age_q == {age >= 3 && age < PAIRS + 3, age >= 2 && age < PAIRS + 2,
                                           age >= 1 && age < PAIRS + 1}
          && \dut.result.at_q == ((age >= 3 && age < PAIRS + 3) ? age - 3 : 0)
          && \dut.result.final_age_q == {age == PAIRS + 4, age == PAIRS + 3});
      inside_takeover: assert (!takeover_wrong && (!\dut.result.waiting_q || under_way == 0));
      inside_images: assert ((\dut.images.write_bank_q == \dut.images.read_bank_q )
              == (\dut.images.full_q [0] == \dut.images.full_q [1])
          && \dut.images.full_q [\dut.images.write_bank_q ] == (\dut.images.full_q == 2'b11)
          && (!\dut.images.skip_q || \dut.images.write_word_q == 0));
      inside_quiet: assert (quiet == 0 || quiet > QUIET || quiet + work <= QUIET + 1);
      inside_host: assert (flights <= 1
          && (flights != 0 || flying == 0)
          && \dut.host.reading_q == ((\dut.host.request_q & ~\dut.host.write_q )
              | (decided & ~\dut.host.is_write_q ) | (flying != 0))
          && (flying == 0 || (!decided && !\dut.host.request_q && waited == flying_age + 2))
          && !(decided & ~\dut.host.is_write_q & \dut.host.request_q )
          && !(\dut.host.request_q & ~\dut.host.write_q & (waited != 0))
          && !(decided & ~\dut.host.is_write_q & (waited != 1))
          && (\dut.host.memory_q & (\dut.host.memory_q - 4'd1)) == 0
          && !(\dut.host.bad_value_q & \dut.host.bad_addr_q )
          && !(\dut.host.good_q & (\dut.host.bad_value_q | \dut.host.bad_addr_q )));
      inside_totals: assert (totals == taken_over + \dut.result.waiting_q + 2'd0
          && valid1[END1+3:0] == bytes_before && last1 == lasts_before);
    end
  end
  // What is complete in each segment: all images but those whose last word has not come so far.
  reg [1:0]  on_the_way;
  reg        complete_wrong;
  reg [31:0] bytes_there;
  always @* begin
    complete_wrong = 1'b0;
    for (j = 0; j < SEGS1; j = j + 1) begin
      on_the_way  = 0;
      bytes_there = 0;
      for (k = 5; k < 5 + SKEW1 * j; k = k + 1) on_the_way = on_the_way + last1[k];
      for (a = N; a >= 1; a = a - 1)
        for (g = 0; g < GROUPS; g = g + 1)
          for (s = 0; s < STEPS; s = s + 1)
            if (starts[a] && a >= `BYTES_AT(g, s) + 5 + SKEW1 * j) bytes_there = bytes_there + 1;
      if (complete[j] != (bytes_there % DEPTH1 == 0)) complete_wrong = 1'b1;
      if (((complete_of[2*j +: 2] + on_the_way) & 2'b11) != totals) complete_wrong = 1'b1;
    end
    if (started) inside_complete: assert (!complete_wrong);
  end

endmodule

`default_nettype wire
