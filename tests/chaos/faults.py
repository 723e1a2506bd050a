"""The seeded faults of a chaos run: which, to whom, how long, and when the next one comes."""
import json
import random
import signal
import threading
import time
from dataclasses import dataclass

from cluster import BROKERS

SHORTEST, LONGEST = 0.1, 20.0  # seconds, log-uniform: 36 % above 3 s, 23 % above 6 s
OVERLAPPING = 0.15             # of them begin during another or right behind it

KINDS = (["kill one"] * 2 + ["kill all"] * 2 + ["freeze one"] * 2 + ["freeze all"] * 3 +
         ["drop one"] * 2 + ["drop all"] * 4 + ["loss"] * 2 + ["delay"] * 2 + ["leader moved"] * 2 +
         ["restart cluster"] + ["kill publisher"] * 3)
NEEDS_NETWORK = ("drop one", "drop all", "loss", "delay")
NEEDS_BROKERS = ("kill one", "kill all", "freeze one", "freeze all", "leader moved",
                 "restart cluster")


def now_us():
    return time.monotonic_ns() // 1000


class Deck:
    """Shuffled again when it is used up, so that a short run has of everything, too."""

    def __init__(self, cards, random_):
        self.cards, self.random, self.left = list(cards), random_, []

    def draw(self):
        if not self.left:
            self.left = self.random.sample(self.cards, len(self.cards))
        return self.left.pop()


@dataclass
class Drawn:
    """All about a fault that is drawn, before it begins: who comes first makes no difference."""
    kind: str
    length: float
    broker: int
    percent: int  # of packets that are lost
    kilobits: int  # in a second that still pass
    publisher: float  # 0 to 1, of those that there are

    def one_of(self, names):
        return names[int(self.publisher * len(names))]


class Faults:
    """Runs faults one after the other, some of them at the same time as another."""

    def __init__(self, seed, cluster, network, kill_publisher, calm, file):
        self.random = random.Random(seed)
        self.cluster, self.network, self.kill_publisher = cluster, network, kill_publisher
        self.calm, self.file = calm, file
        self.kinds = Deck([kind for kind in KINDS if network or kind not in NEEDS_NETWORK],
                          self.random)
        self.steps = Deck(range(20), self.random)
        self.brokers_busy = threading.Lock()  # one fault at a time has the brokers' processes
        self.network_busy = threading.Lock()
        self.publisher_busy = threading.Lock()
        self.writing = threading.Lock()
        self.count = 0
        self.problems = []  # faults that could not be done

    def length(self):
        at = (self.steps.draw() + self.random.random()) / 20
        return SHORTEST * (LONGEST / SHORTEST) ** at

    def draw(self):
        return Drawn(self.kinds.draw(), self.length(), self.random.choice(BROKERS),
                     self.random.randint(20, 70), self.random.choice((16, 32, 64)),
                     self.random.random())

    def run(self, more):
        """Until `more` says no."""
        last = None
        while more():
            drawn = self.draw()
            overlaps = last is not None and self.random.random() < OVERLAPPING
            pause, head_start = self.random.uniform(0.3, 1.5), self.random.uniform(0.1, 2)
            if last is not None and not overlaps:
                last.join()
                self.calm()
                time.sleep(pause)
            elif last is not None:
                last.join(head_start)
            overlaps = overlaps and last is not None
            before, last = last, threading.Thread(
                target=self._one, args=(drawn, overlaps), daemon=True)
            last.start()
            if before is not None and before.is_alive():
                before.join()
        if last is not None:
            last.join()

    def _lock_of(self, kind):
        if kind in NEEDS_NETWORK:
            return self.network_busy
        return self.brokers_busy if kind in NEEDS_BROKERS else self.publisher_busy

    def _one(self, drawn, overlaps):
        with self._lock_of(drawn.kind):
            self.count += 1
            begin = now_us()
            try:
                getattr(self, "_" + drawn.kind.replace(" ", "_"))(drawn)
            except Exception as failed:  # pylint: disable=broad-except
                self.problems.append(f"{drawn.kind} could not be done: {failed!r}")
            fault = {"kind": drawn.kind,
                     "broker": drawn.broker if drawn.kind.endswith(" one") else None,
                     "wanted": round(drawn.length, 3), "begin": begin, "end": now_us(),
                     "overlaps": overlaps}
            with self.writing:
                self.file.write(json.dumps(fault) + "\n")
                self.file.flush()

    def _kill_one(self, drawn):
        self.cluster.end([drawn.broker], signal.SIGKILL)
        time.sleep(drawn.length)
        self.cluster.start([drawn.broker])

    def _kill_all(self, drawn):
        self.cluster.end(BROKERS, signal.SIGKILL)
        time.sleep(drawn.length)
        self.cluster.start()

    def _restart_cluster(self, drawn):
        self.cluster.end(BROKERS, signal.SIGTERM)
        time.sleep(min(drawn.length, 5))
        self.cluster.start()

    def _freeze_one(self, drawn):
        self._freeze([drawn.broker], drawn.length)

    def _freeze_all(self, drawn):
        self._freeze(BROKERS, drawn.length)

    def _freeze(self, brokers, length):
        self.cluster.signal(brokers, signal.SIGSTOP)
        time.sleep(length)
        self.cluster.signal(brokers, signal.SIGCONT)

    def _drop_one(self, drawn):
        self._drop([drawn.broker], drawn.length, 100)

    def _drop_all(self, drawn):
        self._drop(BROKERS, drawn.length, 100)

    def _loss(self, drawn):
        self._drop(BROKERS, drawn.length, drawn.percent)

    def _drop(self, brokers, length, percent):
        self.network.drop("fault", self.cluster.client_ports(brokers), percent)
        time.sleep(length)
        self.network.clear("fault")

    def _delay(self, drawn):
        self.network.narrow(self.cluster.client_ports(), drawn.kilobits)
        time.sleep(drawn.length)
        self.network.widen()

    def _leader_moved(self, _drawn):
        self.cluster.move_leaders()

    def _kill_publisher(self, drawn):
        self.kill_publisher(drawn)
