// The JSON codec, against floors/codec.cpp.
#include "activity_contract.hpp"
#include "support/allocations.hpp"

#include <cobus/json.hpp>

#include <benchmark/benchmark.h>

#include <string>

namespace {

using codec = cobus::json_codec;

void count_allocations(benchmark::State& state, std::size_t before) {
    state.counters["allocations"] = static_cast<double>(bench::allocations() - before) /
                                    static_cast<double>(state.iterations());
}

void encode(benchmark::State& state) {
    const floors::activity_event what = floors::make_activity_event();
    std::string out;
    if (!codec::encode(what, out).ok() || out != floors::activity_json()) {
        state.SkipWithError("wrong bytes");
    }
    const std::size_t before = bench::allocations();
    for (auto _ : state) {
        out.clear();
        benchmark::DoNotOptimize(codec::encode(what, out).ok());
        benchmark::DoNotOptimize(out.data());
    }
    count_allocations(state, before);
}

void decode(benchmark::State& state) {
    const std::string bytes = floors::activity_json();
    floors::activity_event first;
    if (!codec::decode(bytes, first).ok() || first != floors::make_activity_event()) {
        state.SkipWithError("wrong event");
    }
    const std::size_t before = bench::allocations();
    for (auto _ : state) {
        floors::activity_event what;
        benchmark::DoNotOptimize(codec::decode(bytes, what).ok());
        benchmark::DoNotOptimize(what);
    }
    count_allocations(state, before);
}

BENCHMARK(encode);
BENCHMARK(decode);

} // namespace

BENCHMARK_MAIN();
