"""What cobus costs besides the time of one event: growth, memory, idleness, compile time."""
import re
import tempfile
from pathlib import Path

from rows import Kafka, Row, Target, at

INCLUDE = Path(__file__).resolve().parent.parent / "include"


class Growth:
    """Each row is a figure of cobus beside another one of cobus, where there is less of it."""
    name = "growth"
    title = "In process, CPU time of an event as numbers grow"
    columns = ("many", "few")
    targets = ["bench.growth"]

    def prepare(self, programs, quick):
        pass

    def measure(self, programs, quick):
        # The last ones of each take 20 s together.
        quickly = "^(types|partitions|keys)|^(in_flight|dispatch)/1(000)?(/|$)"
        return programs.google("bench.growth", quickly if quick else ".")

    rows = [
        Row("10,000 types, beside 1", "ns", at("types/10000"), at("types/1"), Target(1.5)),
        Row("1,000 partitions, beside 1", "ns", at("partitions/1000"), at("partitions/1"),
            Target(1.5)),
        Row("1,000,000 keys, beside 1", "ns", at("keys/1000000"), at("keys/1"), Target(1.5)),
        Row("1,000,000 publishes in flight, beside 1", "ns", at("in_flight/1000000"),
            at("in_flight/1"), Target(1.5)),
        Row("… beside 1,000", "ns", at("in_flight/1000000"), at("in_flight/1000")),
    ] + [
        Row(f"handler that suspends once, {at_once} at once: {keys} beside 1 key", "ns",
            at(f"dispatch/{count}/{at_once}"), at(f"dispatch/1/{at_once}"))
        for at_once in (1, 8, 64) for keys, count in (("1,000 keys", 1000), ("10^6", 1000000))
    ]


class Memory:
    name = "memory"
    title = "In process, memory of a publish beside its event"
    targets = ["bench.memory"]

    def prepare(self, programs, quick):
        pass

    def measure(self, programs, quick):
        return {f"{mode} {how}": programs.figures("bench.memory", mode=mode, how=how).get("bytes")
                for mode in ("log", "line") for how in ("callback", "coroutine")}

    rows = [
        Row("acknowledged, not yet handled", "B", at("log coroutine"), None, Target(320),
            relative=False),
        Row("… published with a callback", "B", at("log callback"), None),
        Row("suspended, because the log is full", "B", at("line callback"), None, Target(320),
            relative=False),
        Row("… with the coroutine that awaits it", "B", at("line coroutine"), None),
    ]


class KafkaCost:
    """Modes of the quiet programs, and `failover` beside the transport that it leads on from."""
    name = "kafka_cost"
    title = "Kafka: idle, memory, `failover`"
    targets = ["floor.kafka_quiet_c", "bench.kafka_quiet", "bench.kafka"]
    needs_kafka = True

    def prepare(self, programs, quick):
        self.messages = 100000 if quick else 1000000

    def measure(self, programs, quick):
        held = {"mode": "footprint", "messages": 5000, "linger": 1500}
        idle = {"mode": "idle", "seconds": 3 if quick else 10}
        busy = {"mode": "produce", "messages": self.messages, "linger": 0.5, "topic": "failover"}
        runs = {
            "floor idle": ("floor.kafka_quiet_c", idle),
            "cobus idle": ("bench.kafka_quiet", idle),
            "floor bare": ("floor.kafka_quiet_c", held),
            "cobus bare": ("bench.kafka_quiet", held),
            "frames bare": ("bench.kafka_quiet", held | {"how": "coroutine"}),
            "floor envelope": ("floor.kafka_quiet_c", held | {"key": 1, "headers": 5}),
            "cobus envelope": ("bench.kafka_quiet", held | {"envelope": 1}),
            "floor produce": ("bench.kafka", busy | {"bare": 1}),
            "cobus produce": ("bench.kafka", busy),
        }
        return {f"{name} {figure}": value
                for name, (program, arguments) in runs.items()
                for figure, value in programs.kafka(program, **arguments).items()}

    @staticmethod
    def difference(first, second):
        def of(numbers):
            a, b = numbers.get(first), numbers.get(second)
            return a - b if a is not None and b is not None else None
        return of

    rows = []


def _kafka_rows():
    row = Kafka.row
    more = KafkaCost.difference("cobus bare bytes", "floor bare bytes")
    more_envelope = KafkaCost.difference("cobus envelope bytes", "floor envelope bytes")
    return [
        row("`failover` beside the bare transport, 100 B: CPU µs", "µs", "produce",
            "cpu_per_million", Target(1.05)),
        row("… rate", "/s", "produce", "rate"),
        row("memory of a publish of 100 B until its report", "B", "bare", "bytes"),
        Row("… more than librdkafka in C", "B", more, None, Target(250), relative=False),
        Row("… with the coroutine that awaits it", "B", at("frames bare bytes"),
            at("floor bare bytes")),
        row("the same with key and CloudEvents headers", "B", "envelope", "bytes"),
        Row("… more than librdkafka in C", "B", more_envelope, None, Target(250),
            relative=False),
        row("idle and connected: CPU %", "%", "idle", "cpu_percent", Target(0.3),
            relative=False),
        row("… wakes of other threads than librdkafka's a second", "", "idle", "wakes",
            Target(1.2), relative=False),  # the keep-alive, and the end of the measurement
        row("… wakes of librdkafka's threads a second", "", "idle", "librdkafka_wakes"),
    ]


KafkaCost.rows = _kafka_rows()


class Spool:
    """An SQLite spool in and out, and what each way to be safe costs."""
    name = "spool"
    title = "SQLite spool, events of 100 B"
    targets = ["bench.sqlite_spool"]
    modes = ("off", "normal", "full")

    def prepare(self, programs, quick):
        self.rows_in = 100000 if quick else 1000000

    def measure(self, programs, quick):
        runs = {}
        for mode in self.modes:
            for batch, rows in ((1000, self.rows_in), (1, 1000 if mode == "full" else 20000)):
                figures = programs.figures("bench.sqlite_spool", synchronous=mode, batch=batch,
                                           rows=rows)
                runs |= {f"{mode} {batch} {name}": value for name, value in figures.items()}
        return runs

    rows = [
        Row(title, unit, at(f"{mode} {batch} {figure}"), None)
        for mode in modes
        for title, unit, batch, figure in (
            (f"`{mode}`: in, 1,000 a batch", "/s", 1000, "in"), ("… CPU µs", "µs", 1000, "in_cpu"),
            ("… out, read and removed", "/s", 1000, "out"), ("… CPU µs", "µs", 1000, "out_cpu"),
            ("… opened by the next process", "ms", 1000, "open_ms"),
            ("… in, one a batch", "a second", 1, "in"),
            ("… out, one a batch", "a second", 1, "out"))
    ]


class Replay:
    """What was kept while Kafka was away, and goes to it, beside plain publishing."""
    name = "replay"
    title = "Replay of what was kept, events of 100 B, over librdkafka's mock cluster"
    columns = ("kept", "plain")
    targets = ["bench.replay"]
    modes = ("memory", "normal", "full")

    def prepare(self, programs, quick):
        self.messages = 20000 if quick else 1000000

    def measure(self, programs, quick):
        runs = {}
        for mode in self.modes:
            with tempfile.TemporaryDirectory() as folder:
                figures = programs.figures("bench.replay", spool=mode, messages=self.messages,
                                           folder=folder)
            runs |= {f"{mode} {name}": value for name, value in figures.items()}
        return runs

    rows = [
        Row(title, unit, at(f"{mode} {figure}"), at(f"{mode} plain") if figure == "replay" else None)
        for mode in modes
        for title, unit, figure in (
            (f"`{mode}`: sent when Kafka is back, beside plain publishing", "/s", "replay"),
            ("… CPU µs, the mock cluster's included", "µs", "replay_cpu"),
            ("… kept while Kafka is away", "/s", "kept"), ("… CPU µs", "µs", "kept_cpu"),
            ("… the most memory", "MiB", "peak"))
    ]


class CompileTime:
    name = "compile_time"
    title = "Compile time of a file, -O2, CPU seconds"
    columns = ("cobus", "Asio alone")
    targets = []

    def prepare(self, programs, quick):
        asio = "".join(f"#include <{name}>\n" for name in re.findall(
            r"#include <(asio/.*?)>", (INCLUDE / "cobus/net.hpp").read_text()))
        main = "int main() {}\n"
        includes = "#include <cobus/cobus.hpp>\n"
        self.files = {
            "asio": asio + main,
            "cobus": includes + main,
            "kafka": includes + "#include <cobus/kafka.hpp>\n" + main,
            "cobus separate": _SEPARATE + includes + main,
            "kafka separate": _SEPARATE + includes + "#include <cobus/kafka.hpp>\n" + main,
            "asio used": asio + _ASIO_USED,
            "cobus used": includes + _COBUS_USED,
            "separate used": _SEPARATE + includes + _COBUS_USED,
        }
        programs.compile(self.files["kafka"], INCLUDE)  # reads all headers from the disk

    def measure(self, programs, quick):
        return {name: programs.compile(text, INCLUDE) for name, text in self.files.items()}

    rows = [
        Row("`cobus.hpp`", "s", at("cobus"), at("asio"), Target(1.3)),
        Row("`cobus.hpp` and `kafka.hpp`", "s", at("kafka"), at("asio"), Target(1.5)),
        Row("`cobus.hpp` with `COBUS_SEPARATE_COMPILATION`", "s", at("cobus separate"), at("asio"),
            Target(1.3)),
        Row("`cobus.hpp` and `kafka.hpp` with it", "s", at("kafka separate"), at("asio"),
            Target(1.5)),
        Row("a program with a handler that publishes once, beside one that awaits a timer", "s",
            at("cobus used"), at("asio used")),
        Row("… with `COBUS_SEPARATE_COMPILATION`", "s", at("separate used"), at("asio used")),
    ]


_SEPARATE = "#define COBUS_SEPARATE_COMPILATION\n"
_ASIO_USED = """
auto run() -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
}
int main() {
    asio::io_context io;
    asio::co_spawn(io, run(), asio::detached);
    io.run();
}
"""
_COBUS_USED = """
struct tick { int count = 0; };
template <> struct cobus::contract<tick> {
    static constexpr std::string_view type = "tick", topic = "ticks";
};
auto run(cobus::bus& bus) -> asio::awaitable<void> {
    auto subscription =
        bus.on<tick>("count", [](const tick&) -> asio::awaitable<void> { co_return; });
    co_await bus.start();
    co_await bus.publish(tick());
    co_await bus.stop();
}
int main() {
    asio::io_context io;
    cobus::bus bus(io.get_executor(), cobus::settings());
    asio::co_spawn(io, run(bus), asio::detached);
    io.run();
}
"""

MORE_GROUPS = [Growth(), Memory(), KafkaCost(), Spool(), Replay(), CompileTime()]
