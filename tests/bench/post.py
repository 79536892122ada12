"""The bare loop, a process of its own: POSTs the same bytes with the same client, and does nothing else.

With `get` each POST has a GET before it, with `accept` that one a POST of a webhook's bytes. Reads what to send as JSON
on standard input, prints how many a second were made and how many seconds each took.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from ipaddress import ip_network

import httpx
from httpx_aiohttp import AiohttpTransport

from results.outbound import GuardedClient

WARM_UP = 300


@dataclass(frozen=True, slots=True)
class Bare:
    """What the loop does: so many rounds, that many at once."""

    url: str
    body: str
    amount: int
    concurrency: int
    get: str = ""
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """How many rounds a second were made, and how long each took."""

    rate: float
    seconds: list[float]


def run_bare(bare: Bare) -> Done:
    """Let the loop run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.post"]
    done = subprocess.run(command, input=json.dumps(asdict(bare)), capture_output=True, text=True, check=True)
    return Done(**json.loads(done.stdout))


async def post_all(bare: Bare) -> Done:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "bare-id": "evt_01KABCDEFGHJKMNPQRSTVWXYZ0",
        "bare-timestamp": "1790000000",
        "bare-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        "x-paywitness-attempt": "1",
    }
    arrival = b'{"imp_uid": "imp_1234567890", "merchant_uid": "order-1234567890", "status": "paid"}'
    seconds: list[float] = []

    async def post_some(left: list[int]) -> None:
        while left[0] > 0:
            left[0] -= 1
            began = time.perf_counter()
            if bare.accept:
                reply = await client.post(bare.accept, headers={"content-type": "application/json"}, body=arrival)
                assert reply.status == 200, reply
            if bare.get:
                (await asking.get(bare.get, headers={"authorization": "Bearer bench"})).raise_for_status()
            reply = await client.post(bare.url, headers=headers, body=bare.body.encode())
            assert reply.status == 200, reply
            seconds.append(time.perf_counter() - began)

    transport = AiohttpTransport()
    async with (
        GuardedClient(allowed=(ip_network("127.0.0.0/8"),)) as client,
        httpx.AsyncClient(transport=transport, trust_env=False) as asking,
    ):
        await asyncio.gather(*(post_some([WARM_UP // bare.concurrency + 1]) for _ in range(bare.concurrency)))
        seconds.clear()
        left, started = [bare.amount], time.perf_counter()
        await asyncio.gather(*(post_some(left) for _ in range(bare.concurrency)))
        return Done(bare.amount / (time.perf_counter() - started), seconds)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(post_all(Bare(**json.load(sys.stdin)))))))
