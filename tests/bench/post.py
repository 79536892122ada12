"""The bare loop, a process of its own: POSTs the same bytes with the same client, and does nothing else.

Reads what to send as JSON on standard input, prints POSTs per second.
"""

import asyncio
import json
import sys
import time
from ipaddress import ip_network

from results.outbound import GuardedClient

WARM_UP = 300


async def post_all(*, url: str, body: str, amount: int, concurrency: int) -> float:
    """Return how many POSTs a second that many tasks make together."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "bare-id": "evt_01KABCDEFGHJKMNPQRSTVWXYZ0",
        "bare-timestamp": "1790000000",
        "bare-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        "x-paywitness-attempt": "1",
    }

    async def post_some(client: GuardedClient, left: list[int]) -> None:
        while left[0] > 0:
            left[0] -= 1
            reply = await client.post(url, headers=headers, body=body.encode())
            assert reply.status == 200, reply

    async with GuardedClient(allowed=(ip_network("127.0.0.0/8"),)) as client:
        await asyncio.gather(*(post_some(client, [WARM_UP // concurrency + 1]) for _ in range(concurrency)))
        left, started = [amount], time.perf_counter()
        await asyncio.gather(*(post_some(client, left) for _ in range(concurrency)))
        return amount / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(post_all(**json.load(sys.stdin)))))
