"""What a Python service with confluent-kafka reads and writes: the other side of tests/kafka/interop.cpp.

    confluent.py BROKERS read TOPIC         prints every message of the topic, a JSON object a line
    confluent.py BROKERS write TOPIC JSON   writes the messages of a JSON array, in the same form
    confluent.py fetch                      only gets confluent-kafka

A message is {"key": text or null, "value": text or null, "headers": [[name, text or null], …]},
and has "partition" and "offset" when it was read, "partition" if it should when it is written.
confluent-kafka comes from PyPI into an environment of its own below COBUS_CACHE, once.
"""
import fcntl
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

RELEASE = "2.16.1"


def cache():
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cobus"
    return Path(os.environ.get("COBUS_CACHE") or default)


def run_with_confluent_kafka():
    """Goes on in an environment that has it, made when there is none."""
    home = cache() / f"confluent-kafka-{RELEASE}-python-{sys.version_info[0]}.{sys.version_info[1]}"
    python, made = home / "bin/python", home / "made"
    if Path(sys.prefix) == home:
        sys.exit(f"confluent-kafka cannot be imported from {home}: remove it, to have it made anew")
    if not made.exists():
        home.mkdir(parents=True, exist_ok=True)
        with open(home / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                venv.create(home, with_pip=True)
                subprocess.run([python, "-m", "pip", "install", "-q", f"confluent-kafka=={RELEASE}"],
                               stdout=sys.stderr, check=True)
                made.touch()
    os.execv(python, [python, "-I", __file__, *sys.argv[1:]])


def as_text(raw):
    return None if raw is None else raw.decode()


def read(brokers, topic):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "confluent",
                         "enable.auto.commit": False, "fetch.wait.max.ms": 10,
                         "enable.partition.eof": True})
    missing = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in missing])
    while missing:
        message = consumer.poll(30)
        if message is not None and message.error() and \
                message.error().code() == KafkaError._PARTITION_EOF:
            # the last offsets may be those of transactions, which are no messages
            missing.discard(message.partition())
            continue
        if message is None or message.error():
            sys.exit(f"nothing comes: {message and message.error()}")
        print(json.dumps({
            "key": as_text(message.key()), "value": as_text(message.value()),
            "headers": [[name, as_text(value)] for name, value in message.headers() or []],
            "partition": message.partition(), "offset": message.offset(),
        }), flush=True)
    consumer.close()


def write(brokers, topic, messages):
    # the partitioner of Kafka's Java clients, which cobus has too
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
    failures = []
    for each in messages:
        where = {"partition": each["partition"]} if "partition" in each else {}
        producer.produce(topic, key=each.get("key"), value=each.get("value"),
                         headers=[(name, value) for name, value in each.get("headers", [])],
                         on_delivery=lambda error, _: error and failures.append(error), **where)
    if producer.flush(30) or failures:
        sys.exit(f"not written: {failures}")


try:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
except ImportError:
    run_with_confluent_kafka()

if sys.argv[1:] == ["fetch"]:
    pass
elif sys.argv[2] == "read":
    read(sys.argv[1], sys.argv[3])
else:
    write(sys.argv[1], sys.argv[3], json.loads(sys.argv[4]))
