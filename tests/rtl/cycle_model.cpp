// What the accelerator must show at its ports in every clock, from its documentation alone: a queue
// of two images, a rule when one starts, constant latencies, and the arithmetic of the network. It
// knows nothing of the RTL's modules, registers or pipelines; an image is computed whole when it
// starts. It also draws the random stimulus, since it knows when a word will be taken.
//
// Built and called by cycle_model.py.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

namespace {

enum Input { RST, IMAGE_VALID, IMAGE_DATA, IMAGE_LAST, RESULT_READY, HOST_REQUEST, HOST_WE,
             HOST_MALFORMED, HOST_ADDR, HOST_WDATA, INPUTS_N };
enum Output { IMAGE_READY, RESULT_VALID, CLASS, VALUE, HIDDEN_VALID, HIDDEN, HOST_READY,
              HOST_ACK, HOST_ERROR, HOST_RDATA, LOGITS };
enum Region { REGISTERS, W0, B0, W1, B1 };
enum Register { ID, SHAPE, STATUS, CONTROL, ERRORS, SCALE, SHIFT, REGISTERS_N };
enum ErrorBit { WRITE_REFUSED = 1, READ_REFUSED = 2, ADDRESS = 4, BAD_VALUE = 8, FRAMING = 16 };

// Faults that can be planted in the model, to show that the comparison sees them.
enum Fault { NONE, THREE_CREDITS, ROUNDS, LATE_BUSY, LAST_MAXIMUM, CLEAR_WINS, LONG_IMAGE_KEPT,
             RESET_KEEPS_HOLD, LAST_BANK_NARROW, ERROR_SHOWS_DATA, EARLY_RESULT,
             ALWAYS_READY, DECIDES_EARLY, LATE_WORD };

// What happened, for the test to see that the stimulus reached it. Names in cycle_model.py.
enum Count { CLOCKS, RESETS, IMAGES, RESULTS, BUSY_RESETS, BACKPRESSURED, STALLED_SOURCE, TOO_SHORT,
             TOO_LONG, WRITES, READS, WRITES_REFUSED, READS_REFUSED, ADDRESS_ERRORS, VALUE_ERRORS,
             REFUSED_AT_START, CLEARED_WHILE_SET, TIES, CLAMPED_LOW, CLAMPED_HIGH, BETWEEN,
             HELD_BACK, FULL_CREDIT, RESET_DURING_WRITE, HOST_WAITS, RESET_DURING_READ,
             COUNTS_N };

int64_t sign_extended(uint64_t value, int bits) {
    return bits == 64 ? int64_t(value) : int64_t(value << (64 - bits)) >> (64 - bits);
}

uint64_t ones(int bits) { return bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1; }

// The same field over and over, from the low bits on.
uint64_t repeated(uint64_t field, int bits) {
    uint64_t word = 0;
    for (int at = 0; at < 64; at += bits) word |= (field & ones(bits)) << at;
    return word;
}

struct Memory {
    int banks = 0, depth = 0, bits = 0;    // bits of all banks side by side
    int bank_bits = 64;                    // of a bank; the last one may have fewer
    std::vector<uint64_t> data;            // [depth][banks]

    Memory() = default;
    Memory(int bits_, int depth_, int bank_bits_ = 64)
        : banks((bits_ + bank_bits_ - 1) / bank_bits_), depth(depth_), bits(bits_),
          bank_bits(bank_bits_), data(size_t(banks) * depth_) {}
    int bits_of(int bank) const { return std::min(bank_bits, bits - bank * bank_bits); }
    bool has(int bank, int word) const { return bank < banks && word < depth; }
    uint64_t read(int bank, int word) const { return data[word * banks + bank]; }
    void write(int bank, int word, uint64_t value) {
        data[word * banks + bank] = value & ones(bits_of(bank));
    }
    // The k-th signed number of so many bits in a word of all banks; it may lie across two of them.
    int64_t number(int word, int k, int width) const {
        const int at = k * width, bank = at / bank_bits, low = at % bank_bits;
        uint64_t value = read(bank, word) >> low;
        if (low + width > bank_bits) value |= read(bank + 1, word) << (bank_bits - low);
        return sign_extended(value & ones(width), width);
    }
};

// Clocks from a granted read to its word's arrival at the host's side of the accelerator.
int64_t passing(int lanes, int places, int skew) { return skew * ((lanes - 1) / places) + 3; }

int log2_of(int n) {
    int bits = 0;
    while ((1 << bits) < n) ++bits;
    return bits;
}

__extension__ using Wide = __int128;    // of a requantisation's product

struct Run {
    int64_t start;                         // the clock in which its first word is read
    std::vector<uint64_t> hidden;          // as they pass: [groups][steps][requants]
    std::vector<int64_t> logits;
    int winner;
};

struct Access {
    bool request = false, we = false, malformed = false;
    uint32_t addr = 0;
    uint64_t wdata = 0;
};

struct Answer {
    bool ack = false, error = false;
    uint64_t rdata = 0;
};

struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ULL + 1) {
        for (int k = 0; k < 8; ++k) next();
    }
    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545F4914F6CDD1DULL;
    }
    int below(int n) { return int((next() >> 32) % uint64_t(n)); }
    bool chance(int percent) { return below(100) < percent; }
};

}  // namespace

struct Model {
    int inputs, hidden, classes, lanes, requants, words, groups, steps, pairs, fault;
    int elements, weight_w, act_w, bias_w, scale_w, shift_w;
    Memory memory[5];                      // by region; of W0 a bank a lane
    int64_t count[COUNTS_N] = {};

    // Time, and what survives no reset.
    int64_t now = 0;
    std::deque<std::vector<int64_t>> images;  // complete, the running one included
    std::vector<int64_t> partial;
    bool skip = false;
    int64_t reading_until = -1;            // last clock in which the running image is read
    std::deque<Run> runs;                  // started, result not taken
    int64_t free_from = 0;                 // first clock in which a readout may begin
    std::vector<int64_t> shown;            // the last result's logits
    int64_t shown_class = 0, shown_value = 0;
    bool hold = false;
    uint64_t scale = 0;
    int shift = 0;
    int errors = 0;
    Access asked[2];                       // registered, then decided
    Answer answer;                         // shown now
    Answer word;                           // read from a memory, shown in clock word_due
    int64_t word_due = -1;
    bool reading = false;                  // a read has been taken and not been answered

    Model(const int64_t* sizes, int fault_) {
        inputs = int(sizes[0]);
        hidden = int(sizes[1]);
        classes = int(sizes[2]);
        lanes = int(sizes[3]);
        requants = int(sizes[4]);
        elements = int(sizes[5]);
        weight_w = int(sizes[6]);
        act_w = int(sizes[7]);
        bias_w = int(sizes[8]);
        scale_w = int(sizes[9]);
        shift_w = int(sizes[10]);
        fault = fault_;
        words = (inputs + elements - 1) / elements;
        groups = (hidden + lanes - 1) / lanes;
        steps = (lanes + requants - 1) / requants;
        pairs = (classes + 1) / 2;
        const int row = requants * weight_w;  // of a class, in a step
        memory[W0] = Memory(lanes * elements * weight_w, groups * words, elements * weight_w);
        memory[B0] = Memory(requants * bias_w, groups * steps);
        memory[W1] = Memory(classes * row, groups * steps, 2 * row <= 64 ? 2 * row : row);
        memory[B1] = Memory(2 * bias_w, pairs);
        shown.assign(classes, 0);
    }

    void reset() {
        images.clear();
        partial.clear();
        skip = false;
        reading_until = now;
        runs.clear();
        free_from = now + 1;
        shown.assign(classes, 0);
        shown_class = shown_value = 0;
        if (fault != RESET_KEEPS_HOLD) hold = false;
        scale = 0;
        shift = 0;
        errors = 0;
        asked[0].request = asked[1].request = false;
        answer = Answer();
        word_due = -1;
        reading = false;
    }

    // ---- the network ---------------------------------------------------------------------------

    Run compute(const std::vector<int64_t>& x) {
        Run run;
        run.start = now;
        run.logits.assign(classes, 0);
        for (int g = 0; g < groups; ++g) {
            for (int k = 0; k < steps; ++k) {
                const int at = g * steps + k;
                for (int r = 0; r < requants; ++r) {
                    const int lane = k * requants + r;
                    int64_t sum = memory[B0].number(at, r, bias_w);
                    if (lane < lanes) {
                        for (int i = 0; i < elements * words; ++i) {
                            const int column = elements * lane + i % elements;
                            sum += x[i] * memory[W0].number(g * words + i / elements, column,
                                                            weight_w);
                        }
                    }
                    const Wide product = Wide(std::max<int64_t>(sum, 0)) * Wide(scale);
                    const Wide half = fault == ROUNDS && shift ? Wide(1) << (shift - 1) : 0;
                    const int64_t most = int64_t(ones(act_w));
                    const int64_t h = int64_t(std::min<Wide>((product + half) >> shift, most));
                    ++count[sum <= 0 ? CLAMPED_LOW : h == most ? CLAMPED_HIGH : BETWEEN];
                    run.hidden.push_back(uint64_t(h));
                    for (int c = 0; c < classes; ++c) {
                        run.logits[c] += h * memory[W1].number(at, c * requants + r, weight_w);
                    }
                }
            }
        }
        for (int c = 0; c < classes; ++c) {
            run.logits[c] += memory[B1].number(c / 2, c % 2, bias_w);
        }
        run.winner = 0;
        for (int c = 1; c < classes; ++c) {
            const int64_t best = run.logits[run.winner];
            if (run.logits[c] == best) ++count[TIES];
            if (run.logits[c] > best || (fault == LAST_MAXIMUM && run.logits[c] == best)) {
                run.winner = c;
            }
        }
        return run;
    }

    // ---- latencies -----------------------------------------------------------------------------

    // Hidden bytes of group g, step k: clocks after the image's start.
    int64_t first_hidden() const { return words - 1 + 10; }
    // The result's first clock: the sums are complete, the readout is free, the readout's length.
    int64_t sums_complete(const Run& run) const {
        return run.start + first_hidden() + int64_t(groups - 1) * words + steps - 1 + 4;
    }
    int64_t readout_begins(const Run& run) const {
        return std::max(sums_complete(run), free_from);
    }
    int64_t result_from(const Run& run) const {
        return readout_begins(run) + pairs + 5 - (fault == EARLY_RESULT);
    }

    // ---- the host ------------------------------------------------------------------------------

    struct Decision {
        int error = 0;                     // the bit of ERRORS, 0 when granted
        bool is_memory = false;
        int region = 0, bank = 0, word = 0;
    };

    // Clocks from the decision that grants a read of a memory to its answer.
    int64_t read_clocks(int region) const {
        int64_t clocks = 2;
        if (region == W0) clocks = passing(lanes, requants, 1);
        if (region == W1) clocks = steps < words ? passing(classes, 4, 2) : passing(classes, 2, 1);
        return clocks + 1 + (fault == LATE_WORD && region == W0);
    }

    Decision decide(const Access& access, bool idle) const {
        Decision d;
        d.region = access.addr >> 16;
        d.bank = (access.addr >> 10) & 63;
        d.word = access.addr & 1023;
        d.is_memory = d.region >= W0 && d.region <= B1 && memory[d.region].has(d.bank, d.word);
        const bool is_register = d.region == 0 && d.bank == 0 && d.word < REGISTERS_N;
        const bool exists = d.is_memory || (is_register && (!access.we || d.word >= CONTROL));
        bool fits = true;
        if (access.we && is_register && exists) {
            const int bits[REGISTERS_N] = {0, 0, 0, 1, 5, scale_w, shift_w};
            fits = access.wdata >> bits[d.word] == 0;
        }
        const bool needs_idle = d.is_memory || (access.we && d.word >= SCALE);
        if (access.malformed) d.error = BAD_VALUE;
        else if (!exists) d.error = ADDRESS;
        else if (!fits) d.error = BAD_VALUE;
        else if (needs_idle && !idle) d.error = access.we ? WRITE_REFUSED : READ_REFUSED;
        return d;
    }

    uint64_t read(const Decision& d, bool idle, bool result_waits) const {
        if (d.is_memory) return memory[d.region].read(d.bank, d.word);
        switch (d.word) {
            case ID: return 0x4F484D4200010000ULL;
            case SHAPE:
                return uint64_t(inputs & 0xFFFF) | uint64_t(hidden & 0xFFFF) << 16
                     | uint64_t(classes) << 32 | uint64_t(lanes) << 48 | uint64_t(requants) << 56;
            case STATUS:
                return uint64_t(!idle) | uint64_t(result_waits) << 1
                     | uint64_t(!images.empty()) << 2 | uint64_t(runs.size()) << 4;
            case CONTROL: return hold;
            case ERRORS: return uint64_t(errors);
            case SCALE: return scale;
            default: return uint64_t(shift);
        }
    }

    // ---- one clock -----------------------------------------------------------------------------

    bool host_ready() const { return !reading || fault == ALWAYS_READY; }
    bool image_ready() const { return skip || images.size() < 2; }
    bool is_reading() const { return now <= reading_until; }
    bool may_start() const {
        const size_t credit = fault == THREE_CREDITS ? 3 : 2;
        return !is_reading() && !images.empty() && !hold && runs.size() < credit;
    }
    bool idle() const { return !is_reading() && !may_start() && runs.empty(); }

    void step(const uint64_t* in, uint64_t* out, uint8_t* care) {
        const bool in_image = is_reading(), starts = may_start();
        const bool is_idle = fault == LATE_BUSY ? !in_image && runs.empty() : idle();
        const bool readout = !runs.empty() && now > readout_begins(runs.front());
        const bool result = !runs.empty() && now >= result_from(runs.front());

        // Outputs. Not promised, so not compared: hidden bytes and results that are not valid,
        // except that the last result stays (and is zero after a reset) until the next readout.
        std::fill(care, care + LOGITS + classes, uint8_t(1));
        out[IMAGE_READY] = image_ready();
        out[RESULT_VALID] = result;
        if (result) {
            const Run& run = runs.front();
            shown = run.logits;
            shown_class = run.winner;
            shown_value = run.logits[run.winner];
        }
        const uint64_t logit_mask = (uint64_t(1) << logit_bits()) - 1;
        out[CLASS] = uint64_t(shown_class);
        out[VALUE] = uint64_t(shown_value) & logit_mask;
        for (int c = 0; c < classes; ++c) out[LOGITS + c] = uint64_t(shown[c]) & logit_mask;
        if (readout && !result) {
            care[CLASS] = care[VALUE] = 0;
            std::fill(care + LOGITS, care + LOGITS + classes, uint8_t(0));
        }
        out[HIDDEN_VALID] = out[HIDDEN] = 0;
        for (const Run& run : runs) {
            const int64_t since = now - run.start - first_hidden();
            const int64_t g = since / words, k = since % words;
            if (since < 0 || g >= groups || k >= steps) continue;
            out[HIDDEN_VALID] = 1;
            for (int r = 0; r < requants; ++r) {
                out[HIDDEN] |= run.hidden[(g * steps + k) * requants + r] << (act_w * r);
            }
        }
        care[HIDDEN] = uint8_t(out[HIDDEN_VALID]);
        out[HOST_READY] = host_ready();
        out[HOST_ACK] = answer.ack;
        out[HOST_ERROR] = answer.error;
        out[HOST_RDATA] = answer.rdata;

        // The host's access of the clock before the previous one happens now.
        const Access access = asked[fault == DECIDES_EARLY];
        const bool was_reading = reading;
        Answer next;
        bool answers_read = false;
        if (now + 1 == word_due) {
            next = word;
            answers_read = true;
        }
        bool set_hold = false, set_scale = false, set_shift = false;
        int cleared = 0, raised = 0;
        if (access.request) {
            const Decision d = decide(access, is_idle);
            Answer said;
            said.ack = true;
            said.error = d.error != 0;
            raised |= d.error;
            if (d.error == 0 && !access.we) said.rdata = read(d, is_idle, result);
            if (d.error != 0 && fault == ERROR_SHOWS_DATA && d.is_memory && !access.we) {
                said.rdata = memory[d.region].read(d.bank, d.word);
            }
            if (d.error == 0 && !access.we && d.is_memory) {
                word = said;
                word_due = now + read_clocks(d.region);
            } else {
                next = said;
                answers_read = !access.we;
            }
            if (d.error == 0 && access.we) {
                // A memory has no reset: it takes its word even in a clock of reset.
                if (d.is_memory) {
                    uint64_t value = access.wdata;
                    if (fault == LAST_BANK_NARROW && d.bank == memory[d.region].banks - 1) {
                        value &= 0xFFFFFFFF;
                    }
                    memory[d.region].write(d.bank, d.word, value);
                } else {
                    set_hold = d.word == CONTROL;
                    set_scale = d.word == SCALE;
                    set_shift = d.word == SHIFT;
                    if (d.word == ERRORS) cleared = int(access.wdata);
                }
            }
            ++count[access.we ? WRITES : READS];
            if (d.error == WRITE_REFUSED) ++count[WRITES_REFUSED];
            if (d.error == READ_REFUSED) ++count[READS_REFUSED];
            if (d.error == ADDRESS) ++count[ADDRESS_ERRORS];
            if (d.error == BAD_VALUE) ++count[VALUE_ERRORS];
            if (d.error == WRITE_REFUSED && starts && runs.empty()) ++count[REFUSED_AT_START];
            if (in[RST] && d.error == 0 && access.we) ++count[RESET_DURING_WRITE];
        }

        if (in[HOST_REQUEST] && !host_ready()) ++count[HOST_WAITS];
        if (in[RST] && word_due > now) ++count[RESET_DURING_READ];

        // The image stream.
        const bool take = in[IMAGE_VALID] && image_ready();
        bool completes = false;
        if (take && skip) {
            if (in[IMAGE_LAST]) skip = false;
        } else if (take) {
            for (int k = 0; k < elements; ++k) {
                partial.push_back(int64_t(in[IMAGE_DATA] >> (act_w * k) & ones(act_w)));
            }
            const bool final = int(partial.size()) == elements * words;
            if (final != bool(in[IMAGE_LAST])) {
                raised |= FRAMING;
                ++count[final ? TOO_LONG : TOO_SHORT];
                skip = final;
                completes = final && fault == LONG_IMAGE_KEPT;
                if (!completes) partial.clear();
            } else {
                completes = final;
            }
        }
        if (in[IMAGE_VALID] && !take) ++count[STALLED_SOURCE];
        if (!images.empty() && !in_image && hold) ++count[HELD_BACK];
        if (!images.empty() && !in_image && runs.size() == 2) ++count[FULL_CREDIT];
        if (result && !in[RESULT_READY]) ++count[BACKPRESSURED];

        // The edge.
        if (in[RST]) {
            ++count[RESETS];
            if (!runs.empty()) ++count[BUSY_RESETS];
            reset();
        } else {
            if (starts) {
                ++count[IMAGES];
                reading_until = now + int64_t(words) * groups - 1;
                runs.push_back(compute(images.front()));
            }
            if (result && in[RESULT_READY]) {
                ++count[RESULTS];
                runs.pop_front();
                free_from = now + 1;
            }
            if (now == reading_until) images.pop_front();
            if (completes) {
                images.push_back(partial);
                partial.clear();
            }
            if (cleared & raised) ++count[CLEARED_WHILE_SET];
            errors = fault == CLEAR_WINS ? (errors | raised) & ~cleared : (errors & ~cleared) | raised;
            if (set_hold) hold = access.wdata & 1;
            if (set_scale) scale = access.wdata;
            if (set_shift) shift = int(access.wdata);
            answer = next;
            asked[0] = asked[1];
            asked[1].request = in[HOST_REQUEST] && host_ready();
            if (answers_read) reading = false;
            if (in[HOST_REQUEST] && !was_reading && !in[HOST_WE]) reading = true;
        }
        asked[1].we = in[HOST_WE];
        asked[1].malformed = in[HOST_MALFORMED];
        asked[1].addr = uint32_t(in[HOST_ADDR]) & 0x7FFFF;
        asked[1].wdata = in[HOST_WDATA];
        ++count[CLOCKS];
        ++now;
    }

    // The logits leave as two's complement; more bits than either addend by one.
    int logit_bits() const {
        return std::max(weight_w + act_w + log2_of(groups * steps * requants), bias_w) + 1;
    }
};

// ---- random stimulus -------------------------------------------------------------------------

// Phases of random length and random habits, so that every part of the state space is entered often:
// loading all memories, streaming with little else, all inputs wild.
struct Stimulus {
    Random random;
    int64_t phase_ends = 0, reset_at = -1;
    bool only_stream = false;              // no reset but reset_at, no host, right images
    // Habits, in percent unless said otherwise.
    int offer = 0, wrong_last = 0, withdraw = 0, ready = 0, host = 0, host_writes = 0, holds = 0;
    int reset_ppm = 0, errors_focus = 0;
    bool loading = false;
    int load_region = W0, load_at = 0;
    int style[5] = {};                     // of the words written to each region
    bool offering = false;
    uint64_t word = 0;
    bool last = false;

    explicit Stimulus(uint64_t seed) : random(seed) {}

    void new_phase(const Model& m) {
        static const int quiet[] = {0, 0, 1, 5};
        const int kind = phase_ends == 0 ? 0 : random.below(10);
        loading = kind == 0;
        if (loading) {
            load_region = W0;
            load_at = 0;
            for (int& s : style) s = random.below(4);
            phase_ends = m.now + 100000;       // ends when all is written
            offer = 0;
            ready = 100;
            host = 95;
            reset_ppm = 0;
            return;
        }
        const bool wild = kind >= 6;
        phase_ends = m.now + (wild ? 200 + random.below(1500) : 1000 + random.below(6000));
        offer = kind == 9 ? 0 : 30 + random.below(71);
        wrong_last = wild ? random.below(30) : quiet[random.below(4)];
        withdraw = wild ? random.below(50) : 0;
        ready = random.chance(30) ? 1 + random.below(5) : random.chance(50) ? 100 : random.below(101);
        host = wild ? random.below(101) : quiet[random.below(4)];
        host_writes = random.below(101);
        holds = random.below(60);
        reset_ppm = wild ? random.below(4000) : random.below(300);
        errors_focus = random.chance(30) ? 80 : 0;
        if (errors_focus && wild) wrong_last = 100;
    }

    uint64_t value_for(const Model& m, int region) {
        const uint64_t drawn = random.next();
        switch (style[region]) {
            case 0: return drawn;
            case 1: {                      // biases about as large as the sums; few weights
                if (region == W0 || region == W1 || m.bias_w != 32) {
                    return drawn & random.next() & random.next();
                }
                const uint64_t low = uint32_t(int32_t(drawn) >> 14);
                return low | uint64_t(uint32_t(int32_t(drawn >> 32) >> 14)) << 32;
            }
            case 2: {                      // all alike, so that classes tie
                static const uint64_t alike[] = {0, 0x0101010101010101ULL, ~uint64_t(0)};
                return alike[random.chance(90) ? 0 : drawn % 3];
            }
            default: {
                const uint64_t least = uint64_t(1) << (m.weight_w - 1);
                return random.chance(50) ? drawn
                     : repeated(random.chance(50) ? least : least - 1, m.weight_w);
            }
        }
    }

    void write_register(const Model& m, int which, uint64_t* in) {
        in[HOST_ADDR] = uint64_t(which);
        uint64_t value = random.next();
        if (which == CONTROL) value = random.chance(holds);
        if (which == ERRORS) value &= 31;
        if (which == SCALE) value &= ones(random.chance(80) ? m.scale_w : (m.scale_w + 1) / 2);
        if (which == SHIFT) {
            const uint64_t most = ones(m.shift_w);
            value = random.chance(60) ? most * 20 / 31 + value % (most / 4 + 1) : value & most;
        }
        if (random.chance(5)) value |= uint64_t(1) << random.below(64);
        in[HOST_WDATA] = value;
    }

    void release_hold(uint64_t* in) {
        in[HOST_REQUEST] = in[HOST_WE] = 1;
        in[HOST_MALFORMED] = 0;
        in[HOST_ADDR] = CONTROL;
        in[HOST_WDATA] = 0;
    }

    void draw_host(const Model& m, uint64_t* in) {
        in[HOST_REQUEST] = 1;
        in[HOST_WE] = random.chance(host_writes);
        in[HOST_MALFORMED] = random.chance(3);
        const int kind = random.below(100);
        const int region = W0 + random.below(4);
        const Memory& mem = m.memory[region];
        uint32_t addr = uint32_t(region) << 16 | uint32_t(random.below(mem.banks)) << 10
                      | uint32_t(random.below(mem.depth));
        if (kind < 25 || random.chance(errors_focus)) {
            const bool errors = random.chance(errors_focus);
            write_register(m, errors ? int(ERRORS) : random.below(REGISTERS_N + 1), in);
            return;
        }
        if (kind < 35) addr ^= uint32_t(1) << random.below(19);
        else if (kind < 40) addr = uint32_t(random.below(1 << 19));
        else if (kind < 44) addr = uint32_t(region) << 16 | uint32_t(mem.banks) << 10;
        else if (kind < 48) addr = uint32_t(region) << 16 | uint32_t(mem.depth);
        in[HOST_ADDR] = addr & 0x7FFFF;
        in[HOST_WDATA] = value_for(m, region);
    }

    void draw(const Model& m, uint64_t* in) {
        if (!only_stream && m.now >= phase_ends) new_phase(m);
        if (only_stream && phase_ends == 0) {
            phase_ends = 1;
            offer = 100;
        }
        in[RST] = only_stream ? m.now == reset_at : random.below(1000000) < reset_ppm;

        // A source that is polite keeps its word until it is taken; one that is not withdraws it.
        if (offering && random.chance(withdraw)) offering = false;
        if (!offering && random.chance(offer)) {
            offering = true;
            word = random.chance(5) ? 0 : random.chance(5) ? ~uint64_t(0) : random.next();
            last = int(m.partial.size()) == m.elements * (m.words - 1);
            if (m.skip) last = random.chance(30);
            else if (random.below(1000) < wrong_last * 5) last = !last;
        }
        in[IMAGE_VALID] = offering;
        in[IMAGE_DATA] = offering || random.chance(50) ? word : random.next();
        in[IMAGE_LAST] = offering ? last : random.chance(50);
        if (offering && m.image_ready()) offering = false;
        if (in[RST]) offering = false;
        in[RESULT_READY] = random.chance(ready);

        in[HOST_REQUEST] = 0;
        in[HOST_WE] = random.chance(50);
        in[HOST_MALFORMED] = random.chance(50);
        in[HOST_ADDR] = uint64_t(random.below(1 << 19));
        in[HOST_WDATA] = random.next();
        if (only_stream) return;
        if (loading) {
            // Whatever still runs comes to its end first; then every word of every memory.
            if (m.runs.size() + m.images.size() > 0 && !m.hold) return;
            if (!random.chance(host) || !m.host_ready()) return;
            if (m.hold) {
                release_hold(in);
                return;
            }
            in[HOST_REQUEST] = in[HOST_WE] = 1;
            in[HOST_MALFORMED] = 0;
            if (load_region > B1) {
                write_register(m, load_at == 0 ? SCALE : SHIFT, in);
                if (++load_at == 2) phase_ends = m.now + 1;
                return;
            }
            const Memory& mem = m.memory[load_region];
            in[HOST_ADDR] = uint64_t(load_region) << 16 | uint64_t(load_at / mem.depth) << 10
                          | uint64_t(load_at % mem.depth);
            in[HOST_WDATA] = value_for(m, load_region);
            if (++load_at == mem.banks * mem.depth) {
                ++load_region;
                load_at = 0;
            }
            return;
        }
        if (m.hold && random.below(400) == 0) {
            release_hold(in);
        } else if (random.chance(host)) {
            draw_host(m, in);
        }
    }
};

extern "C" {

Model* cm_new(const int64_t* sizes, int fault) { return new Model(sizes, fault); }
void cm_free(Model* m) { delete m; }
Stimulus* cm_stimulus(uint64_t seed) { return new Stimulus(seed); }
void cm_free_stimulus(Stimulus* s) { delete s; }

// Nothing but right images, words in every clock, the sink taking in `ready` percent of clocks, and
// one clock of reset, `reset_at` clocks from now (negative: none).
void cm_only_stream(Model* m, Stimulus* s, int ready, int64_t reset_at) {
    s->only_stream = true;
    s->offering = false;
    s->ready = ready;
    s->reset_at = reset_at < 0 ? -1 : m->now + reset_at;
}

// n clocks with drawn inputs (written to in), or with given ones when there is no stimulus.
void cm_clocks(Model* m, Stimulus* s, int64_t n, uint64_t* in, uint64_t* out, uint8_t* care) {
    for (int64_t k = 0; k < n; ++k) {
        if (s) s->draw(*m, in);
        m->step(in, out, care);
        in += INPUTS_N;
        out += LOGITS + m->classes;
        care += LOGITS + m->classes;
    }
}

void cm_counts(const Model* m, int64_t* counts) {
    std::copy(m->count, m->count + COUNTS_N, counts);
}

}  // extern "C"
