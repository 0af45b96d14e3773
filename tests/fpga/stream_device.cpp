// A design with streams as a device: commands on standard input, an answer a line on standard output.
//
//   s INPUT BYTES   sends a packet, in the background      g OUTPUT   gives the next packet, and waits for it
#include "device.h"

#include "design.h"

int main() {
    VerilatedContext context;
    Vdesign dut{&context, "TOP"};
    std::vector<std::deque<std::vector<uint64_t>>> sent(INPUT_COUNT + 1);
    std::vector<std::deque<std::vector<uint8_t>>> whole(OUTPUT_COUNT);
    std::vector<std::vector<uint8_t>> packet(OUTPUT_COUNT);
    std::vector<uint64_t> at(INPUT_COUNT + 1, 0);
    auto tick = [&] {
        set_clock(dut, false);
        const uint64_t none[BEAT_WORDS] = {};
        for (unsigned k = 0; k < INPUT_COUNT; ++k)
            drive(dut, k, !sent[k].empty(), at[k] + 1 == INPUT_BEATS[k], sent[k].empty() ? none : sent[k].front().data(), 0);
        for (unsigned k = 0; k < OUTPUT_COUNT; ++k) accept(dut, k, true);
        dut.eval();
        for (unsigned k = 0; k < INPUT_COUNT; ++k)
            if (!sent[k].empty() && taken(dut, k)) {
                sent[k].pop_front();
                at[k] = (at[k] + 1) % INPUT_BEATS[k];
            }
        for (unsigned k = 0; k < OUTPUT_COUNT; ++k)
            if (offered(dut, k)) {
                uint64_t beat[BEAT_WORDS + 2] = {};
                observe(dut, k, beat);
                for (unsigned byte = 0; byte < 64; ++byte)
                    if (beat[BEAT_WORDS] >> byte & 1) packet[k].push_back(reinterpret_cast<uint8_t*>(beat)[byte]);
                if (beat[BEAT_WORDS + 1]) {
                    whole[k].push_back(packet[k]);
                    packet[k].clear();
                }
            }
        set_clock(dut, true);
        dut.eval();
    };
    set_reset(dut, false);
    for (int k = 0; k < 3; ++k) tick();
    set_reset(dut, true);
    tick();
    for (std::string command, text; std::cin >> command;) {
        uint64_t number = 0;
        std::cin >> number;
        if (command == "s") {
            std::cin >> text;
            std::vector<uint8_t> bytes = bytes_of(text);
            const std::size_t size = bytes.size() / INPUT_BEATS[number];
            for (std::size_t beat = 0; beat < INPUT_BEATS[number]; ++beat) {
                std::vector<uint64_t> words(BEAT_WORDS);
                std::memcpy(words.data(), &bytes[beat * size], size);
                sent[number].push_back(words);
            }
            std::printf("ok\n");
            std::fflush(stdout);
        } else {
            for (int k = 0; whole[number].empty() && k < 1000000; ++k) tick();
            print_bytes(whole[number].front().data(), whole[number].front().size());
            whole[number].pop_front();
        }
    }
    return 0;
}
