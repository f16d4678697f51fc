// Several accelerators of different sizes side by side, one of which is driven at a time; for many.py.
// Verilator's class is called Vaccelerator whatever the top module is.

#include "Vaccelerator.h"
#include "verilated.h"

#include <cstdint>
#include <memory>

struct Simulation {
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vaccelerator> top;
    explicit Simulation(int seed) : context(new VerilatedContext) {
        context->randReset(2);  // registers and memories start with random contents
        context->randSeed(seed);
        top.reset(new Vaccelerator(context.get()));
    }
};

extern "C" {

Simulation* many_new(int seed) { return new Simulation(seed); }

void many_free(Simulation* sim) {
    sim->top->final();
    delete sim;
}

// n clocks of accelerator number which; the order of inputs and outputs is that of cycle_model.py.
// Outputs are those before each clock's edge. Logits have logit_w bits each, at most 64.
void many_clocks(Simulation* sim, int which, int64_t n, const uint64_t* in, uint64_t* out,
                 int classes, int logit_w) {
    auto& top = *sim->top;
    top.which_i = which;
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
        top.clk_i = 0;
        top.eval();
        out[0] = top.image_ready_o;
        out[1] = top.result_valid_o;
        out[2] = top.result_class_o;
        out[3] = top.result_value_o;
        out[4] = top.hidden_valid_o;
        out[5] = top.hidden_o;
        out[6] = top.host_ready_o;
        out[7] = top.host_ack_o;
        out[8] = top.host_error_o;
        out[9] = top.host_rdata_o;
        for (int c = 0; c < classes; ++c) {
            uint64_t logit = 0;
            for (int b = 0; b < logit_w; ++b) {
                const int at = c * logit_w + b;
                logit |= uint64_t(top.result_logits_o[at / 32] >> (at % 32) & 1) << b;
            }
            out[10 + c] = logit;
        }
        out += 10 + classes;
        top.clk_i = 1;
        top.eval();
    }
}

}  // extern "C"
