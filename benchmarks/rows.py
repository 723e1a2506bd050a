"""What is measured: for each group its programs, one round of them, and the rows of its table."""
from dataclasses import dataclass
from typing import Callable, Optional

EVENTS = 65536  # of one round of the in-process programs


@dataclass
class Target:
    limit: float
    at_least: bool = False
    text: str = ""

    def met(self, value):
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self):
        return self.text or f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass
class Row:
    title: str
    unit: str
    cobus: Callable
    floor: Optional[Callable]
    target: Optional[Target] = None
    relative: bool = True  # the target is for the ratio, not for cobus's own figure


def at(name):
    return lambda numbers: numbers.get(name)


def each_further(name):
    """What one more handler costs."""
    return lambda numbers: (numbers[f"{name}/10"] - numbers[f"{name}/1"]) / 9


class InProcess:
    name = "in_process"
    title = "In process, CPU time of an event"
    targets = ["floor.in_process", "bench.in_process"]
    counted = {"floor": ("floor.in_process", "measure/ring_awaitables/1$"),
               "cobus": ("bench.in_process", "publish/one_at_a_time/1$")}

    def prepare(self, programs, quick):
        self.instructions = {
            side: programs.instructions(program, only, EVENTS)
            for side, (program, only) in self.counted.items()}

    def measure(self, programs, quick):
        numbers = {f"instructions/{side}": value for side, value in self.instructions.items()}
        numbers |= programs.google("floor.in_process", "ring|direct_awaitables/|/channel")
        numbers |= programs.google("bench.in_process", ".")
        return numbers

    rows = [
        Row("publish to 1 handler", "ns", at("publish/one_at_a_time/1"),
            at("measure/ring_awaitables/1"), Target(1.4)),
        Row("… its instructions", "", at("instructions/cobus"), at("instructions/floor")),
        Row("… beside Asio's channel", "ns", at("publish/one_at_a_time/1"),
            at("measure/channel/1"), Target(1 / 4, text="≤ 1/4")),
        Row("… with 64 publishes in flight", "ns", at("publish/in_flight_64/1"),
            at("measure/ring_awaitables/1")),
        Row("… with a log of 1,024 messages", "ns", at("publish_with_short_log/1"),
            at("measure/ring_awaitables/1")),
        Row("publish to 10 handlers", "ns", at("publish/one_at_a_time/10"),
            at("measure/ring_awaitables/10")),
        Row("each further handler", "ns", each_further("publish/one_at_a_time"),
            each_further("measure/ring_awaitables"), Target(1.3)),
        Row("handler that suspends once", "ns", at("publish/suspends/1"),
            at("measure/ring_awaitables_suspend/1"), Target(1.0)),
        Row("10 handlers that suspend once", "ns", at("publish/suspends/10"),
            at("measure/ring_awaitables_suspend/10"), Target(1.0)),
        Row("publish that waits for its handler (`call`)", "ns", at("call/1"),
            at("measure/ring_tasks_wait/1"), Target(1.8)),
        Row("… beside awaiting the handler itself", "ns", at("call/1"),
            at("measure/direct_awaitables/1")),
        Row("across two threads, wall time", "ns", at("publish_across_threads/1"),
            at("measure/threads_mutex_ring/1"), Target(1.0)),
        Row("… beside a ring read in batches", "ns", at("publish_across_threads/1"),
            at("measure/threads_mutex_ring_batch/1")),
        Row("allocations for an event", "", at("publish/one_at_a_time/1 allocations"), None,
            Target(0, text="0"), relative=False),
        Row("… with 64 publishes in flight", "", at("publish/in_flight_64/1 allocations"), None,
            Target(0, text="0"), relative=False),
    ]


class Codec:
    name = "codec"
    title = "JSON, an event of 507 bytes"
    targets = ["floor.codec", "bench.codec"]

    def prepare(self, programs, quick):
        pass

    def measure(self, programs, quick):
        return programs.google("floor.codec", ".") | programs.google("bench.codec", ".")

    rows = [
        Row("encode", "ns", at("encode"), at("encode_fields"), Target(1.3)),
        Row("… beside nlohmann-json", "ns", at("encode"), at("encode_nlohmann"), Target(1 / 7, text="≤ 1/7")),
        Row("… beside memcpy", "ns", at("encode"), at("copy")),
        Row("decode", "ns", at("decode"), at("decode_simdjson"), Target(1.3)),
        Row("… beside simdjson asked field by field", "ns", at("decode"),
            at("decode_simdjson_by_name")),
        Row("… beside nlohmann-json", "ns", at("decode"), at("decode_nlohmann"), Target(1 / 7, text="≤ 1/7")),
        Row("allocations to encode", "", at("encode allocations"), None),
        Row("allocations to decode (its long strings)", "", at("decode allocations"), None),
    ]


class Kafka:
    """One run is one call of a program: the same mode and arguments for floor and cobus."""
    name = "kafka"
    title = "Kafka, one broker on the same machine"
    targets = ["floor.kafka_c", "bench.kafka"]
    needs_kafka = True

    @staticmethod
    def runs(messages):
        busy = {"mode": "produce", "messages": messages, "window": 10000}
        # By name: arguments of both, of the floor only, of cobus only.
        return {
            "heavy": (busy | {"linger": 0.5}, {}, {}),
            "heavy_kib": (busy | {"linger": 0.5, "bytes": 1024, "messages": messages // 2}, {}, {}),
            "heavy_lz4": (busy | {"linger": 0.5, "bytes": 1024, "compression": "lz4",
                                  "messages": messages // 2}, {}, {}),
            "untouched": (busy, {}, {}),
            "envelope": (busy | {"linger": 0.5}, {"key": 1, "headers": 5}, {"envelope": 1}),
            "hundred": (busy | {"window": 100, "messages": messages // 4}, {}, {}),
            "alone": ({"mode": "latency", "messages": messages // 100}, {}, {}),
            "consume": ({"mode": "consume", "messages": messages, "topic": "consumed"}, {}, {}),
            "roundtrip": ({"mode": "roundtrip", "seconds": max(messages // 200000, 1)}, {}, {}),
        }

    def prepare(self, programs, quick):
        self.messages = 100000 if quick else 1000000
        programs.kafka("floor.kafka_c", mode="produce", messages=self.messages + 100,
                       topic="consumed", linger=5)

    def measure(self, programs, quick):
        numbers = {}
        for name, (both, of_floor, of_cobus) in self.runs(self.messages).items():
            for side, program, own in (("floor", "floor.kafka_c", of_floor),
                                       ("cobus", "bench.kafka", of_cobus)):
                arguments = {"topic": f"{side}-{both['mode']}"} | both | own
                for figure, value in programs.kafka(program, **arguments).items():
                    numbers[f"{side} {name} {figure}"] = value
        return numbers

    @staticmethod
    def row(title, unit, run, figure, target=None, relative=True):
        def of(side):
            return lambda numbers: numbers.get(f"{side} {run} {figure}")
        return Row(title, unit, of("cobus"), of("floor"), target, relative)

    rows = []


def _kafka_rows():
    row, cpu = Kafka.row, "cpu_per_million"
    return [
        row("publish 100 B, 10,000 in flight, linger 0.5: CPU µs", "µs", "heavy", cpu,
            Target(1.15)),
        row("… rate", "/s", "heavy", "rate", Target(0.95, at_least=True)),
        row("publish 1 KiB, the same: CPU µs", "µs", "heavy_kib", cpu, Target(1.15)),
        row("… rate", "/s", "heavy_kib", "rate", Target(0.95, at_least=True)),
        row("publish 1 KiB, lz4: CPU µs", "µs", "heavy_lz4", cpu, Target(1.15)),
        row("… rate", "/s", "heavy_lz4", "rate", Target(0.95, at_least=True)),
        row("100 B with key and CloudEvents headers: CPU µs", "µs", "envelope", cpu,
            Target(1.15)),
        row("… rate", "/s", "envelope", "rate"),
        row("10,000 in flight, settings untouched: CPU µs", "µs", "untouched", cpu),
        row("… rate", "/s", "untouched", "rate"),
        row("100 in flight, settings untouched: rate", "/s", "hundred", "rate",
            Target(300000, at_least=True, text="≥ 300 k/s"), relative=False),
        row("… CPU µs", "µs", "hundred", cpu),
        row("one at a time: p50", "µs", "alone", "p50_us", Target(1.05)),
        row("… p99", "µs", "alone", "p99_us"),
        row("… CPU µs", "µs", "alone", cpu, Target(1.1)),
        row("consume to handler: CPU µs", "µs", "consume", cpu, Target(1.25)),
        row("… rate", "/s", "consume", "rate"),
        row("produce to handler at 1,000/s: p50", "µs", "roundtrip", "p50_us", Target(1.1)),
        row("… p99", "µs", "roundtrip", "p99_us"),
        row("… CPU µs", "µs", "roundtrip", cpu, Target(1.1)),
    ]


Kafka.rows = _kafka_rows()
GROUPS = [InProcess(), Codec(), Kafka()]
