"""What a chaos run leaves behind, read from its folder. Nothing here comes from cobus's counters.

PUBLISHER.log   what a peer wrote, see publisher.hpp and peer.cpp
handled.log     what all handlers wrote, b at the beginning, e at a good end, c when cancelled:
                b|e|c GROUP HANDLER PUBLISHER SEQUENCE KEY ID IN_PROCESS PEER TIME
topic.jsonl     the topic as another client read it, see tests/kafka/confluent.py
refused.jsonl   what a spool keeps because Kafka will never take it: {"publisher", "sequence"}
left.jsonl      how many rows each spool in a file has at the end: {"spool", "rows"}
problems.jsonl  what the run itself saw going wrong, each a text
faults.jsonl    what was done to whom, and when
"""
import json
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Attempt:
    sequence: int
    key: str
    time: int
    state: str
    incarnation: int
    answers: list = field(default_factory=list)

    def answered(self):
        return bool(self.answers)

    def succeeded(self):
        return any(each.way is not None for each in self.answers)


@dataclass
class Answer:
    time: int
    way: str | None  # None: failed
    id: str = ""
    partition: int = -1
    offset: int = -1
    durable: bool = False
    error: str = ""


@dataclass
class Peer:
    name: str
    policy: str = ""
    group: str = ""
    attempts: dict = field(default_factory=dict)
    starts: list = field(default_factory=list)
    states: list = field(default_factory=list)  # (time, state)
    failures: list = field(default_factory=list)  # (time, text) of requests
    stopped: list = field(default_factory=list)  # how long each stop took, in microseconds
    strange: list = field(default_factory=list)  # lines that cannot be understood

    def state_at(self, time):
        at = bisect_right(self.states, time, key=lambda each: each[0])
        return self.states[at - 1][1] if at > 0 else "unknown"


@dataclass
class Copy:
    publisher: str
    sequence: int
    key: str
    id: str
    partition: int
    offset: int


@dataclass
class Handled:
    what: str
    group: str
    handler: str
    publisher: str
    sequence: int
    key: str
    id: str
    in_process: bool
    peer: str
    time: int


@dataclass
class Run:
    peers: dict = field(default_factory=dict)
    copies: list = field(default_factory=list)
    handled: list = field(default_factory=list)
    refused: set = field(default_factory=set)
    faults: list = field(default_factory=list)
    left: dict = field(default_factory=dict)  # spool → its rows
    problems: list = field(default_factory=list)
    groups: dict = field(default_factory=dict)  # group → its handlers

    def publishers(self):
        return [peer for peer in self.peers.values() if peer.attempts]


def read_peer(peer, lines):
    """Lines that a killed process could not finish are those without their newline."""
    for line in lines:
        words = line.split()
        try:
            read_line(peer, words, line)
        except (IndexError, ValueError, KeyError):
            peer.strange.append(line)


def read_line(peer, words, line):
    what = words[0]
    if what == "start":
        peer.starts.append(int(words[2]))
    elif what == "a":
        _, sequence, key, time, state = words
        if int(sequence) in peer.attempts:
            raise ValueError("asked twice")
        peer.attempts[int(sequence)] = Attempt(int(sequence), key, int(time), state,
                                               len(peer.starts))
    elif what == "r":
        _, sequence, way, durable, identity, partition, offset, time = words
        peer.attempts[int(sequence)].answers.append(
            Answer(int(time), way, identity, int(partition), int(offset), durable == "1"))
    elif what == "f":
        peer.attempts[int(words[1])].answers.append(
            Answer(int(words[2]), None, error=line.split(" ", 3)[3].strip()))
    elif what == "s":
        peer.states.append((int(words[1]), words[2]))
    elif what == "x":
        peer.failures.append((int(words[1]), line.split(" ", 2)[2].strip()))
    elif what == "stopped":
        peer.stopped.append(int(words[2]))
    elif what not in ("done", "started", "l"):
        raise ValueError("unknown")


def whole_lines(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.split("\n")[:-1]


def parse_handled(line):
    what, group, handler, publisher, sequence, key, identity, in_process, peer, time = line.split()
    return Handled(what, group, handler, publisher, int(sequence), key, identity,
                   in_process == "1", peer, int(time))


def read_copies(lines):
    for line in lines:
        message = json.loads(line)
        body = json.loads(message["value"])
        identity = next((value for name, value in message["headers"] if name == "ce_id"), "")
        yield Copy(body["publisher"], body["sequence"], message["key"], identity,
                   message["partition"], message["offset"])


def read_run(folder):
    folder = Path(folder)
    run = Run()
    told = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
    run.groups = told["groups"]
    for name, how in told["peers"].items():
        peer = run.peers[name] = Peer(name, how["policy"], how["group"])
        read_peer(peer, whole_lines(folder / f"{name}.log"))
    run.handled = [parse_handled(line) for line in whole_lines(folder / "handled.log")]
    run.copies = list(read_copies(whole_lines(folder / "topic.jsonl")))
    for line in whole_lines(folder / "refused.jsonl"):
        row = json.loads(line)
        run.refused.add((row["publisher"], row["sequence"]))
    run.faults = [json.loads(line) for line in whole_lines(folder / "faults.jsonl")]
    for line in whole_lines(folder / "left.jsonl"):
        row = json.loads(line)
        run.left[row["spool"]] = row["rows"]
    run.problems = [json.loads(line) for line in whole_lines(folder / "problems.jsonl")]
    return run


def by(items, name):
    found = defaultdict(list)
    for each in items:
        found[name(each)].append(each)
    return found
