#!/usr/bin/env python3
"""Judges a chaos run from outside: from what publishers and handlers wrote themselves, and from the
topic as another client read it.

    judge.py FOLDER     prints figures, coverage and the verdict; ends with 1 when something is wrong
    judge.py FOLDER --long   asks for the coverage of a long run, too
"""
import sys
from collections import Counter, defaultdict

from coverage import missing_cells, observed, print_coverage, print_faults
from records import by, read_run

WAYS_TO_KAFKA = ("kafka", "spool")
LATE = 4_000_000  # microseconds; told and not judged, because brokers and others share the cores


# What a busy machine can cause, for want of time; all else is a promise that was broken.
MATTERS_OF_TIME = {"never answered", "failed", "not handled", "the run", "rows left in a spool",
                   "too few faults observed", "too seldom under a fault"}
OBSERVED = 0.75  # of the faults, at least: a short one may hit nobody


class Verdict:
    """What is wrong, by its name, with examples."""

    def __init__(self):
        self.wrong = defaultdict(list)

    def add(self, name, example):
        self.wrong[name].append(example)

    def names(self):
        return set(self.wrong)


def judge(run):
    verdict = Verdict()
    check_run(run, verdict)
    check_answers(run, verdict)
    check_topic(run, verdict)
    check_log_order(run, verdict)
    check_handled(run, verdict)
    check_handler_order(run, verdict)
    check_one_at_a_time(run, verdict)
    return verdict


def check_run(run, verdict):
    """The processes did what they were asked to, and left nothing behind."""
    for problem in run.problems:
        verdict.add("the run", problem)
    for spool, rows in run.left.items():
        if rows:
            verdict.add("rows left in a spool", f"{spool}: {rows}")


def check_faults(run, verdict):
    """A run without faults, or with such as nobody noticed, shows nothing."""
    seen = sum(observed(run, fault) for fault in run.faults)
    if seen == 0 or seen < OBSERVED * len(run.faults):
        verdict.add("too few faults observed", f"{seen} of {len(run.faults)}")


def check_coverage(run, verdict):
    for cell in missing_cells(run):
        verdict.add("too seldom under a fault", cell)


def last_of_killed(peer, attempt):
    """Whether the process that asked was killed: a later one of that name was started."""
    return attempt.incarnation < len(peer.starts)


def check_answers(run, verdict):
    """attempted = sent + spooled + failed, failed = 0, each answered once."""
    for peer in run.publishers():
        for line in peer.strange:
            verdict.add("strange line", f"{peer.name}: {line}")
        for attempt in peer.attempts.values():
            name = f"{peer.name}#{attempt.sequence}"
            if not attempt.answered() and not last_of_killed(peer, attempt):
                verdict.add("never answered", name)
            if len(attempt.answers) > 1:
                verdict.add("answered twice", name)
            for answer in attempt.answers:
                if answer.way is None:
                    verdict.add("failed", f"{name}: {answer.error}")


def check_topic(run, verdict):
    """What was reported as done is there; copies are the same event; nothing came from nowhere."""
    places = {(copy.partition, copy.offset): copy for copy in run.copies}
    copies = by(run.copies, lambda copy: (copy.publisher, copy.sequence))
    for copy in run.copies:
        peer = run.peers.get(copy.publisher)
        attempt = peer.attempts.get(copy.sequence) if peer else None
        if attempt is None:
            verdict.add("never published", f"{copy.publisher}#{copy.sequence}")
        elif attempt.key != copy.key:
            verdict.add("other key", f"{copy.publisher}#{copy.sequence}: {copy.key}")
    for peer in run.publishers():
        for attempt in peer.attempts.values():
            event = (peer.name, attempt.sequence)
            for answer in attempt.answers:
                check_answer(run, verdict, event, answer, copies.get(event, []), places)
    check_ids(run, verdict, copies)
    for key, partitions in by(run.copies, lambda copy: copy.key).items():
        if len({copy.partition for copy in partitions}) > 1:
            verdict.add("key in two partitions", key)


def check_answer(run, verdict, event, answer, copies, places):
    name = f"{event[0]}#{event[1]}"
    if answer.way not in WAYS_TO_KAFKA:
        return
    if not copies and event not in run.refused:
        verdict.add("lost", f"{name} ({answer.way})")
    if answer.way == "kafka" and answer.offset >= 0:
        there = places.get((answer.partition, answer.offset))
        if there is None or (there.publisher, there.sequence) != event:
            verdict.add("not where the receipt says", f"{name} {answer.partition}/{answer.offset}")
    if any(copy.id != answer.id for copy in copies):
        verdict.add("other id than the receipt's", name)


def check_ids(run, verdict, copies):
    for (publisher, sequence), each in copies.items():
        if len({copy.id for copy in each}) > 1 or not each[0].id:
            verdict.add("copies with different ids", f"{publisher}#{sequence}")
    for identity, each in by(run.copies, lambda copy: copy.id).items():
        if len({(copy.publisher, copy.sequence) for copy in each}) > 1:
            verdict.add("one id for two events", identity)


def answered(run, publisher, sequence):
    """False for what a killed process had asked and not heard of: it may come late or never."""
    peer = run.peers.get(publisher)
    attempt = peer.attempts.get(sequence) if peer else None
    return attempt is not None and attempt.answered()


def descents(sequences):
    """Those that come after a higher one."""
    highest = -1
    for sequence in sequences:
        if sequence < highest:
            yield sequence, highest
        highest = max(highest, sequence)


def check_log_order(run, verdict):
    """First copies of a key are in the order of calls of each publisher."""
    ordered = sorted(run.copies, key=lambda copy: (copy.partition, copy.offset))
    firsts, seen = defaultdict(list), set()
    for copy in ordered:
        event = (copy.publisher, copy.sequence)
        if event not in seen and answered(run, *event):
            firsts[copy.publisher, copy.key].append(copy.sequence)
        seen.add(event)
    for (publisher, key), sequences in firsts.items():
        for late, before in descents(sequences):
            verdict.add("log out of order", f"{publisher} {key}: {late} behind {before}")


def wanted_of(run):
    """Events that each group must handle: all that Kafka has, and what the spool answered for."""
    wanted = {(copy.publisher, copy.sequence) for copy in run.copies}
    in_process_only = defaultdict(set)
    for peer in run.publishers():
        for attempt in peer.attempts.values():
            for answer in attempt.answers:
                event = (peer.name, attempt.sequence)
                if answer.way in WAYS_TO_KAFKA and event not in run.refused:
                    wanted.add(event)
                elif answer.way == "memory":
                    in_process_only[peer.group].add(event)
    return wanted, in_process_only


def check_handled(run, verdict):
    """Each handler of each group ended each event at least once."""
    ended = defaultdict(set)
    for line in run.handled:
        if line.what == "e":
            ended[line.group, line.handler].add((line.publisher, line.sequence))
        peer = run.peers.get(line.publisher)
        attempt = peer.attempts.get(line.sequence) if peer else None
        if attempt is None or attempt.key != line.key:
            verdict.add("handled what nobody published", f"{line.publisher}#{line.sequence}")
    wanted, in_process_only = wanted_of(run)
    for group, handlers in run.groups.items():
        for handler in handlers:
            missing = (wanted | in_process_only[group]) - ended[group, handler]
            for publisher, sequence in sorted(missing):
                verdict.add("not handled", f"{group}/{handler}: {publisher}#{sequence}")


def first_begun(run):
    """By (group, handler, publisher, key): the sequences in the order in which they first began."""
    firsts, seen = defaultdict(list), set()
    for line in run.handled:
        event = (line.group, line.handler, line.publisher, line.sequence)
        if line.what == "b" and event not in seen:
            seen.add(event)
            if answered(run, line.publisher, line.sequence):
                firsts[line.group, line.handler, line.publisher, line.key].append(line.sequence)
    return firsts


def check_handler_order(run, verdict):
    """Handlers began a key's events in the order of calls of each publisher's process."""
    for (group, handler, publisher, key), sequences in first_begun(run).items():
        attempts = run.peers[publisher].attempts
        runs = by(sequences, lambda sequence: attempts[sequence].incarnation)
        for own in runs.values():
            for late, before in descents(own):
                verdict.add("handled out of order",
                            f"{group}/{handler} {publisher} {key}: {late} behind {before}")


def check_one_at_a_time(run, verdict):
    """Within a process, a handler has one event of a key at a time."""
    running, lives = {}, Counter()
    for line in run.handled:
        place = (line.group, line.handler, line.peer, line.key)
        event = (line.publisher, line.sequence)
        killed = sum(1 for start in run.peers[line.peer].starts if start <= line.time) \
            if line.peer in run.peers else 0
        if lives[line.peer] != killed:  # what a killed process had begun has no end
            lives[line.peer] = killed
            running = {at: what for at, what in running.items() if at[2] != line.peer}
        if line.what == "b":
            if place in running:
                verdict.add("two of a key at once", f"{place}: {running[place]} and {event}")
            running[place] = event
        elif running.pop(place, None) != event:  # well, or cancelled
            verdict.add("an end without its beginning", f"{place}: {event}")


# ---- Figures

def print_figures(run):
    print(f"{'publisher':12} {'policy':26} {'attempted':>9} {'kafka':>8} {'spool':>8} {'memory':>8} "
          f"{'failed':>7} {'killed':>7} {'kills':>6} {'over 4 s':>9} {'slowest':>9}")
    for peer in run.publishers():
        ways, slowest = Counter(), 0
        for attempt in peer.attempts.values():
            for answer in attempt.answers:
                ways[answer.way or "failed"] += 1
                took = answer.time - attempt.time
                ways["late"] += took > LATE
                slowest = max(slowest, took)
            if not attempt.answered():
                ways["unanswered"] += 1
        print(f"{peer.name:12} {peer.policy:26} {len(peer.attempts):9} {ways['kafka']:8} "
              f"{ways['spool']:8} {ways['memory']:8} {ways['failed']:7} {ways['unanswered']:7} "
              f"{len(peer.starts) - 1:6} {ways['late']:9} {slowest / 1e6:7.1f} s")
    events = {(copy.publisher, copy.sequence) for copy in run.copies}
    print(f"in the topic: {len(events)} events, {len(run.copies) - len(events)} further copies; "
          f"refused: {len(run.refused)}")
    for group, handlers in run.groups.items():
        for handler in handlers:
            lines = [line for line in run.handled if line.what == "e" and
                     (line.group, line.handler) == (group, handler)]
            once = len({(line.publisher, line.sequence) for line in lines})
            inside = sum(line.in_process for line in lines)
            print(f"handled by {group}/{handler}: {once} events, {len(lines) - once} again, "
                  f"{inside} in process")
    across = sum(1 for sequences in first_begun(run).values() for _ in descents(sequences))
    print(f"handled behind a later one of the key, also across a publisher's lives: {across}")
    stops = [took for peer in run.peers.values() for took in peer.stopped]
    if stops:
        print(f"stops: {len(stops)}, the longest {max(stops) / 1e6:.2f} s")


def main():
    run = read_run(sys.argv[1])
    print_figures(run)
    print_faults(run)
    print_coverage(run)
    verdict = judge(run)
    check_faults(run, verdict)
    if "--long" in sys.argv[2:]:
        check_coverage(run, verdict)
    for name, examples in verdict.wrong.items():
        word = "WRONG" if name in MATTERS_OF_TIME else "BROKEN"
        print(f"{word}: {name}: {len(examples)}, such as {'; '.join(map(str, examples[:5]))}")
    print("verdict: " + ("WRONG" if verdict.wrong else "nothing lost, nothing out of order"))
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
