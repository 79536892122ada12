"""The load generator, a process of its own: keep-alive connections that each send the next request at once.

Reads one Load as JSON on standard input, prints one Outcome as JSON. Closed loop, so it measures what is accepted.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
HEAD_ENDS = b"\r\n\r\n"
WARMING = 0.3  # seconds that are not counted


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: for some seconds, or else so many. `%(imp_uid)s` and `%(order)s` become new ones in each request.

    Their numbers count from `first`, or from anywhere, and number n goes to target n modulo their count.
    """

    port: int
    targets: list[str]
    body: str
    status: int
    seconds: float = 0.0
    connections: int = 16
    first: int = 0
    amount: int = 0


@dataclass(slots=True)
class Outcome:
    """How many were answered: within the time that counts, and in all; `began` is on the clock that all share."""

    counted: int = 0
    answered: int = 0
    seconds: float = 0.0
    began: float = 0.0
    refused: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.counted / self.seconds


def run_load(load: Load) -> Outcome:
    """Let the generator send, in its own process; raise RuntimeError when anything was not accepted."""
    command = [sys.executable, "-m", "tests.bench.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=True)
    outcome = Outcome(**json.loads(done.stdout))
    if outcome.refused:
        raise RuntimeError(f"{load.targets[0]}: expected {load.status}, got {outcome.refused[0]!r}")
    return outcome


def request(target: str, body: str, number: int) -> bytes:
    """Return one request as it stands on the wire; a GET if it has no body."""
    named = {"imp_uid": f"imp_{number}", "order": f"order-{number}"}
    sent = (body % named).encode()
    lines = f"{'POST' if sent else 'GET'} {target % named} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\n"
    if sent:
        lines += f"content-type: application/json\r\ncontent-length: {len(sent)}\r\n"
    return f"{lines}\r\n".encode() + sent


class Caller(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends the next."""

    def __init__(
        self, load: Load, outcome: Outcome, numbers: Iterator[int], *, counts_from: float, ends: float
    ) -> None:
        self.load, self.outcome, self.numbers = load, outcome, numbers
        self.counts_from, self.ends = counts_from, ends
        self.closed = asyncio.get_running_loop().create_future()
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        number = next(self.numbers, None)
        if number is None:
            self.transport.close()
        else:
            self.transport.write(request(self.load.targets[number % len(self.load.targets)], self.load.body, number))

    def data_received(self, data: bytes) -> None:
        self.heard += data
        head, ends, body = self.heard.partition(HEAD_ENDS)
        if ends and is_whole(head, body):
            self.heard = b""
            self.answered(head)

    def answered(self, head: bytes) -> None:
        now = time.perf_counter()
        self.outcome.answered += 1
        self.outcome.counted += self.counts_from <= now < self.ends
        if int(head[9:12]) != self.load.status:
            self.outcome.refused.append(head.decode("ascii", "replace")[:200])
        if now < self.ends and not self.outcome.refused:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


def is_whole(head: bytes, body: bytes) -> bool:
    """Tell whether an answer has come to its end."""
    if length := LENGTH.search(head):
        return len(body) >= int(length[1])
    return b"chunked" not in head or body.endswith(b"0\r\n\r\n")


async def send_for_a_while(load: Load) -> Outcome:
    """Keep every connection busy until the time is over or all is sent; what is under way then is waited for."""
    outcome = Outcome(seconds=load.seconds, began=time.perf_counter())
    counts_from = outcome.began + (0 if load.amount else min(WARMING, load.seconds))
    ends = float("inf") if load.amount else counts_from + load.seconds
    first = load.first or random.getrandbits(60)
    numbers = iter(range(first, first + load.amount)) if load.amount else count(first)
    loop = asyncio.get_running_loop()
    callers = []
    for _ in range(load.connections):
        caller = Caller(load, outcome, numbers, counts_from=counts_from, ends=ends)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", load.port)  # type: ignore[misc]
        callers.append(caller)
    await asyncio.gather(*(caller.closed for caller in callers))
    if load.amount:
        outcome.seconds = time.perf_counter() - outcome.began
    return outcome


if __name__ == "__main__":
    asked = Load(**json.load(sys.stdin))
    sys.stdout.write(json.dumps(asdict(asyncio.run(send_for_a_while(asked)))))
