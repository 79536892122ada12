"""The steady sender, a process of its own: payments that come at their moments, however the others fare (open loop).

Reads one Pace as JSON on standard input, prints when each payment's first request was to be sent, on the clock that all
processes share.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from tests.bench.load import HEAD_ENDS, is_whole, request

SOON = 0.2  # seconds until the first


@dataclass(frozen=True, slots=True)
class Pace:
    """Webhooks to send, number n to target n modulo their count; a landing, if any, follows within a second."""

    port: int
    webhooks: list[str]
    body: str
    first: int
    amount: int
    a_second: float
    landings: list[str]


def run_pace(pace: Pace) -> dict[str, float]:
    """Let the sender send, in its own process; return when each order's webhook was to be sent."""
    command = [sys.executable, "-m", "tests.bench.pace"]
    done = subprocess.run(command, input=json.dumps(asdict(pace)), stdout=subprocess.PIPE, text=True, check=True)
    return {f"order-{number}": float(sent) for number, sent in json.loads(done.stdout)}


class Line(asyncio.Protocol):
    """One connection: a request, and its whole answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.heard = transport, b""

    async def ask(self, sent: bytes) -> int:
        """Return the status of the answer."""
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.transport.write(sent)
        return await self.answered

    def data_received(self, data: bytes) -> None:
        self.heard += data
        head, ends, body = self.heard.partition(HEAD_ENDS)
        if ends and is_whole(head, body):
            self.heard = b""
            self.answered.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectionError("cut off"))


class Sender:
    """Sends each request on a connection that is free, or a new one."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.free: list[Line] = []

    async def send_all(self) -> list[tuple[int, float]]:
        begins, numbers = time.perf_counter() + SOON, range(self.pace.first, self.pace.first + self.pace.amount)
        moments = [begins + place / self.pace.a_second for place in range(self.pace.amount)]
        both = [self.send_both(number, moment) for number, moment in zip(numbers, moments, strict=True)]
        await asyncio.gather(*both)
        for line in self.free:
            line.transport.close()
        return list(zip(numbers, moments, strict=True))

    async def send_both(self, number: int, moment: float) -> None:
        await self.send(self.pace.webhooks, self.pace.body, number, moment, status=200)
        if self.pace.landings:
            await self.send(self.pace.landings, "", number, moment + random.random(), status=303)

    async def send(self, targets: list[str], body: str, number: int, moment: float, *, status: int) -> None:
        await asyncio.sleep(moment - time.perf_counter())
        line = self.free.pop() if self.free else await self.connect()
        answered = await line.ask(request(targets[number % len(targets)], body, number))
        if answered != status:
            raise RuntimeError(f"expected {status}, got {answered}")
        self.free.append(line)

    async def connect(self) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.pace.port)
        return line


if __name__ == "__main__":
    asked = Pace(**json.load(sys.stdin))
    json.dump(asyncio.run(Sender(asked).send_all()), sys.stdout)
