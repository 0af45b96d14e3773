// ExecuTorch's backend Torch2HwBackend: runs Verilated designs.
//
// init unpacks the design of a part and builds it, by `python -m torch2hw.executorch.build DIR` (TORCH2HW_PYTHON in the
// environment, or the Python that compiled this file). execute writes the inputs in a script for the bench (sim/bench.cpp),
// runs it, and reads the outputs from its results. Elements travel as words of 64 bits that hold their bit pattern.

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/core/exec_aten/exec_aten.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

extern char** environ;

namespace {

using executorch::runtime::ArrayRef;
using executorch::runtime::BackendExecutionContext;
using executorch::runtime::BackendInitContext;
using executorch::runtime::BackendInterface;
using executorch::runtime::CompileSpec;
using executorch::runtime::DelegateHandle;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::FreeableBuffer;
using executorch::runtime::Result;
using executorch::runtime::Span;
using Words = std::vector<uint64_t>;

enum Operation : uint64_t { RESET = 1, WRITE = 3, RUN = 4, READ = 6 };

Words words_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return {};
    Words words(static_cast<size_t>(file.tellg()) / sizeof(uint64_t));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * sizeof(uint64_t)));
    return words;
}

// The exit status of a program that runs in the folder `place`, its standard output left out; -1 where it does not start.
int run(std::vector<std::string> command, const std::string& place) {
    std::vector<char*> arguments;
    for (auto& each : command) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addchdir_np(&actions, place.c_str());
    pid_t child;
    const int failed = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (failed || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

struct Design {
    std::string place, program;
    uint64_t latency = 0, budget = 0;
    std::vector<Words> inputs, outputs;  // the addresses of the elements of each tensor

    bool read() {
        std::ifstream file(place + "/program");
        std::getline(file, program);
        const Words layout = words_of(place + "/layout");
        if (program.empty() || layout.size() < 4) return false;
        size_t at = 2;
        latency = layout[0], budget = layout[1];
        for (auto* tensors : {&inputs, &outputs}) {
            for (uint64_t left = layout[at++]; left; --left) {
                const auto count = layout[at++];
                tensors->emplace_back(layout.begin() + at, layout.begin() + at + count);
                at += count;
            }
        }
        return true;
    }
};

class Torch2HwBackend final : public BackendInterface {
public:
    bool is_available() const override { return true; }

    Result<DelegateHandle*> init(BackendInitContext&, FreeableBuffer* processed, ArrayRef<CompileSpec>) const override {
        auto place = (std::filesystem::temp_directory_path() / "torch2hw-XXXXXX").string();
        if (!mkdtemp(place.data())) return Error::AccessFailed;
        auto* design = new Design;
        design->place = place;
        std::ofstream(place + "/design.zip", std::ios::binary)
            .write(static_cast<const char*>(processed->data()), static_cast<std::streamsize>(processed->size()));
        processed->Free();
        const char* given = getenv("TORCH2HW_PYTHON");
        const std::string python = given ? given : TORCH2HW_PYTHON;
        if (run({python, "-m", "torch2hw.executorch.build", place}, std::filesystem::current_path()) || !design->read()) {
            fprintf(stderr, "torch2hw: %s -m torch2hw.executorch.build could not build the design\n", python.c_str());
            destroy(design);
            return Error::DelegateInvalidCompatibility;
        }
        return design;
    }

    Error execute(BackendExecutionContext&, DelegateHandle* handle, Span<EValue*> args) const override {
        const auto& design = *static_cast<Design*>(handle);
        if (args.size() != design.inputs.size() + design.outputs.size()) return Error::InvalidArgument;
        Words script{RESET, 2};
        for (size_t number = 0; number < design.inputs.size(); ++number) {
            const auto& addresses = design.inputs[number];
            const auto& tensor = args[number]->toTensor();
            if (static_cast<size_t>(tensor.numel()) != addresses.size()) return Error::InvalidArgument;
            script.insert(script.end(), {WRITE, number, addresses.size()});
            const auto* data = static_cast<const char*>(tensor.const_data_ptr());
            const size_t bytes = tensor.element_size();
            for (size_t k = 0; k < addresses.size(); ++k) {
                uint64_t word = 0;
                memcpy(&word, data + k * bytes, bytes);
                script.insert(script.end(), {addresses[k], word});
            }
        }
        script.insert(script.end(), {RUN, design.latency, design.budget, 0, 0});
        for (size_t number = 0; number < design.outputs.size(); ++number) {
            script.insert(script.end(), {READ, number, design.outputs[number].size()});
            script.insert(script.end(), design.outputs[number].begin(), design.outputs[number].end());
        }
        std::ofstream(design.place + "/script", std::ios::binary)
            .write(reinterpret_cast<const char*>(script.data()), static_cast<std::streamsize>(script.size() * sizeof(uint64_t)));
        if (run({design.program, design.place + "/script", design.place + "/results", "2", "1"}, design.place))
            return Error::DelegateInvalidHandle;
        const Words results = words_of(design.place + "/results");
        size_t at = 1;  // the first word is the cycles
        for (size_t number = 0; number < design.outputs.size(); ++number) {
            auto& tensor = args[design.inputs.size() + number]->toTensor();
            const size_t count = design.outputs[number].size(), bytes = tensor.element_size();
            if (static_cast<size_t>(tensor.numel()) != count || at + count > results.size()) return Error::InvalidArgument;
            auto* data = static_cast<char*>(tensor.mutable_data_ptr());
            for (size_t k = 0; k < count; ++k) memcpy(data + k * bytes, &results[at + k], bytes);
            at += count;
        }
        return Error::Ok;
    }

    void destroy(DelegateHandle* handle) const override {
        auto* design = static_cast<Design*>(handle);
        std::error_code ignored;
        std::filesystem::remove_all(design->place, ignored);
        delete design;
    }
};

Torch2HwBackend backend;
[[maybe_unused]] const auto registered = executorch::runtime::register_backend({"Torch2HwBackend", &backend});

}  // namespace
