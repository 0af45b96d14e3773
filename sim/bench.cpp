// The test bench: plays a script of host operations on a Verilated design and writes down what came back.
//
//   bench SCRIPT RESULTS RESET_MODE SEED [TRACE]
//
// SCRIPT and RESULTS are streams of little-endian 64-bit words. RESET_MODE is Verilator's state before the first reset:
// 0 zeros, 1 ones, 2 random from SEED. Operations and what each appends to RESULTS:
//
//   RESET cycles                              reset high
//   IDLE cycles                               nothing driven
//   WRITE tensor count (address data)*count   one element of an input per cycle
//   RUN latency budget go meddle_seed         go high in the first cycle (0), until done (1) or at random until before done
//                                             (2); then the cycles from the first with go high to the one with done high.
//                                             A latency other than 0 is checked. A meddle_seed other than 0 writes random inputs while it runs.
//   START cycles                              go high in the first of so many cycles of a run that is not waited for
//   READ tensor count address*count           one element of an output per cycle; then `count` words of data
//
// Every cycle of every operation checks that done is low, but for the last cycle of a RUN. A broken rule is a line
// `violation: ...` on standard output; `run CYCLE` tells when a RUN begins and `progress CYCLES` how far a long one is; Exit status: 0 the script was
// played (violations or not), 3 a RUN did not finish within its budget, 2 the script is wrong.
//
// design.h, generated for each design, holds the functions that know its ports.

#include "bench.h"
#include "design.h"

struct Timeout {};

enum Operation : uint64_t { RESET = 1, IDLE, WRITE, RUN, START, READ };

class Bench {
public:
    Bench(Vdesign& dut, VerilatedContext& context) : dut(dut), context(context) {
        release_inputs(dut);
        set_go(dut, false);
        set_reset(dut, false);
    }

    // One clock cycle with the inputs as they are; true when done was high in it.
    bool cycle() {
        set_clock(dut, false);
        evaluate();
        const bool finished = done(dut);
        sample();
        set_clock(dut, true);
        evaluate();
        ++cycles;
        return finished;
    }

    void quiet_cycle(const char* during) {
        if (cycle()) violation("done is high in cycle %" PRIu64 " of the simulation, %s", cycles - 1, during);
    }

    void reset(uint64_t count) {
        set_reset(dut, true);
        // What done does before or under the first reset means nothing yet.
        for (uint64_t i = 0; i < count; ++i) cycle();
        set_reset(dut, false);
    }

    void write(uint64_t tensor, const uint64_t* pairs, uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
            drive_input(dut, tensor, pairs[2 * i], pairs[2 * i + 1]);
            quiet_cycle("while an input was written");
        }
        release_inputs(dut);
    }

    uint64_t run(uint64_t latency, uint64_t budget, uint64_t go, uint64_t meddle_seed) {
        std::mt19937_64 random(meddle_seed);
        std::printf("run %" PRIu64 "\n", cycles);
        set_go(dut, true);
        bool finished = cycle();
        if (go != 1) set_go(dut, false);
        uint64_t elapsed = 0;
        while (!finished) {
            if (++elapsed > budget) {
                std::printf("timeout: done did not come within %" PRIu64 " cycles of go\n", budget);
                throw Timeout{};
            }
            if (go == 2) set_go(dut, elapsed + 1 < latency && (elapsed * 0x9e3779b97f4a7c15ull >> 63));
            if (meddle_seed) {
                release_inputs(dut);
                if (INPUT_COUNT && elapsed < latency) drive_input(dut, random() % INPUT_COUNT, random(), random());
            }
            finished = cycle();
            if ((elapsed & 0xffff) == 0) report_progress();
        }
        set_go(dut, false);
        if (latency && elapsed != latency)
            violation("done came %" PRIu64 " cycles after go, latency_cycles is %" PRIu64, elapsed, latency);
        return elapsed;
    }

    void start(uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
            set_go(dut, i == 0);
            quiet_cycle("in a run before its latency was over");
        }
        set_go(dut, false);
    }

    // The data of an address stands in the cycle after it, when the next address is already there.
    void read(uint64_t tensor, const uint64_t* addresses, uint64_t count, std::vector<uint64_t>& results) {
        for (uint64_t i = 0; i <= count; ++i) {
            if (i < count) select_output(dut, tensor, addresses[i]);
            else release_outputs(dut);
            quiet_cycle("while an output was read");
            if (i > 0) results.push_back(sampled);
            sampled_tensor = tensor;
        }
    }

    void idle(uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) quiet_cycle("while nothing was driven");
    }

#if defined(TRACE_VCD) || defined(TRACE_FST)
    void open_trace(const char* file) {
        context.traceEverOn(true);
        dut.trace(&trace, 99);  // how deep was said when the design was verilated
        trace.open(file);
        if (!trace.isOpen()) vl_fatal(file, 0, "", "cannot be written");
        tracing = true;
    }
    ~Bench() { if (tracing) trace.close(); }
#endif

private:
    Vdesign& dut;
    VerilatedContext& context;
    uint64_t cycles = 0, sampled = 0, sampled_tensor = 0;
    int violations = 0;
    std::chrono::steady_clock::time_point reported = std::chrono::steady_clock::now();
#if defined(TRACE_VCD) || defined(TRACE_FST)
    Trace trace;
    bool tracing = false;
#endif

    void sample() { sampled = output_data(dut, sampled_tensor); }

    void evaluate() {
        dut.eval();
#if defined(TRACE_VCD) || defined(TRACE_FST)
        if (tracing) trace.dump(context.time());
#endif
        context.timeInc(1);
    }

    void report_progress() {
        const auto now = std::chrono::steady_clock::now();
        if (now - reported < std::chrono::milliseconds(500)) return;
        reported = now;
        std::printf("progress %" PRIu64 "\n", cycles);
        std::fflush(stdout);
    }

    template <typename... Values> void violation(const char* format, Values... values) {
        if (++violations > 10) return;
        std::printf("violation: ");
        std::printf(format, values...);
        std::printf("\n");
    }
};

static void play(Bench& bench, const std::vector<uint64_t>& script, std::vector<uint64_t>& results) {
    for (const uint64_t* at = script.data(); at < script.data() + script.size();) {
        switch (*at) {
        case RESET: bench.reset(at[1]); at += 2; break;
        case IDLE: bench.idle(at[1]); at += 2; break;
        case WRITE: bench.write(at[1], at + 3, at[2]); at += 3 + 2 * at[2]; break;
        case RUN: results.push_back(bench.run(at[1], at[2], at[3], at[4])); at += 5; break;
        case START: bench.start(at[1]); at += 2; break;
        case READ: bench.read(at[1], at + 3, at[2], results); at += 3 + at[2]; break;
        default: std::exit(2);
        }
    }
    bench.idle(1);
}

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const std::vector<uint64_t> script = words_of(argv[1]);
    VerilatedContext context;
    context.randReset(std::atoi(argv[3]));
    context.randSeed(std::atoi(argv[4]));
    Vdesign dut{&context, "TOP"};
    std::vector<uint64_t> results;
    Bench bench(dut, context);
#if defined(TRACE_VCD) || defined(TRACE_FST)
    if (argc > 5) bench.open_trace(argv[5]);
#endif
    try {
        play(bench, script, results);
    } catch (const Timeout&) {
        return 3;
    }
    dut.final();
    return write_words(argv[2], results);
}
