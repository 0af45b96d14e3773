// The test bench of a design with streams: sends packets, the first ones as fast as they are taken and the others under
// random stalls on every stream, and writes down what came back.
//
//   stream_bench SCRIPT RESULTS RESET_MODE SEED [TRACE]
//
// SCRIPT and RESULTS are streams of little-endian 64-bit words; RESET_MODE is Verilator's state before the first reset:
// 0 zeros, 1 ones, 2 random from SEED. A beat is BEAT_WORDS words, its first byte in the lowest bits of the first one.
//
//   SCRIPT   packets, how many of them are not stalled, budget; for each input all beats of all its packets
//   RESULTS  for each output, for each beat of its packets: the beat, tkeep, tlast; then for each output the cycle of
//            its first beat that was offered, and those of its beats with tlast; then the cycle of the last beat of the
//            first packets of the inputs (of no inputs: the cycle before the first one without reset)
//
// Nothing may be offered in a reset but its first cycle, and no output may have more packets than the inputs. A broken
// rule is a line `violation: ...`; `progress CYCLES` tells how far a long simulation is. Exit status: 0 the packets came,
// 3 nothing moved for `budget` cycles, 2 the script is wrong.
//
// design.h, generated for each design, holds the functions that know its ports.

#include "bench.h"
#include "design.h"

struct Source {
    const uint64_t* beats;
    uint64_t per_packet, count, sent;
    bool valid;  // a beat is offered, until it is taken
};

struct Sink {
    uint64_t first_offered;
    bool ready;
    std::vector<uint64_t> words, ends;
};

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const std::vector<uint64_t> script = words_of(argv[1]);
    const uint64_t packets = script.at(0), at_full_speed = script.at(1), budget = script.at(2);
    VerilatedContext context;
    context.randReset(std::atoi(argv[3]));
    context.randSeed(std::atoi(argv[4]));
    Vdesign dut{&context, "TOP"};
    std::mt19937_64 random(static_cast<uint64_t>(std::atoi(argv[4])));
    std::vector<Source> sources;
    std::vector<Sink> sinks;
    const uint64_t* at = script.data() + 3;
    for (unsigned k = 0; k < INPUT_COUNT; ++k) {
        sources.push_back({at, INPUT_BEATS[k], packets * INPUT_BEATS[k], 0, false});
        at += packets * INPUT_BEATS[k] * BEAT_WORDS;
    }
    if (at != script.data() + script.size()) return 2;
    for (unsigned k = 0; k < OUTPUT_COUNT; ++k) sinks.push_back({0, false, {}, {}});

    uint64_t cycle = 0, moved = 0, accepted = 0;
    int violations = 0;
    auto paused = [&] { return random() % 4 == 0; };
    auto violation = [&](unsigned output, const char* what) {
        if (++violations <= 10) std::printf("violation: output %u %s, cycle %" PRIu64 "\n", output, what, cycle);
    };
#if defined(TRACE_VCD) || defined(TRACE_FST)
    Trace trace;
    if (argc > 5) {
        context.traceEverOn(true);
        dut.trace(&trace, 99);
        trace.open(argv[5]);
        if (!trace.isOpen()) vl_fatal(argv[5], 0, "", "cannot be written");
    }
#endif
    auto evaluate = [&] {
        dut.eval();
#if defined(TRACE_VCD) || defined(TRACE_FST)
        if (argc > 5) trace.dump(context.time());
#endif
        context.timeInc(1);
    };
    auto reported = std::chrono::steady_clock::now();
    constexpr uint64_t RESET_CYCLES = 3;
    bool complete = false;
    for (; !complete; ++cycle) {
        const bool in_reset = cycle < RESET_CYCLES;
        set_clock(dut, false);
        set_reset(dut, !in_reset);
        for (unsigned k = 0; k < INPUT_COUNT; ++k) {
            Source& source = sources[k];
            const bool stalls = source.sent >= at_full_speed * source.per_packet;
            source.valid = !in_reset && source.sent < source.count && (source.valid || !stalls || !paused());
            const uint64_t none[BEAT_WORDS] = {};
            const uint64_t* beat = source.valid ? source.beats + source.sent * BEAT_WORDS : none;
            drive(dut, k, source.valid, (source.sent + 1) % source.per_packet == 0, beat, random());
        }
        for (unsigned k = 0; k < OUTPUT_COUNT; ++k) {
            sinks[k].ready = !in_reset && (sinks[k].ends.size() < at_full_speed || !paused());
            accept(dut, k, sinks[k].ready);
        }
        evaluate();
        complete = true;
        for (unsigned k = 0; k < INPUT_COUNT; ++k) {
            Source& source = sources[k];
            if (!source.valid || !taken(dut, k)) continue;
            moved = cycle;
            source.valid = false;
            if (++source.sent == source.per_packet) accepted = cycle;
        }
        for (unsigned k = 0; k < OUTPUT_COUNT; ++k) {
            Sink& sink = sinks[k];
            const bool valid = offered(dut, k);
            if (cycle > 0 && cycle <= RESET_CYCLES && valid) violation(k, "offers a beat in reset");
            if (!in_reset && valid && cycle > RESET_CYCLES) {
                if (sink.ends.size() >= packets) {
                    if (INPUT_COUNT) violation(k, "has more packets than the inputs");
                    continue;
                }
                if (sink.words.empty()) sink.first_offered = cycle;
                if (sink.ready) {
                    const std::size_t size = sink.words.size();
                    sink.words.resize(size + BEAT_WORDS + 2);
                    observe(dut, k, &sink.words[size]);
                    if (sink.words.back()) sink.ends.push_back(cycle);
                    moved = cycle;
                }
            }
            complete = complete && sink.ends.size() >= packets;
        }
        if (cycle - moved > budget) {
            std::printf("timeout: nothing moved for %" PRIu64 " cycles\n", budget);
            return 3;
        }
        if ((cycle & 0xffff) == 0 && std::chrono::steady_clock::now() - reported > std::chrono::milliseconds(500)) {
            reported = std::chrono::steady_clock::now();
            std::printf("progress %" PRIu64 "\n", cycle);
            std::fflush(stdout);
        }
        set_clock(dut, true);
        evaluate();
    }
    dut.final();
#if defined(TRACE_VCD) || defined(TRACE_FST)
    if (argc > 5) trace.close();
#endif
    std::vector<uint64_t> results;
    for (const Sink& sink : sinks) results.insert(results.end(), sink.words.begin(), sink.words.end());
    for (const Sink& sink : sinks) {
        results.push_back(sink.first_offered);
        results.insert(results.end(), sink.ends.begin(), sink.ends.end());
    }
    results.push_back(INPUT_COUNT ? accepted : RESET_CYCLES - 1);
    return write_words(argv[2], results);
}
