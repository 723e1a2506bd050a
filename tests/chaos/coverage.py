"""Which faults of a chaos run were observed, and what was under way in which state meanwhile."""
from bisect import bisect_left
from collections import Counter

DECISION_TIME, SESSION_TIMEOUT = 3.0, 6.0  # seconds, of the peers
AFTERMATH = 5_000_000  # microseconds in which a fault is still seen
RECOVERY = 3_000_000   # microseconds after a fault that count as the way back
LEAST = 20             # in each cell of a long run
SHARE = 0.75           # of the cells that came about, states told apart: rare ones stay rare


def observed(run, fault):
    """A changed state or a failed request that a publisher wrote down, or its own death."""
    begin, end = fault["begin"], fault["end"] + AFTERMATH
    for peer in run.publishers():
        for events in ([time for time, _ in peer.states[1:]], [time for time, _ in peer.failures],
                       peer.starts[1:]):
            at = bisect_left(events, begin)
            if at < len(events) and events[at] <= end:
                return True
    return False


def print_faults(run):
    if not run.faults:
        return
    seen = [fault for fault in run.faults if observed(run, fault)]
    attempts = sum(len(peer.attempts) for peer in run.publishers())
    lengths = sorted((fault["end"] - fault["begin"]) / 1e6 for fault in seen)
    if not seen:
        print(f"faults: {len(run.faults)}, none observed")
        return
    def share(of):
        return f"{100 * sum(of) / len(seen):.0f} %"
    print(f"faults: {len(run.faults)}, observed {len(seen)}, "
          f"{len(seen) * 100_000 / max(attempts, 1):.0f} per 100,000 events; "
          f"{lengths[0]:.1f} to {lengths[-1]:.1f} s; longer than the decision time: "
          f"{share([length > DECISION_TIME for length in lengths])}, than the session timeout: "
          f"{share([length > SESSION_TIMEOUT for length in lengths])}; during another or a "
          f"recovery: {share([fault['overlaps'] for fault in seen])}")
    kinds, all_kinds = (Counter(f["kind"] for f in some) for some in (seen, run.faults))
    print("observed of each kind: " +
          ", ".join(f"{kind} {kinds[kind]} of {count}" for kind, count in sorted(all_kinds.items())))


class Timeline:
    """What was wrong at a time."""

    def __init__(self, faults):
        self.faults = sorted(faults, key=lambda fault: fault["begin"])

    def at(self, time):
        """The kinds of fault at that time; "recovery" shortly after one, else "none"."""
        kinds = {f["kind"] for f in self.faults if f["begin"] <= time <= f["end"]}
        if kinds:
            return kinds
        if any(f["end"] < time <= f["end"] + RECOVERY for f in self.faults):
            return {"recovery"}
        return {"none"}


def cells_of(run):
    """Counts by (operation, state, fault); times are looked up in steps of 50 ms."""
    timeline, remembered, cells = Timeline(run.faults), {}, Counter()
    def faults_at(time):
        step = time // 50_000
        if step not in remembered:
            remembered[step] = timeline.at(time)
        return remembered[step]
    for peer in run.publishers():
        for attempt in peer.attempts.values():
            for kind in faults_at(attempt.time):
                cells["publish " + peer.policy, attempt.state, kind] += 1
    for line in run.handled:
        if line.what == "b":
            how = "handle in process" if line.in_process else "handle from Kafka"
            state = run.peers[line.peer].state_at(line.time)
            for kind in faults_at(line.time):
                cells[how, state, kind] += 1
    return cells


def print_coverage(run):
    cells = cells_of(run)
    kinds = sorted({kind for _, _, kind in cells})
    print("coverage: operation, state × fault")
    print(f"{'':40}" + "".join(f"{kind[:12]:>13}" for kind in kinds))
    for operation, state in sorted({cell[:2] for cell in cells}):
        counts = [cells[operation, state, kind] for kind in kinds]
        print(f"{operation + ', ' + state:40}" + "".join(f"{count or '.':>13}" for count in counts))
    few = sum(0 < count < LEAST for count in cells.values())
    print(f"cells with less than {LEAST}: {few} of {len(cells)}")


def missing_cells(run):
    """Which operation was seldom under way during which kind of fault, in all states together; a
    long run has to have all. In process nothing is handled while Kafka is there, as for most of a
    leader's move, so that this is asked for all kinds together."""
    cells, counts, inside = cells_of(run), Counter(), 0
    for (operation, _, kind), count in cells.items():
        counts[operation, kind] += count
        if operation == "handle in process" and kind != "none":
            inside += count
    operations = {"publish " + peer.policy for peer in run.publishers()} | {"handle from Kafka"}
    kinds = {fault["kind"] for fault in run.faults} | {"none", "recovery"}
    missing = [f"{operation}, {kind}: {counts[operation, kind]}"
               for operation in sorted(operations) for kind in sorted(kinds)
               if counts[operation, kind] < LEAST]
    if inside < LEAST and any(peer.policy.startswith("deliver") for peer in run.publishers()):
        missing.append(f"handle in process: {inside}")
    enough = sum(count >= LEAST for count in cells.values())
    if enough < SHARE * len(cells):
        missing.append(f"operation, state and fault: {enough} of {len(cells)} cells have {LEAST}")
    return missing
