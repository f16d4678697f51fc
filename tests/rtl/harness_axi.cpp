// accelerator_axi pin by pin, for axi_pins.py. Verilator's class is called Vaccelerator whatever the
// top module is.

#include "Vaccelerator.h"
#include "verilated.h"
#ifdef HARNESS_COVERAGE
#include "verilated_cov.h"
#endif

#include <cstdint>
#include <memory>

struct Simulation {
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vaccelerator> top;
    explicit Simulation(int seed) : context(new VerilatedContext) {
#ifdef HARNESS_COVERAGE
        context->randReset(0);  // or leaving random contents would count as toggles
#else
        context->randReset(2);  // registers and memories start with random contents
#endif
        context->randSeed(seed);
        top.reset(new Vaccelerator(context.get()));
    }
};

// Only a top module with several accelerators (many.py) has an input that says which is clocked.
template <typename Top>
auto choose(Top& top, int which, int) -> decltype(void(top.which_i)) { top.which_i = which; }
template <typename Top>
void choose(Top&, int, long) {}

extern "C" {

void axi_choose(Simulation* sim, int which) { choose(*sim->top, which, 0); }

Simulation* axi_new(int seed) { return new Simulation(seed); }

void axi_free(Simulation* sim) {
    sim->top->final();
    delete sim;
}

// One clock; the outputs are those before its edge. The order of both is that of axi_pins.py.
void axi_clock(Simulation* sim, const uint64_t* in, uint64_t* out) {
    auto& top = *sim->top;
    top.aresetn = in[0];
    top.s_axis_tdata = in[1];
    top.s_axis_tvalid = in[2];
    top.s_axis_tlast = in[3];
    top.m_axis_tready = in[4];
    top.s_axi_awaddr = in[5];
    top.s_axi_awprot = in[6];
    top.s_axi_awvalid = in[7];
    top.s_axi_wdata = in[8];
    top.s_axi_wstrb = in[9];
    top.s_axi_wvalid = in[10];
    top.s_axi_bready = in[11];
    top.s_axi_araddr = in[12];
    top.s_axi_arprot = in[13];
    top.s_axi_arvalid = in[14];
    top.s_axi_rready = in[15];
    top.aclk = 0;
    top.eval();
    out[0] = top.s_axis_tready;
    out[1] = top.m_axis_tdata;
    out[2] = top.m_axis_tvalid;
    out[3] = top.m_axis_tlast;
    out[4] = top.s_axi_awready;
    out[5] = top.s_axi_wready;
    out[6] = top.s_axi_bresp;
    out[7] = top.s_axi_bvalid;
    out[8] = top.s_axi_arready;
    out[9] = top.s_axi_rdata;
    out[10] = top.s_axi_rresp;
    out[11] = top.s_axi_rvalid;
    top.aclk = 1;
    top.eval();
}

void axi_write_coverage(Simulation* sim, const char* path) {
#ifdef HARNESS_COVERAGE
    sim->context->coveragep()->write(path);
#else
    (void)sim;
    (void)path;
#endif
}

}  // extern "C"
