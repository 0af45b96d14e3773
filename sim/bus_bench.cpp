// The test bench of a design with a bus: the host that writes its registers, and the memory.
//
//   bus_bench SCRIPT RESULTS RESET_MODE SEED [TRACE]
//
// SCRIPT and RESULTS are streams of little-endian 64-bit words; RESET_MODE is Verilator's state before the first reset:
// 0 zeros, 1 ones, 2 random from SEED. A tensor is its beats, a beat BEAT_WORDS words, its first byte in the lowest bits.
//
//   SCRIPT   runs, budget; for each run all beats of each input
//   RESULTS  for each run all beats of each output; then the cycles between the last beat of the first run's inputs, or
//            its beginning, and its first written beat; the register `cycles` after it; then for each output the cycles
//            from the last beat of one result to that of the next, in the steady state
//
// The first run is alone, at a memory that accepts always and answers in the next cycle. The others follow each other as
// soon as software may start them, some while the inputs of those before are fetched, under random stalls on every
// channel. Then the last one is repeated at the first memory, with auto_restart. Every tensor is at a multiple of 4 KiB,
// and some are beyond 4 GiB.
//
// A broken rule is a line `violation: ...`; `progress CYCLES` tells how far a long simulation is. Exit status: 0 all
// runs are finished, 3 one was not for `budget` cycles, 2 the script is wrong.
//
// design.h, generated for each design, holds its ports, LITE(name) and GMEM(name), its tensors and its registers.

#include "bench.h"
#include "design.h"

#include <algorithm>
#include <cstring>
#include <deque>

constexpr unsigned TENSORS = INPUT_COUNT + OUTPUT_COUNT;
constexpr uint64_t BEAT_BYTES = DATA_BITS / 8, PAGE = 4096, RESET_CYCLES = 3;
constexpr uint64_t PLACES = 8;        // runs that have places of their own in memory: more than can be under way
constexpr uint64_t REPEATS = 8;       // of the last run: the last two of them are in the steady state
constexpr uint64_t BASE = 0xffffe000; // the second page is the last one below 4 GiB

struct Burst {
    uint64_t address, beats, ready;  // `ready`: the first cycle in which it is answered
};

// One request channel: what is offered must stay as it is until it is accepted.
struct Held {
    bool waiting = false;
    std::vector<uint64_t> offered;
};

class Bench {
public:
    Bench(Vdesign& dut, VerilatedContext& context, uint64_t seed, uint64_t budget)
        : dut{dut}, context{context}, random{seed}, budget{budget} {
        uint64_t size = PAGE;
        for (uint64_t place = 0; place < PLACES; ++place)
            for (unsigned k = 0; k < TENSORS; ++k) {
                address[place][k] = BASE + size;
                size += (BYTES[k] + PAGE - 1) / PAGE * PAGE + PAGE;
            }
        memory.resize(size);
        ends.resize(OUTPUT_COUNT);
    }

    // -- the clock
    void evaluate() {
        dut.eval();
#if defined(TRACE_VCD) || defined(TRACE_FST)
        if (trace) trace->dump(context.time());
#endif
        context.timeInc(1);
    }

    // One cycle. The host's channels hold what `read` and `write` put there; memory is played here.
    void tick() {
        set_clock(dut, false);
        memory_drives();
        evaluate();
        memory_observes();
        write_taken = LITE(awvalid) && LITE(awready);
        data_taken = LITE(wvalid) && LITE(wready);
        read_taken = LITE(arvalid) && LITE(arready);
        answered = LITE(bvalid) && LITE(bready);
        read_answered = LITE(rvalid) && LITE(rready);
        word = LITE(rdata);
        response = answered ? LITE(bresp) : LITE(rresp);
        interrupt = INTERRUPT;
        set_clock(dut, true);
        evaluate();
        ++cycle;
        if ((cycle & 0xffff) == 0 && std::chrono::steady_clock::now() - reported > std::chrono::milliseconds(500)) {
            reported = std::chrono::steady_clock::now();
            std::printf("progress %" PRIu64 "\n", cycle);
            std::fflush(stdout);
        }
    }

    void reset() {
        LITE(awvalid) = LITE(wvalid) = LITE(arvalid) = 0;
        LITE(bready) = LITE(rready) = 1;
        LITE(awaddr) = LITE(araddr) = 0;
        LITE(wdata) = 0;
        LITE(wstrb) = 0;
        set_reset(dut, false);
        in_reset = true;
        for (uint64_t k = 0; k < RESET_CYCLES; ++k) tick();
        in_reset = false;
        set_reset(dut, true);
    }

    // -- the host
    uint32_t read(uint32_t offset) {
        LITE(araddr) = offset;
        LITE(arvalid) = 1;
        for (bool asked = true;;) {
            tick();
            if (asked && read_taken) LITE(arvalid) = asked = false;
            if (read_answered) break;
            if (++waited > budget) give_up("a register is not read");
        }
        waited = 0;
        if (response) violation("a register's response is an error");
        return word;
    }

    void write(uint32_t offset, uint32_t value) {
        LITE(awaddr) = offset;
        LITE(wdata) = value;
        LITE(wstrb) = 15;
        LITE(awvalid) = LITE(wvalid) = 1;
        for (;;) {
            tick();
            if (write_taken) LITE(awvalid) = 0;
            if (data_taken) LITE(wvalid) = 0;
            if (answered) break;
            if (++waited > budget) give_up("a register is not written");
        }
        waited = 0;
        if (response) violation("a register's response is an error");
    }

    void start(uint64_t place, bool again = false) {
        for (unsigned k = 0; k < TENSORS; ++k) {
            write(ADDRESS_REGISTER[k], static_cast<uint32_t>(address[place][k]));
            write(ADDRESS_REGISTER[k] + 4, static_cast<uint32_t>(address[place][k] >> 32));
        }
        write(CTRL, 1 | (again ? 128 : 0));
    }

    void wait_until(uint32_t offset, uint32_t mask, uint32_t value) {
        for (const uint64_t since = cycle; (read(offset) & mask) != value;)
            if (cycle - since > budget) give_up("a run is not finished");
    }

    [[noreturn]] void give_up(const char* what) {
        std::printf("timeout: %s for %" PRIu64 " cycles\n", what, budget);
        std::fflush(stdout);
        std::_Exit(3);
    }

    void violation(const char* what) {
        if (++violations <= 10) std::printf("violation: %s, cycle %" PRIu64 "\n", what, cycle);
    }

    // -- tensors in memory
    void store(uint64_t place, unsigned tensor, const uint64_t* beats) {
        for (uint64_t beat = 0; beat < BEATS[tensor]; ++beat)
            std::memcpy(&memory[address[place][tensor] - BASE + beat * BEAT_BYTES], beats + beat * BEAT_WORDS, BEAT_BYTES);
    }

    void clear(uint64_t place) {
        for (unsigned k = INPUT_COUNT; k < TENSORS; ++k) {
            uint8_t* at = &memory[address[place][k] - BASE];
            std::fill(at - BEAT_BYTES, at + BEATS[k] * BEAT_BYTES + BEAT_BYTES, NOISE);
        }
    }

    void load(uint64_t place, std::vector<uint64_t>& results) {
        for (unsigned k = INPUT_COUNT; k < TENSORS; ++k) {
            const uint8_t* at = &memory[address[place][k] - BASE];
            const uint64_t padded = BEATS[k] * BEAT_BYTES;
            for (uint64_t byte = BYTES[k]; byte < padded + BEAT_BYTES; ++byte)
                if (at[byte] != NOISE) violation("bytes behind an output are written");
            for (uint64_t beat = 0; beat < BEATS[k]; ++beat) {
                uint64_t words[BEAT_WORDS] = {};
                const uint64_t size = std::min(BEAT_BYTES, BYTES[k] - beat * BEAT_BYTES);
                std::memcpy(words, at + beat * BEAT_BYTES, size);
                results.insert(results.end(), words, words + BEAT_WORDS);
            }
        }
    }

    Vdesign& dut;
    VerilatedContext& context;
    std::mt19937_64 random;
    uint64_t budget, cycle = 0, waited = 0;
    uint64_t address[PLACES][TENSORS];
    std::vector<uint8_t> memory;
    bool stalls = false, in_reset = false, interrupt = false;
    uint64_t last_read = 0, first_written = 0;  // of the first run
    uint64_t first_asked = 0;                   // the cycle of a read request, where it was 0
    std::vector<std::vector<uint64_t>> ends;  // of each output: the cycles of its last beats
#if defined(TRACE_VCD) || defined(TRACE_FST)
    Trace* trace = nullptr;
#endif
    int violations = 0;

private:
    static constexpr uint8_t NOISE = 0xa5;

    bool paused() { return stalls && random() % 4 == 0; }

    void memory_drives() {
        GMEM(arready) = !in_reset && !paused();
        GMEM(awready) = !in_reset && !paused();
        GMEM(wready) = !in_reset && !paused();
        GMEM(rid) = GMEM(bid) = 0;
        if (!reading) reading = !in_reset && !reads.empty() && reads.front().ready <= cycle && !paused();
        uint64_t beat[BEAT_WORDS];
        for (uint64_t& part : beat) part = random();
        GMEM(rresp) = 0;
        GMEM(rlast) = 0;
        if (reading) {
            const Burst& burst = reads.front();
            std::memcpy(beat, &memory[burst.address - BASE], BEAT_BYTES);
            GMEM(rlast) = burst.beats == 1;
        }
        GMEM(rvalid) = reading;
        put(GMEM(rdata), beat);
        if (!responding) responding = !in_reset && !responses.empty() && responses.front() <= cycle && !paused();
        GMEM(bvalid) = responding;
        GMEM(bresp) = 0;
    }

    void memory_observes() {
        if (in_reset) {
            if (cycle > 0 && (GMEM(arvalid) || GMEM(awvalid) || GMEM(wvalid))) violation("a request is offered in reset");
            return;
        }
        const std::vector<uint64_t> read_request{GMEM(araddr), GMEM(arlen), GMEM(arsize), GMEM(arburst), GMEM(arid)};
        const std::vector<uint64_t> write_request{GMEM(awaddr), GMEM(awlen), GMEM(awsize), GMEM(awburst), GMEM(awid)};
        if (stable(asked_reads, GMEM(arvalid), GMEM(arready), read_request, "a read request changes while it waits")) {
            if (first_asked == 0) first_asked = cycle;
            check(read_request, 0, INPUT_COUNT);
            reads.push_back({GMEM(araddr), uint64_t{GMEM(arlen)} + 1, cycle + 1});
        }
        if (stable(asked_writes, GMEM(awvalid), GMEM(awready), write_request, "a write request changes while it waits")) {
            check(write_request, INPUT_COUNT, TENSORS);
            writes.push_back({GMEM(awaddr), uint64_t{GMEM(awlen)} + 1, 0});
        }
        if (reading && GMEM(rready)) {
            reading = false;
            last_read = first_written ? last_read : cycle;
            reads.front().address += BEAT_BYTES;
            if (--reads.front().beats == 0) reads.pop_front();
        }
        std::vector<uint64_t> beat(BEAT_WORDS + 2);
        get(GMEM(wdata), beat.data());
        get(GMEM(wstrb), &beat[BEAT_WORDS]);
        beat[BEAT_WORDS + 1] = GMEM(wlast);
        if (stable(written, GMEM(wvalid), GMEM(wready), beat, "a written beat changes while it waits")) data.push_back(beat);
        if (GMEM(wvalid) && first_written == 0) first_written = cycle;
        if (responding && GMEM(bready)) {
            responding = false;
            responses.pop_front();
        }
        while (!writes.empty() && !data.empty()) take();
    }

    // A written beat whose request is there.
    void take() {
        Burst& burst = writes.front();
        const std::vector<uint64_t>& beat = data.front();
        const bool last = burst.beats == 1;
        if ((beat[BEAT_WORDS + 1] != 0) != last) violation("wlast is not in the last beat of its burst alone");
        const uint8_t* bytes = reinterpret_cast<const uint8_t*>(beat.data());
        for (uint64_t byte = 0; byte < BEAT_BYTES; ++byte)
            if (beat[BEAT_WORDS] >> byte & 1) memory[burst.address - BASE + byte] = bytes[byte];
        for (uint64_t place = 0; place < PLACES; ++place)
            for (unsigned k = 0; k < OUTPUT_COUNT; ++k) {
                const unsigned tensor = INPUT_COUNT + k;
                if (burst.address == address[place][tensor] + (BEATS[tensor] - 1) * BEAT_BYTES) ends[k].push_back(cycle);
            }
        burst.address += BEAT_BYTES;
        --burst.beats;
        data.pop_front();
        if (last) {
            writes.pop_front();
            responses.push_back(cycle + 1);
        }
    }

    // Whether what is offered is accepted.
    bool stable(Held& held, bool valid, bool ready, const std::vector<uint64_t>& offered, const char* wrong) {
        if (held.waiting && (!valid || offered != held.offered)) violation(wrong);
        held.waiting = valid && !ready;
        if (held.waiting) held.offered = offered;
        return valid && ready;
    }

    // A request is one burst within one of the tensors from `first` up to `end`, and within a page.
    void check(const std::vector<uint64_t>& request, unsigned first, unsigned end) {
        const uint64_t from = request[0], to = from + (request[1] + 1) * BEAT_BYTES;
        if (uint64_t{1} << request[2] != BEAT_BYTES || request[3] != 1 || request[4] != 0 || from % BEAT_BYTES)
            violation("a burst is not INCR, of full width, aligned, with id 0");
        if (from / PAGE != (to - 1) / PAGE) violation("a burst crosses 4 KiB");
        bool inside = false;
        for (uint64_t place = 0; place < PLACES; ++place)
            for (unsigned k = first; k < end; ++k)
                inside |= from >= address[place][k] && to <= address[place][k] + BEATS[k] * BEAT_BYTES;
        if (!inside) {
            std::printf("violation: a burst of %" PRIu64 " beats at %#" PRIx64 " is outside the tensors\n", request[1] + 1, from);
            std::fflush(stdout);
            std::_Exit(0);
        }
    }

    std::deque<Burst> reads, writes;
    std::deque<uint64_t> responses;
    std::deque<std::vector<uint64_t>> data;
    Held asked_reads, asked_writes, written;
    bool reading = false, responding = false;
    bool write_taken = false, data_taken = false, read_taken = false, answered = false, read_answered = false;
    uint32_t word = 0, response = 0;
    std::chrono::steady_clock::time_point reported = std::chrono::steady_clock::now();
};

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const std::vector<uint64_t> script = words_of(argv[1]);
    const uint64_t runs = script.at(0), budget = script.at(1);
    uint64_t words = 0;
    for (unsigned k = 0; k < INPUT_COUNT; ++k) words += BEATS[k] * BEAT_WORDS;
    if (script.size() != 2 + runs * words) return 2;
    VerilatedContext context;
    context.randReset(std::atoi(argv[3]));
    context.randSeed(std::atoi(argv[4]));
    Vdesign dut{&context, "TOP"};
    Bench bench{dut, context, static_cast<uint64_t>(std::atoi(argv[4])), budget};
#if defined(TRACE_VCD) || defined(TRACE_FST)
    Trace trace;
    if (argc > 5) {
        context.traceEverOn(true);
        dut.trace(&trace, 99);
        trace.open(argv[5]);
        if (!trace.isOpen()) vl_fatal(argv[5], 0, "", "cannot be written");
        bench.trace = &trace;
    }
#endif
    std::vector<uint64_t> results;
    auto begin = [&](uint64_t run) {
        const uint64_t* at = script.data() + 2 + run * words;
        for (unsigned k = 0; k < INPUT_COUNT; at += BEATS[k++] * BEAT_WORDS) bench.store(run % PLACES, k, at);
        bench.clear(run % PLACES);
        bench.start(run % PLACES);
    };
    bench.reset();
    if (bench.read(CTRL) != 4) bench.violation("CTRL is not ap_idle after a reset");
    bench.write(IER, 1);
    bench.write(GIE, 1);
    begin(0);
    for (const uint64_t since = bench.cycle; !bench.interrupt; bench.tick())
        if (bench.cycle - since > budget) bench.give_up("a run is not finished");
    bench.write(ISR, 1);
    const uint64_t cycles = bench.read(CYCLES) | static_cast<uint64_t>(bench.read(CYCLES + 4)) << 32;
    const uint64_t since = INPUT_COUNT ? bench.first_written - bench.last_read : 0;
    if (bench.read(CTRL) != 0xe) bench.violation("CTRL is not ap_done, ap_idle, ap_ready after a run");
    bench.load(0, results);

    bench.stalls = true;
    for (uint64_t run = 1, loaded = 1; run < runs || loaded < runs;) {
        if (run < runs && run - loaded < PLACES) {
            bench.first_asked = 0;
            begin(run++);
            if (INPUT_COUNT && run < runs && run - loaded < PLACES && bench.random() % 2) {
                for (const uint64_t since = bench.cycle; bench.first_asked == 0; bench.tick())
                    if (bench.cycle - since > budget) bench.give_up("a run is not taken");
                // its addresses are latched: the next one may be started
                begin(run++);
            }
            bench.wait_until(CTRL, 1, 0);  // their inputs are fetched
        } else {
            bench.wait_until(CTRL, 4, 4);
        }
        const uint64_t finished = bench.read(RUNS);
        if (finished < run && (bench.read(CTRL) & 4) && bench.read(RUNS) < run) bench.give_up("a run that was started is not there");
        for (; loaded < finished; ++loaded) bench.load(loaded % PLACES, results);
    }
    bench.stalls = false;
    for (uint64_t k = 0; k < 4; ++k) bench.tick();
    bench.start((runs - 1) % PLACES, true);
    for (const uint64_t start = bench.cycle; bench.ends.back().size() < runs + REPEATS; bench.tick())
        if (bench.cycle - start > REPEATS * budget) bench.give_up("repeated runs are not finished");
    std::vector<uint64_t> intervals;
    for (const std::vector<uint64_t>& ends : bench.ends) intervals.push_back(ends[runs + REPEATS - 1] - ends[runs + REPEATS - 2]);
    bench.write(CTRL, 0);
    bench.wait_until(CTRL, 4, 4);
    if (bench.read(ERROR)) bench.violation("the register error is not 0");
    std::vector<uint64_t> again;
    bench.load((runs - 1) % PLACES, again);
    if (!std::equal(again.begin(), again.end(), results.end() - static_cast<std::ptrdiff_t>(again.size())))
        bench.violation("a repeated run has another result");
    dut.final();
#if defined(TRACE_VCD) || defined(TRACE_FST)
    if (argc > 5) trace.close();
#endif
    results.push_back(since);
    results.push_back(cycles);
    results.insert(results.end(), intervals.begin(), intervals.end());
    return write_words(argv[2], results);
}
