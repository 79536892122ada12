"""The merchant's server, a process of its own and as fast as can be: answers 200, and remembers what it heard.

`GET /count` tells how many different ids came, `GET /sample` some requests as they came, for checking signatures.
"""

import asyncio
import json
import re
import signal
import sys

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ID = re.compile(rb"webhook-id: *(\S+)", re.IGNORECASE)
HEAD_ENDS = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
SAMPLED = 100  # one of so many is kept whole

heard: set[bytes] = set()
sample: list[tuple[str, str]] = []


class Sink(asyncio.Protocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while request := self.next_request():
            self.transport.write(answer(*request))

    def next_request(self) -> tuple[bytes, bytes] | None:
        head, ends, rest = self.waiting.partition(HEAD_ENDS)
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not ends or len(rest) < size:
            return None
        self.waiting = rest[size:]
        return head, rest[:size]


def answer(head: bytes, body: bytes) -> bytes:
    """Note a callback, or tell what was noted."""
    if head.startswith(b"GET"):
        told = json.dumps(len(heard) if b"/count" in head else sample).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told
    if named := ID.search(head):
        heard.add(named[1])
        if len(heard) % SAMPLED == 1:
            sample.append((head.decode("ascii"), body.decode()))
    return OK


async def serve() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
