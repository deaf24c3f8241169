"""A client of redis-server that counts what was answered."""

import random
import socket
import time

from . import measure

WORDS = [b"alpha", b"beta", b"gamma", b"delta", b"orange", b"violet", b"north", b"south"]
BATCH = 50


def command(path, folder):
    return ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder,
            "--crash-memcheck-enabled", "no"]


def call(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def record(source, number):
    """A value as applications keep them."""
    tags = b",".join(b'"%s"' % source.choice(WORDS) for _ in range(30))
    return b'{"id": %d, "name": "user %d", "score": %d, "tags": [%s]}' % (
        number, source.randrange(10**6), source.randrange(10**9), tags)


def sets(seed, numbers):
    source = random.Random(seed)
    return (call(b"SET", b"key:%d" % number, record(source, number)) for number in numbers)


class Link:
    """Calls whose answer is one line each, many at a time."""

    def __init__(self, server, path, patience_s):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience_s)
        for _ in range(200):
            try:
                self.socket.connect(path)
                return
            except OSError:
                if server.poll() is not None:
                    break
                time.sleep(0.05)
        raise measure.Failed("redis-server did not come up")

    def ask(self, calls, lines=1):
        """Yields (asked, the answers) after each batch; `lines` a call. ConnectionError."""
        batch = []
        for one in calls:
            batch.append(one)
            if len(batch) == BATCH:
                yield BATCH, self.exchange(b"".join(batch), BATCH * lines)
                batch = []
        if batch:
            yield len(batch), self.exchange(b"".join(batch), len(batch) * lines)

    def exchange(self, text, lines):
        self.socket.sendall(text)
        got = b""
        while got.count(b"\r\n") < lines:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("redis-server has gone")
            got += more
        return got
