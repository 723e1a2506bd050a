"""Three real brokers with replication 3, and what may be done to them and to the network between
them and their clients."""
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

TOOL = Path(__file__).resolve().parent.parent / "tools/kafka"
TOPIC = "chaos"
BROKERS = (1, 2, 3)
PATIENCE = 300  # seconds for a broker to answer


class Cluster:
    """Clients have a listener of their own, so that packets between brokers can be left alone."""

    def __init__(self, folder, port):
        self.folder, self.port = Path(folder), port
        self.processes = {}
        self.moves = 0

    def address(self, broker):
        return f"127.0.0.1:{self.port + broker - 1}"

    def client_ports(self, brokers=BROKERS):
        return [self.port + broker - 1 for broker in brokers]

    def brokers(self):
        return ",".join(self.address(broker) for broker in BROKERS)

    def start(self, brokers=BROKERS):
        """Starts what does not run, and returns when it answers."""
        for broker in brokers:
            if broker not in self.processes:
                self.processes[broker] = self._launch(broker)
        for broker in brokers:
            self._await_answer(broker)

    def _launch(self, broker):
        command = [TOOL, "run", "--dir", self.folder, "--port", str(self.port), "--brokers", "3",
                   "--node", str(broker), "--listener", "INTERNAL"]
        for named in ("listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
                      "INTERNAL:PLAINTEXT", "inter.broker.listener.name=INTERNAL",
                      "auto.create.topics.enable=false",
                      # A busy machine must not look like a dead broker.
                      "broker.session.timeout.ms=9000", "broker.heartbeat.interval.ms=1000",
                      "controller.quorum.fetch.timeout.ms=6000",
                      "controller.quorum.election.timeout.ms=3000",
                      "controller.quorum.request.timeout.ms=6000"):
            command += ["--property", named]
        with open(self.folder / f"broker-{broker}.err", "ab") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
        process.answered = threading.Event()
        def listen():
            if process.stdout.readline():
                process.answered.set()
            process.stdout.read()
        threading.Thread(target=listen, daemon=True).start()
        return process

    def _await_answer(self, broker):
        """One that gives up while it starts, as on a busy machine, is started again."""
        deadline = time.monotonic() + PATIENCE
        while not self.processes[broker].answered.wait(0.5):
            if time.monotonic() > deadline:
                raise RuntimeError(f"broker {broker} does not start; see {self.folder}")
            if self.processes[broker].poll() is not None:
                self.processes[broker] = self._launch(broker)

    def signal(self, brokers, number):
        for broker in brokers:
            if broker in self.processes:
                os.killpg(self.processes[broker].pid, number)

    def end(self, brokers, number):
        self.signal(brokers, number)
        for broker in brokers:
            process = self.processes.pop(broker, None)
            if process:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:  # a quorum that is gone lets no one go in peace
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def call(self, *arguments):
        """One of Kafka's own programs."""
        return subprocess.run([TOOL, "call", *arguments], check=False, capture_output=True,
                              text=True, timeout=60)

    def create_topic(self, partitions):
        made = self.call("org.apache.kafka.tools.TopicCommand", "--bootstrap-server",
                         self.brokers(), "--create", "--topic", TOPIC, "--partitions",
                         str(partitions), "--replication-factor", "3", "--config",
                         "min.insync.replicas=2")
        if made.returncode != 0:
            raise RuntimeError(f"no topic: {made.stdout}{made.stderr}")
        self.partitions = partitions

    def move_leaders(self):
        """Each partition's next replica is preferred from now on, and elected."""
        self.moves += 1
        plan = {"version": 1, "partitions": []}
        for partition in range(self.partitions):
            at = [(partition + self.moves + i) % 3 + 1 for i in range(3)]
            plan["partitions"].append({"topic": TOPIC, "partition": partition, "replicas": at})
        file = self.folder / "plan.json"
        file.write_text(json.dumps(plan), encoding="utf-8")
        said = self.call("org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
                         "--bootstrap-server", self.brokers(), "--reassignment-json-file",
                         str(file), "--execute", "--additional")
        chosen = self.call("org.apache.kafka.tools.LeaderElectionCommand", "--bootstrap-server",
                           self.brokers(), "--election-type", "preferred",
                           "--all-topic-partitions")
        return said.returncode == 0 and chosen.returncode == 0


class Network:
    """Rules for the packets between clients and brokers, in a network namespace of our own: drops by
    nftables, delays by a narrow HTB class whose queue fills (kernels without netem have that, too).
    """

    def __init__(self):
        self.rules = {}
        self.guard = threading.Lock()

    @staticmethod
    def _ports(ports):
        return "{ " + ", ".join(map(str, ports)) + " }"

    def drop(self, name, ports, percent=100):
        some = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        self._change(name, [f"tcp {side} {self._ports(ports)} {some}counter drop"
                            for side in ("dport", "sport")])

    def clear(self, name):
        self._change(name, None)

    def _change(self, name, lines):
        with self.guard:
            self.rules.pop(name, None)
            if lines:
                self.rules[name] = lines
            text = "table inet chaos\ndelete table inet chaos\ntable inet chaos {\nchain in { type " \
                   "filter hook input priority 0; policy accept;\n"
            text += "\n".join(line for each in self.rules.values() for line in each) + "\n}\n}\n"
            subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    def narrow(self, ports, kilobits):
        def tc(*words):
            subprocess.run(["tc", *words], check=True)
        tc("qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "2")
        tc("class", "add", "dev", "lo", "parent", "1:", "classid", "1:1", "htb", "rate",
           f"{kilobits}kbit", "burst", "4k", "cburst", "4k")
        tc("class", "add", "dev", "lo", "parent", "1:", "classid", "1:2", "htb", "rate", "10gbit")
        for port in ports:
            for side in ("sport", "dport"):
                tc("filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "u32", "match",
                   "ip", side, str(port), "0xffff", "flowid", "1:1")

    def widen(self):
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)


def wait_until(condition, limit, step=0.2):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True
