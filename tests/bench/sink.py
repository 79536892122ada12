"""The merchant's server, a process of its own and as fast as can be: answers 200, and remembers what it heard.

A path with `/after/5/` in it is answered after 5 seconds. `GET /count` tells how many different ids came, `GET /orders`
when each order was first heard of, on the clock that all processes share, `GET /waiting` how many are not answered yet,
`GET /sample` some requests as they came, for checking signatures; `GET /forget` begins anew.
"""

import asyncio
import json
import re
import signal
import sys
import time
from typing import Any

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ID = re.compile(rb"webhook-id: *(\S+)", re.IGNORECASE)
ORDER = re.compile(rb'"order":{"id":"([^"]+)"')
SLOW = re.compile(rb"^POST \S*/after/(\d+)/")
HEAD_ENDS = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
SAMPLED = 100  # one of so many is kept whole

heard: set[bytes] = set()
orders: dict[str, float] = {}
sample: list[tuple[str, str]] = []
waiting: set[asyncio.TimerHandle] = set()


class Sink(asyncio.Protocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while request := self.next_request():
            self.answer(*request)

    def next_request(self) -> tuple[bytes, bytes] | None:
        head, ends, rest = self.waiting.partition(HEAD_ENDS)
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not ends or len(rest) < size:
            return None
        self.waiting = rest[size:]
        return head, rest[:size]

    def answer(self, head: bytes, body: bytes) -> None:
        """Note a callback, or tell what was noted."""
        if head.startswith(b"GET"):
            told = json.dumps(tell(head.split()[1])).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told)
            return
        note(head, body)
        if slow := SLOW.match(head):
            self.answer_later(int(slow[1]))
        else:
            self.transport.write(OK)

    def answer_later(self, seconds: int) -> None:
        def answer() -> None:
            waiting.discard(timer)
            self.transport.write(OK)

        timer = asyncio.get_running_loop().call_later(seconds, answer)
        waiting.add(timer)


def note(head: bytes, body: bytes) -> None:
    if not (named := ID.search(head)):
        return
    heard.add(named[1])
    if order := ORDER.search(body):
        orders.setdefault(order[1].decode(), time.perf_counter())
    if len(heard) % SAMPLED == 1:
        sample.append((head.decode("ascii"), body.decode()))


def tell(path: bytes) -> Any:
    match path:
        case b"/count":
            return len(heard)
        case b"/orders":
            return orders
        case b"/waiting":
            return len(waiting)
        case b"/forget":
            for kept in (heard, orders, sample):
                kept.clear()
    return sample


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
