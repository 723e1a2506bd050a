#!/usr/bin/env python3
"""Can the judge of chaos runs fail? Forges what runs leave behind, with one thing wrong in each, and
shows that the judge names that one."""
import io
import json
import random
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

from coverage import cells_of, missing_cells, observed  # noqa: E402
from coverage import print_coverage, print_faults  # noqa: E402
from faults import Deck, Faults, KINDS  # noqa: E402
from judge import Verdict, check_faults, judge, main, print_figures  # noqa: E402
from records import read_run  # noqa: E402

KEYS = ("ada", "bob")
HANDLERS = ("first", "second")
SECOND = 1_000_000


class Forged:
    """The files of a small run in which all went well: two publishers of 12 events each, of which
    p1's 5th and 6th were spooled and handled in process."""

    def __init__(self):
        self.logs = {"p1": ["start 1 0", "s 0 connected -"], "p2": ["start 1 0", "s 0 connected -"],
                     "c1": ["s 0 connected -"]}
        self.topic, self.handled, self.refused = [], [], []
        self.problems, self.left = [], [{"spool": "p1.spool", "rows": 0}]
        self.faults = [{"kind": "drop all", "begin": 4 * SECOND, "end": 8 * SECOND,
                        "overlaps": False}]
        self.time = 0
        for sequence in range(1, 13):
            for publisher in ("p1", "p2"):
                self.event(publisher, sequence)

    def event(self, publisher, sequence):
        self.time += SECOND
        key, identity = KEYS[sequence % 2], f"{publisher}-{sequence}"
        spooled = publisher == "p1" and sequence in (5, 6)
        partition, offset = sequence % 2, sum(m["partition"] == sequence % 2 for m in self.topic)
        self.logs[publisher].append(f"a {sequence} {key} {self.time} connected")
        self.logs[publisher].append(
            f"r {sequence} spool 0 {identity} -1 -1 {self.time + 10}" if spooled else
            f"r {sequence} kafka 1 {identity} {partition} {offset} {self.time + 10}")
        self.topic.append(self.message(publisher, sequence, key, identity, partition, offset))
        for group, peer in (("site", "p1"), ("audit", "c1")):
            for handler in HANDLERS:
                inside = int(spooled and group == "site")
                for what in "be":
                    self.handled.append(f"{what} {group} {handler} {publisher} {sequence} {key} "
                                        f"{identity} {inside} {peer} {self.time}")

    @staticmethod
    def message(publisher, sequence, key, identity, partition, offset):
        return {"key": key, "partition": partition, "offset": offset,
                "headers": [["ce_id", identity]],
                "value": json.dumps({"publisher": publisher, "sequence": sequence})}

    def again(self, publisher, sequence, identity=None):
        """A further copy at the end of its partition."""
        self.topic.append(self.message(publisher, sequence, KEYS[sequence % 2],
                                       identity or f"{publisher}-{sequence}", sequence % 2, 1000))

    def find(self, publisher, sequence):
        return next(m for m in self.topic if json.loads(m["value"]) ==
                    {"publisher": publisher, "sequence": sequence})

    def swap_in_topic(self, one, other):
        """They change places, and receipts with them."""
        a, b = self.find(*one), self.find(*other)
        a["offset"], b["offset"] = b["offset"], a["offset"]
        for (publisher, sequence), message in ((one, a), (other, b)):
            self.change(publisher, f"r {sequence} ", lambda line, at=message["offset"]: " ".join(
                [*line.split()[:6], str(at), line.split()[7]]))

    def change(self, publisher, start, how):
        self.logs[publisher] = [line for each in self.logs[publisher]
                                for line in ([how(each)] if each.startswith(start) else [each])
                                if line is not None]

    def swap_handled(self, words, one, other):
        """Two events change places in the lines that begin with these words."""
        def places(sequence):
            return [i for i, line in enumerate(self.handled)
                    if line[2:].startswith(f"{words} {sequence} ")]
        for a, b in zip(places(one), places(other)):
            self.handled[a], self.handled[b] = self.handled[b], self.handled[a]

    def read(self):
        with tempfile.TemporaryDirectory() as name:
            self.write(Path(name))
            return read_run(name)

    def write(self, folder):
        peers = {"p1": {"policy": "deliver_and_spool", "group": "site"},
                 "p2": {"policy": "wait", "group": "site"},
                 "c1": {"policy": "wait", "group": "audit"}}
        groups = {"site": HANDLERS, "audit": HANDLERS}
        (folder / "peers.json").write_text(json.dumps({"peers": peers, "groups": groups}))
        files = {f"{peer}.log": lines for peer, lines in self.logs.items()}
        files["handled.log"] = self.handled
        files["topic.jsonl"] = [json.dumps(m) for m in self.topic]
        files["refused.jsonl"] = [json.dumps(row) for row in self.refused]
        files["left.jsonl"] = [json.dumps(row) for row in self.left]
        files["problems.jsonl"] = [json.dumps(problem) for problem in self.problems]
        files["faults.jsonl"] = [json.dumps(fault) for fault in self.faults]
        for file, lines in files.items():
            (folder / file).write_text("".join(line + "\n" for line in lines))

    def wrong(self):
        return judge(self.read()).names()


class TheJudge(unittest.TestCase):
    def setUp(self):
        self.run_ = Forged()

    def finds(self, *names):
        self.assertEqual(set(names), self.run_.wrong())

    def test_finds_nothing_where_nothing_is_wrong(self):
        self.finds()

    def test_finds_an_acknowledged_event_that_is_not_in_the_topic(self):
        self.run_.topic.remove(self.run_.find("p2", 12))
        self.finds("lost", "not where the receipt says")

    def test_finds_a_spooled_event_that_never_came(self):
        self.run_.topic.remove(self.run_.find("p1", 5))
        self.finds("lost")

    def test_takes_a_refused_event_for_kept(self):
        self.run_.topic.remove(self.run_.find("p1", 5))
        self.run_.refused.append({"publisher": "p1", "sequence": 5})
        self.finds()

    def test_finds_a_receipt_of_another_place(self):
        self.run_.change("p2", "r 7 ", lambda line: line.replace(" 1 13 ", " 1 2 ", 1)
                         if " 1 13 " in line else " ".join([*line.split()[:6], "2",
                                                            line.split()[7]]))
        self.finds("not where the receipt says")

    def test_finds_two_events_of_a_key_in_the_wrong_order(self):
        self.run_.swap_in_topic(("p2", 7), ("p2", 9))
        self.finds("log out of order")

    def test_lets_different_publishers_and_keys_have_any_order(self):
        self.run_.swap_in_topic(("p1", 7), ("p2", 7))
        self.finds()

    def test_takes_copies_of_the_same_id_at_any_place(self):
        self.run_.again("p1", 1)
        self.finds()

    def test_finds_a_copy_with_another_id(self):
        self.run_.again("p1", 1, "other")
        self.finds("copies with different ids", "other id than the receipt's")

    def test_finds_one_id_for_two_events(self):
        self.run_.find("p1", 1)["headers"] = [["ce_id", "p1-3"]]
        self.run_.change("p1", "r 1 ", lambda line: line.replace("p1-1", "p1-3"))
        self.finds("one id for two events")

    def test_finds_an_event_without_an_id(self):
        self.run_.find("p1", 1)["headers"] = []
        self.finds("copies with different ids", "other id than the receipt's")

    def test_finds_an_event_that_nobody_published(self):
        self.run_.again("p1", 99)
        self.finds("never published", "not handled")

    def test_finds_a_key_that_changed(self):
        self.run_.find("p1", 1)["key"] = "eve"
        self.finds("other key")

    def test_finds_a_failure(self):
        self.run_.change("p2", "r 3 ", lambda line: "f 3 1 the queue is full")
        self.finds("failed")

    def test_finds_a_publish_that_was_never_answered(self):
        self.run_.change("p2", "r 3 ", lambda line: None)
        self.finds("never answered")

    def test_forgives_no_answer_to_a_killed_publisher_which_may_come_late_or_not_at_all(self):
        self.run_.change("p2", "r 5 ", lambda line: None)
        self.run_.change("p2", "a 6 ", lambda line: f"start 2 1\n{line}")
        self.run_.find("p2", 5)["offset"] = 1000
        self.finds()
        self.run_.topic.remove(self.run_.find("p2", 5))
        self.run_.handled = [line for line in self.run_.handled if " p2 5 " not in line]
        self.finds()

    def test_finds_two_answers(self):
        self.run_.logs["p2"].append(next(line for line in self.run_.logs["p2"]
                                         if line.startswith("r 3 ")))
        self.finds("answered twice")

    def test_finds_a_line_that_it_cannot_read(self):
        self.run_.logs["p2"].append("r 3 kafka")
        self.finds("strange line")

    def test_finds_an_event_that_one_handler_never_had(self):
        self.run_.handled = [line for line in self.run_.handled
                             if not line[2:].startswith("audit second p1 5 ")]
        self.finds("not handled")

    def test_finds_an_event_whose_handling_never_ended(self):
        self.run_.handled = [line for line in self.run_.handled
                             if not line.startswith("e audit second p2 12 ")]
        self.finds("not handled")

    def test_takes_a_cancelled_run_that_came_again(self):
        at = next(i for i, line in enumerate(self.run_.handled)
                  if line.startswith("b audit first p1 5 "))
        begin = self.run_.handled[at]
        self.run_.handled[at:at] = [begin, "c" + begin[1:]]
        self.finds()

    def test_finds_a_newer_event_of_a_key_handled_first(self):
        self.run_.swap_handled("site first p1", 5, 7)
        self.finds("handled out of order")

    def test_takes_an_event_handled_again(self):
        again = [line for line in self.run_.handled if line[2:].startswith("audit first p1 5 ")]
        self.run_.handled += again
        self.finds()

    def test_finds_two_events_of_a_key_at_once(self):
        begin, end = (next(line for line in self.run_.handled
                           if line.startswith(f"{what} audit first p1 5 ")) for what in "be")
        self.run_.handled.remove(end)
        at = next(i for i, line in enumerate(self.run_.handled)
                  if line.startswith("b audit first p2 5 "))
        self.run_.handled.insert(at + 1, end)
        self.assertLess(self.run_.handled.index(begin), at)
        self.finds("two of a key at once", "an end without its beginning")

    def test_finds_a_handled_event_that_nobody_published(self):
        line = self.run_.handled[0].replace(" p1 1 ", " p1 77 ")
        self.run_.handled += [line, "e" + line[1:]]
        self.finds("handled what nobody published")


    def test_finds_what_the_run_itself_saw_going_wrong(self):
        self.run_.problems.append("publisher-1 does not stop")
        self.finds("the run")

    def test_finds_rows_that_are_left_in_a_spool(self):
        self.run_.left[0]["rows"] = 1
        self.finds("rows left in a spool")


class TheEnd(unittest.TestCase):
    """What `judge.py` says to who started it."""

    def setUp(self):
        self.run_ = Forged()
        self.run_.logs["p1"].append(f"s {5 * SECOND} degraded away")

    def ends_with(self, status, *more):
        with tempfile.TemporaryDirectory() as name:
            self.run_.write(Path(name))
            with mock.patch.object(sys, "argv", ["judge.py", name, *more]), \
                    redirect_stdout(io.StringIO()) as out:
                self.assertEqual(main(), status, out.getvalue())
            return out.getvalue()

    def test_is_well_where_nothing_is_wrong(self):
        self.assertNotIn("WRONG", self.ends_with(0))

    def test_is_wrong_without_any_fault(self):
        self.run_.faults = []
        self.assertIn("too few faults observed", self.ends_with(1))

    def test_is_wrong_where_nobody_noticed_the_faults(self):
        self.run_.logs["p1"].pop()
        self.assertIn("too few faults observed", self.ends_with(1))

    def test_is_wrong_where_rows_are_left(self):
        self.run_.left[0]["rows"] = 3
        self.assertIn("p1.spool: 3", self.ends_with(1))

    def test_is_wrong_where_the_run_saw_something(self):
        self.run_.problems.append("handled 3 of 4 two minutes after")
        self.assertIn("handled 3 of 4", self.ends_with(1))

    def test_is_wrong_for_a_long_run_that_covered_little(self):
        self.assertIn("too seldom under a fault", self.ends_with(1, "--long"))

    def test_tells_broken_promises_from_what_a_busy_machine_can_cause(self):
        self.run_.topic.remove(self.run_.find("p1", 5))
        printed = self.ends_with(1)
        self.assertIn("BROKEN: lost: 1, such as p1#5", printed)
        self.assertNotIn("WRONG: lost", printed)

    def test_takes_three_of_four_faults_that_were_noticed(self):
        late = {**self.run_.faults[0], "begin": 100 * SECOND, "end": 101 * SECOND}
        for others, wrong in ((2, False), (1, True)):
            forged = Forged()
            forged.logs["p1"].append(f"s {5 * SECOND} degraded away")
            forged.faults = forged.faults * (others + 1) + [late]
            verdict = Verdict()
            check_faults(forged.read(), verdict)
            self.assertEqual(bool(verdict.names()), wrong)


class TheFaults(unittest.TestCase):
    @staticmethod
    def some(seed):
        faults = Faults(seed, None, object(), None, None, None)
        return [faults.draw() for _ in range(len(KINDS))]

    def test_are_all_drawn_from_the_seed(self):
        random.seed(1)
        first = self.some(5)
        random.seed(2)
        self.assertEqual(first, self.some(5))
        self.assertNotEqual(first, self.some(6))

    def test_have_one_of_each_card_before_the_deck_is_used_up(self):
        self.assertEqual(sorted(one.kind for one in self.some(5)), sorted(KINDS))
        deck = Deck("abc", random.Random(1))
        self.assertEqual(sorted(deck.draw() for _ in range(6)), list("aabbcc"))

    def test_that_cannot_be_done_are_problems(self):
        faults = Faults(5, None, object(), None, None, io.StringIO())
        drawn = next(one for one in self.some(5) if one.kind == "kill publisher")
        faults._one(drawn, False)  # there is nobody to kill
        self.assertIn("kill publisher could not be done", faults.problems[0])


class TheFigures(unittest.TestCase):
    def test_count_a_fault_only_if_it_was_observed(self):
        forged = Forged()
        run = forged.read()
        self.assertFalse(observed(run, run.faults[0]))
        forged.logs["p1"].append(f"s {5 * SECOND} degraded away")
        run = forged.read()
        self.assertTrue(observed(run, run.faults[0]))
        forged = Forged()
        forged.logs["p1"].append(f"x {5 * SECOND} timed out")
        run = forged.read()
        self.assertTrue(observed(run, run.faults[0]))
        forged = Forged()
        forged.logs["p1"].append(f"x {20 * SECOND} timed out")
        run = forged.read()
        self.assertFalse(observed(run, run.faults[0]))

    def test_say_what_was_under_way_during_a_fault(self):
        cells = cells_of(Forged().read())
        self.assertEqual(cells["publish wait", "connected", "drop all"], 3)
        self.assertEqual(cells["publish wait", "connected", "recovery"], 1)
        self.assertEqual(sum(count for cell, count in cells.items() if cell[0] == "publish wait"),
                         12)

    def test_name_what_was_seldom_under_way_during_a_fault(self):
        run = Forged().read()
        self.assertIn("publish wait, drop all: 3", missing_cells(run))
        run = Forged()
        run.faults[0]["end"] = 1000 * SECOND
        for sequence in range(13, 60):
            for publisher in ("p1", "p2"):
                run.event(publisher, sequence)
        missing = missing_cells(run.read())
        self.assertNotIn("publish wait, drop all", "; ".join(missing))
        self.assertIn("publish wait, recovery: 0", missing)

    def test_are_printed(self):
        run = Forged().read()
        with redirect_stdout(io.StringIO()) as out:
            print_figures(run)
            print_faults(run)
            print_coverage(run)
        self.assertIn("24 events, 0 further copies", out.getvalue())
        self.assertIn("handle in process, connected", out.getvalue())


if __name__ == "__main__":
    unittest.main()
