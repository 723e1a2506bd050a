"""Follows the files of a chaos run while it goes on, without reading them again and again."""


class Following:
    """The lines of a file that is not there yet or still grows."""

    def __init__(self, path):
        self.path, self.file, self.rest = path, None, b""

    def new_lines(self):
        if self.file is None:
            if not self.path.exists():
                return []
            self.file = open(self.path, "rb")
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        return [line.split() for line in lines]


class PublisherSoFar(Following):
    """How far a publisher is."""

    def __init__(self, path):
        super().__init__(path)
        self.state, self.asked, self.done = "", 0, False
        self.to_kafka = self.in_process = 0

    def look(self):
        for words in self.new_lines():
            if words[0] == b"s":
                self.state = words[2].decode()
            elif words[0] == b"a":
                self.asked = int(words[1])
            elif words[0] == b"r":
                self.in_process += words[2] == b"memory"
                self.to_kafka += words[2] != b"memory"
            elif words[0] == b"start":
                self.state = ""
            elif words[0] == b"done":
                self.done = True
        return self


class HandledSoFar(Following):
    """What handlers have ended."""

    def __init__(self, path):
        super().__init__(path)
        self.seen = set()

    def count(self):
        for words in self.new_lines():
            if words[0] == b"e":
                self.seen.add(tuple(words[1:5]))
        return len(self.seen)
