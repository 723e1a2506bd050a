#include "codec.hpp"

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <string_view>

namespace {

using floors::activity_event;

template <class Writer>
void encode(benchmark::State& state, Writer write) {
    const activity_event what = floors::make_activity_event();
    if (std::string_view(write(what)).size() != floors::activity_json().size()) {
        state.SkipWithError("wrong bytes");
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(write(what));
    }
}

template <class Reader>
void decode(benchmark::State& state, Reader read) {
    const std::string bytes = floors::activity_json();
    if (read(bytes) != floors::make_activity_event()) {
        state.SkipWithError("wrong event");
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(read(bytes));
    }
}

void copy(benchmark::State& state) {
    const std::string bytes = floors::activity_json();
    std::string to(bytes.size(), ' ');
    for (auto _ : state) {
        std::memcpy(to.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(to.data());
        benchmark::ClobberMemory();
    }
}

void encode_fields(benchmark::State& state) {
    floors::fields_writer writer;
    encode(state, [&](const activity_event& what) { return writer.write(what); });
}
void decode_simdjson(benchmark::State& state) {
    floors::simdjson_reader reader;
    decode(state, [&](std::string_view bytes) { return reader.read(bytes); });
}
void decode_simdjson_by_name(benchmark::State& state) {
    floors::simdjson_reader reader;
    decode(state, [&](std::string_view bytes) { return reader.read_by_name(bytes); });
}
void encode_nlohmann(benchmark::State& state) { encode(state, floors::nlohmann_write); }
void decode_nlohmann(benchmark::State& state) { decode(state, floors::nlohmann_read); }

BENCHMARK(encode_fields);
BENCHMARK(decode_simdjson);
BENCHMARK(decode_simdjson_by_name);
BENCHMARK(encode_nlohmann);
BENCHMARK(decode_nlohmann);
BENCHMARK(copy);

} // namespace

BENCHMARK_MAIN();
