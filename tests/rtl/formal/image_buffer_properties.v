// What image_buffer promises, for all time: which words it takes, which images it keeps, and that
// what is read of an image is what was written, whatever is loaded meanwhile.
//
// Assumed: an image is released only while one is available (sequencer).

`default_nettype none

module image_buffer_properties #(
    parameter WIDTH = 2,
    parameter WORDS = 3
) (
    input wire             clk_i,
    input wire             rst_i,
    input wire             valid_i,
    input wire [WIDTH-1:0] data_i,
    input wire             last_i,
    input wire             release_i,
    input wire [1:0]       word_i,
    input wire             mark_i          // watch the image that starts now
);

  wire ready, framing_error, available;
  wire [WIDTH-1:0] data;
  image_buffer #(
      .WIDTH(WIDTH),
      .WORDS(WORDS)
  ) dut (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .valid_i        (valid_i),
      .ready_o        (ready),
      .data_i         (data_i),
      .last_i         (last_i),
      .framing_error_o(framing_error),
      .available_o    (available),
      .release_i      (release_i),
      .word_i         (word_i),
      .data_o         (data)
  );
  (* hierconn *) wire       \dut.store ;
  (* hierconn *) wire [1:0] \dut.full_q ;
  (* hierconn *) wire       \dut.write_bank_q ;
  (* hierconn *) wire       \dut.read_bank_q ;
  (* hierconn *) wire [1:0] \dut.write_word_q ;
  (* hierconn *) wire       \dut.skip_q ;
  (* hierconn *) wire [WIDTH-1:0] \dut.words[0] , \dut.words[1] , \dut.words[2] , \dut.words[4] ,
      \dut.words[5] , \dut.words[6] ;
  wire [8*WIDTH-1:0] words = {
    {WIDTH{1'b0}}, \dut.words[6] , \dut.words[5] , \dut.words[4] ,
    {WIDTH{1'b0}}, \dut.words[2] , \dut.words[1] , \dut.words[0]
  };

  reg        started = 1'b0;
  reg [31:0] position;                     // words taken of the image that is coming, at most WORDS
  reg [31:0] held;                         // complete images not yet released
  wire take     = valid_i & ready;
  wire complete = take & last_i & (position == WORDS - 1);
  always @(posedge clk_i) begin
    started <= 1'b1;
    if (rst_i) begin
      position <= 0;
      held     <= 0;
    end else begin
      if (take) position <= last_i ? 0 : (position == WORDS) ? WORDS : position + 1;
      held <= held + {31'd0, complete} - {31'd0, release_i};
    end
  end

  // One image is watched from its first word until it is dropped or released: its word `watched`.
  (* anyconst *) reg [1:0] watched;
  reg             loading, stored, ahead;
  reg [WIDTH-1:0] value;
  reg             asked;
  reg [WIDTH-1:0] answer;
  wire mine = loading | (mark_i & ~stored & (position == 0));
  always @(posedge clk_i) begin
    asked  <= stored & ~ahead & (word_i == watched) & ~rst_i;
    answer <= value;
    if (rst_i) begin
      loading <= 1'b0;
      stored  <= 1'b0;
    end else begin
      if (take & mine) begin
        loading <= ~last_i;
        stored  <= complete;
        if (position == watched) value <= data_i;
        ahead <= held - {31'd0, release_i} != 0;
      end
      if (stored & release_i) begin
        ahead  <= 1'b0;
        stored <= ahead;
      end
    end
  end
  wire [2:0] kept_at = stored ? {\dut.read_bank_q ^ ahead, watched} : {\dut.write_bank_q , watched};
  wire       is_kept = stored | (loading & (position > watched) & (position < WORDS));

  always @* begin
    assume (watched < WORDS);
    if (!started) assume (rst_i);
    if (started & release_i) assume (available);
    if (started) begin
      image_buffer_ready: assert (ready == ((held < 2) | (position == WORDS)));
      image_buffer_available: assert (available == (held != 0));
      image_buffer_framing: assert (
          framing_error == (take & ((position < WORDS - 1) & last_i
                                    | (position == WORDS - 1) & ~last_i)));
      image_buffer_no_overwrite: assert (
          !(\dut.store & available) || \dut.write_bank_q != \dut.read_bank_q );
      image_buffer_range: assert (\dut.write_word_q < WORDS);
      image_buffer_data: assert (!asked || data == answer);
      // What induction needs to know of the inside.
      inside_banks: assert (held <= 2 && held == \dut.full_q [0] + \dut.full_q [1]
          && \dut.full_q [\dut.write_bank_q ] == (held == 2)
          && (\dut.write_bank_q == \dut.read_bank_q ) == (held != 1));
      inside_position: assert (position <= WORDS && \dut.skip_q == (position == WORDS)
          && \dut.write_word_q == (\dut.skip_q ? 0 : position));
      inside_watched: assert (!(loading & stored) && (!loading || position != 0)
          && (!stored || held > ahead));
      inside_kept: assert (!is_kept || words[kept_at*WIDTH +: WIDTH] == value);
      image_buffer_covers: cover (asked & ahead == 0 & held == 2 & answer == 2);
    end
  end

endmodule

`default_nettype wire
