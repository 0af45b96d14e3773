// What the simulated devices of test_drivers.py share: ports of any width, bytes as hexadecimal text.
#pragma once
#include "verilated.h"
#include "Vdesign.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <map>
#include <string>
#include <vector>

template <typename Port> void put(Port& port, const uint64_t* words) { port = static_cast<Port>(*words); }
template <std::size_t N> void put(VlWide<N>& port, const uint64_t* words) { std::memcpy(&port[0], words, 4 * N); }
template <typename Port> void get(const Port& port, uint64_t* words) { *words = port; }
template <std::size_t N> void get(const VlWide<N>& port, uint64_t* words) { std::memcpy(words, &port[0], 4 * N); }

void vl_fatal(const char* file, int line, const char*, const char* message) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, message);
    std::_Exit(1);
}

inline std::vector<uint8_t> bytes_of(const std::string& text) {
    std::vector<uint8_t> found(text.size() / 2);
    for (std::size_t k = 0; k < found.size(); ++k) found[k] = static_cast<uint8_t>(std::stoul(text.substr(2 * k, 2), nullptr, 16));
    return found;
}

inline void print_bytes(const uint8_t* bytes, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) std::printf("%02x", bytes[k]);
    std::printf("\n");
    std::fflush(stdout);
}
