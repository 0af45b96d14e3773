// A design with a bus as a device: commands on standard input, an answer a line on standard output.
//
//   r OFFSET        what a register holds      p ADDRESS BYTES   puts bytes into memory
//   w OFFSET VALUE  writes a register          g ADDRESS COUNT   gives bytes of memory
//
// Every command takes some cycles, in which the design goes on.
#include "device.h"

#include "design.h"

constexpr uint64_t BEAT_BYTES = DATA_BITS / 8;

struct Device {
    VerilatedContext context;
    Vdesign dut{&context, "TOP"};
    std::map<uint64_t, uint8_t> memory;
    std::deque<uint64_t> reads, writes, answers;

    void tick() {
        set_clock(dut, false);
        GMEM(arready) = GMEM(awready) = GMEM(wready) = 1;
        GMEM(rvalid) = !reads.empty();
        GMEM(bvalid) = !answers.empty();
        uint64_t beat[BEAT_WORDS] = {};
        if (!reads.empty())
            for (uint64_t k = 0; k < BEAT_BYTES; ++k) reinterpret_cast<uint8_t*>(beat)[k] = memory[reads.front() + k];
        put(GMEM(rdata), beat);
        dut.eval();
        if (GMEM(rvalid) && GMEM(rready)) reads.pop_front();
        if (GMEM(bvalid) && GMEM(bready)) answers.pop_front();
        if (GMEM(arvalid))
            for (uint64_t k = 0; k <= GMEM(arlen); ++k) reads.push_back(GMEM(araddr) + k * BEAT_BYTES);
        if (GMEM(awvalid))
            for (uint64_t k = 0; k <= GMEM(awlen); ++k) writes.push_back(GMEM(awaddr) + k * BEAT_BYTES);
        if (GMEM(wvalid)) {
            uint64_t strobes = 0;
            get(GMEM(wdata), beat);
            get(GMEM(wstrb), &strobes);
            for (uint64_t k = 0; k < BEAT_BYTES; ++k)
                if (strobes >> k & 1) memory[writes.front() + k] = reinterpret_cast<uint8_t*>(beat)[k];
            writes.pop_front();
            if (GMEM(wlast)) answers.push_back(0);
        }
        set_clock(dut, true);
        dut.eval();
    }

    // Ticks until what is offered, with `valid`, is taken and answered.
    template <typename Taken, typename Answered> void access(Taken taken, Answered answered) {
        for (bool done = false; !done; tick()) {
            set_clock(dut, false);
            dut.eval();
            done = answered();
            if (taken()) {
                tick();
                LITE(awvalid) = LITE(wvalid) = LITE(arvalid) = 0;
                set_clock(dut, false);
                dut.eval();
                done = answered();
            }
        }
    }
};

int main() {
    Device device;
    auto& dut = device.dut;
    LITE(awvalid) = LITE(wvalid) = LITE(arvalid) = 0;
    LITE(bready) = LITE(rready) = 1;
    LITE(wstrb) = 15;
    set_reset(dut, false);
    for (int k = 0; k < 3; ++k) device.tick();
    set_reset(dut, true);
    device.tick();
    for (std::string command, text; std::cin >> command;) {
        uint64_t at = 0, value = 0;
        std::cin >> at;
        if (command == "r") {
            LITE(araddr) = at;
            LITE(arvalid) = 1;
            uint32_t word = 0;
            device.access([&] { return LITE(arvalid) && LITE(arready); }, [&] {
                word = LITE(rdata);
                return bool(LITE(rvalid));
            });
            std::printf("%" PRIu32 "\n", word);
        } else if (command == "w") {
            std::cin >> value;
            LITE(awaddr) = at;
            LITE(wdata) = value;
            LITE(awvalid) = LITE(wvalid) = 1;
            device.access([&] { return LITE(awvalid) && LITE(awready); }, [&] { return bool(LITE(bvalid)); });
            std::printf("ok\n");
        } else if (command == "p") {
            std::cin >> text;
            for (uint8_t byte : bytes_of(text)) device.memory[at++] = byte;
            std::printf("ok\n");
        } else {
            std::cin >> value;
            std::vector<uint8_t> found;
            for (uint64_t k = 0; k < value; ++k) found.push_back(device.memory[at + k]);
            print_bytes(found.data(), found.size());
        }
        std::fflush(stdout);
        for (int k = 0; k < 16; ++k) device.tick();
    }
    return 0;
}
