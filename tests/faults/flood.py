"""A flood of made-up webhooks, sent by a process of its own at a steady rate over keep-alive connections.

Reads one Flood as JSON on standard input, prints one Outcome as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

from tests.faults.processes import CHECKOUT

FIRST_ID = 700_000_000_000  # what the simulator hands out lies far below


@dataclass(frozen=True, slots=True)
class Flood:
    """So many webhooks about payments and orders that nobody ever made."""

    url: str
    amount: int
    seconds: float
    connections: int = 48


@dataclass(frozen=True, slots=True)
class Outcome:
    """How long it took to send them all, and how often each status answered."""

    seconds: float
    answers: dict[str, int]


def begin(flood: Flood) -> "subprocess.Popen[str]":
    """Let the flood begin."""
    command = [sys.executable, "-m", "tests.faults.flood"]
    sender = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sender.stdin is not None
    sender.stdin.write(json.dumps(asdict(flood)))
    sender.stdin.close()
    return sender


def outcome_of(sender: "subprocess.Popen[str]") -> Outcome:
    """Wait for the flood's end."""
    assert sender.stdout is not None
    told = sender.stdout.read()
    assert sender.wait() == 0
    return Outcome(**json.loads(told))


async def send_all(flood: Flood) -> Outcome:
    """Send each one at its moment, or as soon after it as a connection is free."""
    host, path = flood.url.removeprefix("http://").split("/", 1)
    name, port = host.split(":")
    numbers, answers = iter(range(flood.amount)), Counter[str]()
    begun = time.perf_counter()

    async def send_some() -> None:
        reader, writer = await asyncio.open_connection(name, int(port))
        for number in numbers:
            await asyncio.sleep(begun + number * flood.seconds / flood.amount - time.perf_counter())
            writer.write(_request(host, path, number))
            answers[await _status(reader)] += 1
        writer.close()

    await asyncio.gather(*(send_some() for _ in range(flood.connections)))
    return Outcome(time.perf_counter() - begun, dict(answers))


def _request(host: str, path: str, number: int) -> bytes:
    order = f"order_{20261121000000 + number}"
    body = json.dumps({"imp_uid": f"imp_{FIRST_ID + number}", "merchant_uid": order, "status": "paid"}).encode()
    lines = ("content-type: application/json", f"content-length: {len(body)}")
    return "\r\n".join((f"POST /{path} HTTP/1.1", f"host: {host}", *lines, "", "")).encode() + body


async def _status(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.split(":")[1]))
    return head[9:12]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(send_all(Flood(**json.load(sys.stdin)))))))
