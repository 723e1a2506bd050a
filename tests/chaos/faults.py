"""The seeded faults of a chaos run: which, to whom, how long, and when the next one comes."""
import json
import random
import signal
import threading
import time

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

    def length(self):
        at = (self.steps.draw() + self.random.random()) / 20
        return SHORTEST * (LONGEST / SHORTEST) ** at

    def run(self, more):
        """Until `more` says no."""
        last = None
        while more():
            kind, length = self.kinds.draw(), self.length()
            overlaps = last is not None and self.random.random() < OVERLAPPING
            if last is not None and not overlaps:
                last.join()
                self.calm()
                time.sleep(self.random.uniform(0.3, 1.5))
            elif last is not None:
                last.join(self.random.uniform(0.1, 2))
            overlaps = overlaps and last is not None
            before, last = last, threading.Thread(
                target=self._one, args=(kind, length, overlaps), daemon=True)
            last.start()
            if before is not None and before.is_alive():
                before.join()
        if last is not None:
            last.join()

    def _lock_of(self, kind):
        if kind in NEEDS_NETWORK:
            return self.network_busy
        return self.brokers_busy if kind in NEEDS_BROKERS else self.publisher_busy

    def _one(self, kind, length, overlaps):
        with self._lock_of(kind):
            self.count += 1
            one = self.random.choice(BROKERS)
            begin = now_us()
            what = getattr(self, "_" + kind.replace(" ", "_"))
            what(one, length)
            fault = {"kind": kind, "broker": one if kind.endswith(" one") else None,
                     "wanted": round(length, 3), "begin": begin, "end": now_us(),
                     "overlaps": overlaps}
            with self.writing:
                self.file.write(json.dumps(fault) + "\n")
                self.file.flush()

    def _kill_one(self, one, length):
        self.cluster.end([one], signal.SIGKILL)
        time.sleep(length)
        self.cluster.start([one])

    def _kill_all(self, _, length):
        self.cluster.end(BROKERS, signal.SIGKILL)
        time.sleep(length)
        self.cluster.start()

    def _restart_cluster(self, _, length):
        self.cluster.end(BROKERS, signal.SIGTERM)
        time.sleep(min(length, 5))
        self.cluster.start()

    def _freeze_one(self, one, length):
        self._freeze([one], length)

    def _freeze_all(self, _, length):
        self._freeze(BROKERS, length)

    def _freeze(self, brokers, length):
        self.cluster.signal(brokers, signal.SIGSTOP)
        time.sleep(length)
        self.cluster.signal(brokers, signal.SIGCONT)

    def _drop_one(self, one, length):
        self._drop([one], length, 100)

    def _drop_all(self, _, length):
        self._drop(BROKERS, length, 100)

    def _loss(self, _, length):
        self._drop(BROKERS, length, self.random.randint(20, 70))

    def _drop(self, brokers, length, percent):
        self.network.drop("fault", self.cluster.client_ports(brokers), percent)
        time.sleep(length)
        self.network.clear("fault")

    def _delay(self, _, length):
        self.network.narrow(self.cluster.client_ports(), self.random.choice((16, 32, 64)))
        time.sleep(length)
        self.network.widen()

    def _leader_moved(self, _one, _length):
        self.cluster.move_leaders()

    def _kill_publisher(self, _, length):
        self.kill_publisher(length)
