"""Runs the built activity program and the numbered examples, in memory, and reads what they print.

    activity_commands.py FOLDER    FOLDER holds the built examples
"""
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FOLDER = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else Path(".")
DATA = Path(__file__).resolve().parents[2] / "examples/activity/data/activity.json.gz"
SETTINGS = re.compile("KAFKA_|COBUS_|REQUIRE_KAFKA")


def run(program, *arguments, **environment):
    """Runs a program to its end without any setting but those given."""
    clean = {k: v for k, v in os.environ.items() if not SETTINGS.match(k)}
    return subprocess.run([FOLDER / program, *arguments], env=clean | environment, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.stdout.flush()
sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


def peak_of(program, *arguments):
    """The most memory in bytes that a program had, and what it printed. A small process starts it,
    because what the starting one has counts, too."""
    clean = {k: v for k, v in os.environ.items() if not SETTINGS.match(k)}
    done = subprocess.run([sys.executable, "-c", MEASURE, FOLDER / program, *arguments], env=clean,
                          timeout=120, stdout=subprocess.PIPE, text=True, check=True)
    peak, printed = done.stdout.split("\n", 1)
    return int(peak), printed


def an_event(**changes):
    event = {
        "user_id": "u-1", "event_type": "user_login", "description": "d", "entity_type": "user",
        "entity_id": "u-1", "session_id": "s",
        "props": {"geo_location": "UTC", "ip_address": "203.0.113.1", "device": "Mobile",
                  "browser": "Safari", "platform": "iOS"},
        "request": {"method": "GET", "path": "/", "ip_address": "203.0.113.1"},
        "occurred_at": "2026-01-01T00:00:00.000Z",
    }
    return event | changes


class Produce(unittest.TestCase):
    def file(self, text):
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "events.json"
        path.write_text(text, encoding="utf-8")
        return path

    def test_the_whole_file_is_sent_and_handled_in_order(self):
        result = run("activity", "produce", DATA)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("34868 sent (memory 34868), 0 failed, 0 bad", result.stdout)
        self.assertIn("handled 34868 events of 1589 users", result.stdout)
        self.assertIn("events handled out of their user's order: 0", result.stdout)
        with gzip.open(DATA, "rt", encoding="utf-8") as file:
            events = json.load(file)
        for kind in {event["event_type"] for event in events}:
            count = sum(event["event_type"] == kind for event in events)
            self.assertRegex(result.stdout, rf"(?m)^{kind} +{count} +0 +{count}$")

    def test_a_bad_event_is_reported_with_its_index_and_skipped(self):
        bad = an_event()
        bad["props"]["ip_address"] = 7
        path = self.file(json.dumps([an_event(), bad, {}, 5, an_event()]))
        result = run("activity", "produce", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("event 1: $.props.ip_address: expected a string, got a number", result.stderr)
        self.assertIn("event 2: $.user_id: required, but missing", result.stderr)
        self.assertIn("event 3: $: expected an object, got a number", result.stderr)
        self.assertIn("2 sent (memory 2), 0 failed, 3 bad", result.stdout)

    def test_a_bad_event_stops_the_run_when_asked_to(self):
        path = self.file(json.dumps([an_event(), {}, an_event()]))
        result = run("activity", "produce", "--on-error", "stop", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("1 sent (memory 1), 0 failed, 1 bad", result.stdout)

    def test_several_files_are_sent_one_after_the_other(self):
        one = self.file(json.dumps([an_event()]))
        result = run("activity", "produce", one, one, one)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("3 sent", result.stdout)

    def test_a_file_that_is_no_array_or_cut_off_fails_after_what_could_be_sent(self):
        result = run("activity", "produce", self.file("[" + json.dumps(an_event()) + ","))
        self.assertEqual(result.returncode, 1)
        self.assertIn("behind 1 events: the array is cut off", result.stderr)
        self.assertIn("1 sent", result.stdout)
        self.assertEqual(run("activity", "produce", self.file("{}")).returncode, 1)

    def large_file(self, folder, name, opened):
        """140 MB before it is packed, most of it in a member that no event has: the memory transport
        keeps events, and what it keeps is not what the file takes."""
        event = json.dumps(an_event(unknown="x" * 35_000))
        with opened(folder / name, "wt") as file:
            file.write("[" + event)
            for _ in range(3_999):
                file.write(",\n" + event)
            file.write("]")
        return folder / name

    def test_a_large_file_takes_little_memory(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        plain = self.large_file(folder, "events.json", open)
        size = plain.stat().st_size
        self.assertGreater(size, 140_000_000)
        packed = self.large_file(folder, "events.json.gz",
                                 lambda path, mode: gzip.open(path, mode, compresslevel=1))
        small, _ = peak_of("activity", "produce", self.file(json.dumps([an_event()])))
        for path in (plain, packed):
            with self.subTest(path=path):
                peak, printed = peak_of("activity", "produce", path)
                self.assertIn("4000 sent", printed)
                self.assertLess(peak - small, size / 5)

    def test_wrong_arguments_are_refused(self):
        self.assertNotEqual(run("activity").returncode, 0)
        self.assertNotEqual(run("activity", "produce").returncode, 0)
        self.assertNotEqual(run("activity", "produce", "/no/such/file").returncode, 0)
        result = run("activity", "produce", "--on-error", "ignore", DATA)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("--on-error", result.stderr + result.stdout)

    def test_settings_that_cannot_work_are_all_named(self):
        result = run("activity", "produce", DATA, KAFKA_ENABLED="maybe",
                     KAFKA_ACTIVITY_TOPIC="no topic")
        self.assertEqual(result.returncode, 1)
        self.assertIn("KAFKA_ENABLED", result.stderr)
        self.assertIn("no topic", result.stderr)


class OtherCommands(unittest.TestCase):
    def test_check_says_how_long_an_event_takes(self):
        result = run("activity", "check")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"memory: one event sent to event in .* ms, there and back in")

    def test_the_topic_comes_from_the_environment(self):
        result = run("activity", "check", KAFKA_ACTIVITY_TOPIC="other.topic")
        self.assertIn("sent to other.topic", result.stdout)

    def test_demo_logs_what_a_service_logs(self):
        result = run("activity", "demo", "--seconds", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("connected to memory, topic event\n", result.stdout)
        self.assertIn("sending user_login of u-1\nsent user_login to event", result.stdout)

    def test_consume_in_memory_says_that_nothing_would_arrive(self):
        result = run("activity", "consume")
        self.assertEqual(result.returncode, 2)
        self.assertIn("KAFKA_ENABLED=true", result.stderr)

    def test_an_interrupted_demo_ends_well(self):
        with subprocess.Popen([FOLDER / "activity", "demo"], stdout=subprocess.PIPE, text=True) as demo:
            self.assertIn("connected", demo.stdout.readline() + demo.stdout.readline())
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=30)
        self.assertEqual(demo.returncode, 0)


class Tutorial(unittest.TestCase):
    def output(self, program, *arguments):
        result = run(program, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_01_hello(self):
        printed = self.output("01_hello")
        for line in ("welcome ada@example.org", "welcome grace@example.org",
                     "published to user.events by way of memory"):
            self.assertIn(line + "\n", printed)

    def test_02_keys(self):
        printed = self.output("02_keys")
        for account, first in (("anna", 1), ("ben", 100)):
            booked = re.findall(rf"booked (\d+) on {account}", printed)
            self.assertEqual(booked, [str(first), str(first * 2), str(first * 3), "1000"])
        self.assertIn("anna has 1006\nben has 1600\n", printed)
        self.assertEqual(printed.count("audit: deposit of ben"), 4)

    def test_03_tokens(self):
        printed = self.output("03_tokens")
        for line in ("o-2 is in orders", *(f"shipping o-{i}" for i in range(1, 7))):
            self.assertIn(line + "\n", printed)
        self.assertEqual(len(re.findall(r"at offset \d+\n", printed)), 2)

    def test_04_outcomes(self):
        printed = self.output("04_outcomes")
        for line in ("plain is paid", "busy is paid", "flaky is paid", "flaky, attempt 3"):
            self.assertIn(line + "\n", printed)
        self.assertIn("wrong is not paid", printed)
        self.assertNotIn("wrong, attempt 2", printed)
        self.assertIn('dead letter: {"id":"wrong","cents":-5}', printed)

    def test_05_kafka_without_kafka(self):
        printed = self.output("05_kafka", "2")
        for line in ("beat 1 by way of memory", "  heard 2 in process"):
            self.assertIn(line + "\n", printed)


if __name__ == "__main__":
    unittest.main()
