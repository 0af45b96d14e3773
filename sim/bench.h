// What every bench has: the ports of a design as words, scripts and results, waveforms, the end of a failed run.
//
// SCRIPT and RESULTS are streams of little-endian 64-bit words.

#pragma once

#include "verilated.h"
#include "Vdesign.h"
#if defined(TRACE_VCD)
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#elif defined(TRACE_FST)
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#endif

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <vector>

// A port as wide as it may be, and the words of its bits, the lowest ones first.
template <typename Port> void put(Port& port, const uint64_t* words) { port = static_cast<Port>(*words); }
template <std::size_t N> void put(VlWide<N>& port, const uint64_t* words) {
    for (std::size_t k = 0; k < N; ++k) port[k] = static_cast<uint32_t>(words[k / 2] >> (32 * (k % 2)));
}
template <typename Port> void get(const Port& port, uint64_t* words) { *words = port; }
template <std::size_t N> void get(const VlWide<N>& port, uint64_t* words) {
    for (std::size_t k = 0; k < N; ++k) words[k / 2] = (k % 2 ? words[k / 2] : 0) | static_cast<uint64_t>(port[k]) << (32 * (k % 2));
}

// Verilator's own flushes the waveforms once more, and waits for ever for a file on a full disk.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    std::printf("%s:%d: %s\n", file, line, message);
    std::fflush(stdout);
    std::_Exit(1);
}

inline std::vector<uint64_t> words_of(const char* path) {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    std::vector<uint64_t> words(static_cast<size_t>(in.tellg()) / sizeof(uint64_t));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * sizeof(uint64_t)));
    return words;
}

// The exit status: 2 where the file cannot be written.
inline int write_words(const char* path, const std::vector<uint64_t>& words) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * sizeof(uint64_t)));
    return out ? 0 : 2;
}
