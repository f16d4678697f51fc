// Compiled stimulus for the accelerator: a thin C interface, so that thousands of images cost a few
// calls from Python. Built by ohmbench.eda.verilator; the macros give the instance's sizes.

#include "Vaccelerator.h"
#include "verilated.h"
#ifdef HARNESS_COVERAGE
#include "verilated_cov.h"
#endif

#include <cstdint>
#include <cstring>
#include <memory>

namespace {

// xorshift64*: the same idle and backpressure patterns from the same seed everywhere.
struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ULL + 1) {}
    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545F4914F6CDD1DULL;
    }
    // True with a probability of percent / 100.
    bool chance(int percent) { return static_cast<int>((next() >> 33) % 100) < percent; }
};

template <typename Port>
uint64_t bits(const Port& port, int low, int width) {
    uint64_t value = 0;
    for (int k = 0; k < width; ++k) {
        const int at = low + k;
        uint64_t bit;
        if constexpr (std::is_integral_v<Port>) {
            bit = (static_cast<uint64_t>(port) >> at) & 1;
        } else {
            bit = (port[at / 32] >> (at % 32)) & 1;
        }
        value |= bit << k;
    }
    return value;
}

int64_t sign_extended(uint64_t value, int width) {
    return static_cast<int64_t>(value << (64 - width)) >> (64 - width);
}

}  // namespace

struct Simulation {
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vaccelerator> top;
    int64_t clock = 0;

    explicit Simulation(int seed) : context(new VerilatedContext) {
#ifdef HARNESS_COVERAGE
        context->randReset(0);  // or leaving random contents would count as toggles
#else
        context->randReset(2);  // registers and memories start with random contents
#endif
        context->randSeed(seed);
        top.reset(new Vaccelerator(context.get()));
        idle();
    }

    void idle() {
        top->rst_i = 0;
        top->image_valid_i = 0;
        top->image_data_i = 0;
        top->image_last_i = 0;
        top->result_ready_i = 0;
        top->host_request_i = 0;
        top->host_we_i = 0;
        top->host_malformed_i = 0;
        top->host_addr_i = 0;
        top->host_wdata_i = 0;
    }

    // Combinational outputs for the inputs as they are now; then one rising edge.
    void settle() {
        top->clk_i = 0;
        top->eval();
    }
    void edge() {
        top->clk_i = 1;
        top->eval();
        ++clock;
    }
};

extern "C" {

Simulation* ohm_new(int seed) { return new Simulation(seed); }

void ohm_free(Simulation* sim) {
    sim->top->final();
    delete sim;
}

void ohm_select_mutant(Simulation* sim, int mutant) {
#ifdef HARNESS_MUTANTS
    sim->top->mutant_i = mutant;
#else
    (void)sim;
    (void)mutant;
#endif
}

void ohm_reset(Simulation* sim) {
    sim->idle();
    sim->top->rst_i = 1;
    for (int k = 0; k < 2; ++k) {
        sim->settle();
        sim->edge();
    }
    sim->top->rst_i = 0;
    sim->settle();
}

// Accesses as fast as they are taken. rdata and errors (may be null) take the answers. Returns how
// many answered; fewer than n means that an answer did not come within ANSWER_LIMIT clocks.
int64_t ohm_host(Simulation* sim, int64_t n, const uint32_t* addr, const uint8_t* write,
                 const uint64_t* wdata, uint64_t* rdata, uint8_t* errors) {
    constexpr int ANSWER_LIMIT = 200;
    int64_t asked = 0, answered = 0;
    auto& top = *sim->top;
    top.image_valid_i = 0;
    top.result_ready_i = 0;
    for (int waited = 0; answered < n && waited < ANSWER_LIMIT; ++waited) {
        top.host_request_i = asked < n;
        if (asked < n) {
            top.host_we_i = write[asked];
            top.host_addr_i = addr[asked];
            top.host_wdata_i = wdata[asked];
        }
        sim->settle();
        if (top.host_ack_o) {
            if (rdata) rdata[answered] = top.host_rdata_o;
            if (errors) errors[answered] = top.host_error_o;
            ++answered;
            waited = 0;
        }
        if (top.host_request_i && top.host_ready_o) ++asked;
        sim->edge();
    }
    top.host_request_i = 0;
    sim->settle();
    return answered;
}

// Stream n images (WORDS words each) and take their results. input_gap and output_gap: percent of
// clocks in which the source offers nothing and the sink takes nothing. Per image: hidden
// (HIDDEN_BYTES bytes in the order in which they pass), logits, class, value, and three clocks:
// the last word's acceptance, the result's first clock, the result's acceptance. Returns how many
// results came; fewer than n means that max_clocks were not enough.
int64_t ohm_infer(Simulation* sim, int64_t n, const uint64_t* words, int input_gap, int output_gap,
                  uint64_t seed, int64_t max_clocks, uint8_t* hidden, int64_t* logits,
                  int64_t* classes, int64_t* values, int64_t* clocks) {
    Random random(seed);
    auto& top = *sim->top;
    int64_t word = 0, results = 0, hidden_seen = 0;
    bool offering = false, seen = false;
    const int64_t all_words = n * WORDS, all_hidden = n * HIDDEN_BYTES;
    for (int64_t spent = 0; spent < max_clocks && results < n; ++spent) {
        // A word that was offered stays until it is taken.
        if (!offering) offering = word < all_words && !random.chance(input_gap);
        top.image_valid_i = offering;
        if (offering) {
            top.image_data_i = words[word];
            top.image_last_i = word % WORDS == WORDS - 1;
        }
        top.result_ready_i = !random.chance(output_gap);
        sim->settle();
        if (top.hidden_valid_o) {
            for (int r = 0; r < REQUANTS && hidden_seen < all_hidden; ++r) {
                hidden[hidden_seen++] = bits(top.hidden_o, 8 * r, 8);
            }
        }
        if (top.result_valid_o && !seen) {
            clocks[3 * results + 1] = sim->clock;
            seen = true;
        }
        if (top.result_valid_o && top.result_ready_i) {
            for (int c = 0; c < CLASSES; ++c) {
                logits[results * CLASSES + c] =
                    sign_extended(bits(top.result_logits_o, c * LOGIT_W, LOGIT_W), LOGIT_W);
            }
            classes[results] = top.result_class_o;
            values[results] = sign_extended(bits(top.result_value_o, 0, LOGIT_W), LOGIT_W);
            clocks[3 * results + 2] = sim->clock;
            ++results;
            seen = false;
        }
        if (offering && top.image_ready_o) {
            if (word % WORDS == WORDS - 1) clocks[3 * (word / WORDS)] = sim->clock;
            ++word;
            offering = false;
        }
        sim->edge();
    }
    sim->idle();
    sim->settle();
    return results;
}

// One clock with the given inputs; the outputs are those before its edge. For tests that care about
// every clock. in: rst, image_valid, image_data, image_last, result_ready, host_request, host_we,
// host_malformed, host_addr, host_wdata. out: image_ready, result_valid, class, value, hidden_valid,
// hidden, host_ready, host_ack, host_error, host_rdata, then the logits.
void ohm_clocks(Simulation* sim, int64_t n, const uint64_t* in, uint64_t* out) {
    auto& top = *sim->top;
    for (int64_t k = 0; k < n; ++k) {
        top.rst_i = in[0];
        top.image_valid_i = in[1];
        top.image_data_i = in[2];
        top.image_last_i = in[3];
        top.result_ready_i = in[4];
        top.host_request_i = in[5];
        top.host_we_i = in[6];
        top.host_malformed_i = in[7];
        top.host_addr_i = in[8];
        top.host_wdata_i = in[9];
        in += 10;
        sim->settle();
        out[0] = top.image_ready_o;
        out[1] = top.result_valid_o;
        out[2] = top.result_class_o;
        out[3] = bits(top.result_value_o, 0, LOGIT_W);
        out[4] = top.hidden_valid_o;
        out[5] = bits(top.hidden_o, 0, 8 * REQUANTS);
        out[6] = top.host_ready_o;
        out[7] = top.host_ack_o;
        out[8] = top.host_error_o;
        out[9] = top.host_rdata_o;
        for (int c = 0; c < CLASSES; ++c) {
            out[10 + c] = bits(top.result_logits_o, c * LOGIT_W, LOGIT_W);
        }
        out += 10 + CLASSES;
        sim->edge();
    }
    sim->settle();
}

int64_t ohm_clock(const Simulation* sim) { return sim->clock; }

void ohm_write_coverage(Simulation* sim, const char* path) {
#ifdef HARNESS_COVERAGE
    sim->context->coveragep()->write(path);
#else
    (void)sim;
    (void)path;
#endif
}

}  // extern "C"
