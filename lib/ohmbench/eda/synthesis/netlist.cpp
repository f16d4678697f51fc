// Clock by clock through a netlist: a levelised interpreter. netlist.py lays out the arrays and owns
// them. Every net is a byte, 0 or 1; place ``nets`` is what an input that is not there reads (0),
// place ``nets`` + 1 takes outputs that nobody reads.

#include <cstdint>
#include <cstring>

namespace {

constexpr int LUT_INPUTS = 6;
constexpr int FACTOR = 64, PRODUCT = 128, ADDRESS = 16;
constexpr int PORTS = 2;

}  // namespace

extern "C" {

struct Netlist {
    int64_t nets, operations, latches, memories;
    uint64_t random;
    int64_t collisions;
    uint8_t* values;
    uint8_t* before;        // values of the clock before
    uint32_t* ones;
    uint32_t* toggles;
    const int32_t* operation;   // a table, or ~ a multiplier; inputs come before what reads them
    const uint64_t* table;
    const int32_t* table_inputs;    // LUT_INPUTS each
    const int32_t* table_output;
    const int32_t* factor_a;    // FACTOR each, bit by bit
    const int32_t* factor_b;
    const int32_t* product;     // PRODUCT each
    const int32_t* latch_data;
    const int32_t* latch_output;
    uint8_t* latch_next;
    const int32_t* memory_ports;    // 1 or 2
    const int64_t* memory_start;
    const int32_t* address;     // PORTS * ADDRESS each
    const int32_t* data;        // PORTS each
    const int32_t* write;
    const int32_t* output;
    uint8_t* output_next;
    uint8_t* memory;
};

static uint8_t draw(Netlist* n) {
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return n->random >> 63;
}

// Everything between registers.
void net_settle(Netlist* n) {
    uint8_t* v = n->values;
    for (int64_t k = 0; k < n->operations; ++k) {
        const int32_t op = n->operation[k];
        if (op >= 0) {
            const int32_t* in = n->table_inputs + LUT_INPUTS * int64_t(op);
            unsigned at = 0;
            for (int i = 0; i < LUT_INPUTS; ++i) at |= unsigned(v[in[i]]) << i;
            v[n->table_output[op]] = n->table[op] >> at & 1;
        } else {
            const int64_t m = ~op;
            unsigned __int128 a = 0, b = 0;
            for (int i = 0; i < FACTOR; ++i) {
                a |= (unsigned __int128)(v[n->factor_a[FACTOR * m + i]]) << i;
                b |= (unsigned __int128)(v[n->factor_b[FACTOR * m + i]]) << i;
            }
            const unsigned __int128 p = a * b;
            for (int i = 0; i < PRODUCT; ++i) v[n->product[PRODUCT * m + i]] = p >> i & 1;
            v[n->nets] = 0;
        }
    }
}

// Count what has settled.
void net_count(Netlist* n) {
    for (int64_t k = 0; k < n->nets; ++k) {
        n->ones[k] += n->values[k];
        n->toggles[k] += n->values[k] ^ n->before[k];
    }
}

// A rising edge: every register takes what was there before it.
void net_edge(Netlist* n) {
    uint8_t* v = n->values;
    std::memcpy(n->before, v, n->nets);
    for (int64_t k = 0; k < n->latches; ++k) n->latch_next[k] = v[n->latch_data[k]];
    for (int64_t k = 0; k < n->memories; ++k) {
        uint8_t* words = n->memory + n->memory_start[k];
        const int ports = n->memory_ports[k];
        uint8_t* out = n->output_next + PORTS * k;
        uint32_t at[PORTS] = {0, 0};
        bool write[PORTS] = {false, false};
        for (int p = 0; p < ports; ++p) {
            const int64_t port = PORTS * k + p;
            for (int i = 0; i < ADDRESS; ++i) {
                at[p] |= uint32_t(v[n->address[ADDRESS * port + i]]) << i;
            }
            write[p] = v[n->write[port]];
            // What is written is read in the same clock, as VTR's primitives.v has it.
            if (write[p]) words[at[p]] = v[n->data[port]];
            out[p] = words[at[p]];
        }
        if (ports == 2 && at[0] == at[1] && (write[0] || write[1])) {
            // The other port's side of it is defined nowhere.
            ++n->collisions;
            const bool same = v[n->data[PORTS * k]] == v[n->data[PORTS * k + 1]];
            if (write[0] && write[1] && !same) words[at[0]] = out[0] = out[1] = draw(n);
            if (!write[0]) out[0] = draw(n);
            if (!write[1]) out[1] = draw(n);
        }
    }
    for (int64_t k = 0; k < n->latches; ++k) v[n->latch_output[k]] = n->latch_next[k];
    for (int64_t k = 0; k < n->memories; ++k) {
        for (int p = 0; p < n->memory_ports[k]; ++p) {
            v[n->output[PORTS * k + p]] = n->output_next[PORTS * k + p];
        }
    }
}

}  // extern "C"
