"""PortOne's V1 API, a process of its own and as fast as can be: every payment that is asked for is paid by card.

It keeps no state: `imp_7` pays `order-7`. Lists for sweeps are empty.
`GET /counts` tells how many calls of each kind came, `GET /forget` begins anew, `GET /latency/0.05` delays the answers.
"""

import asyncio
import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
HEAD_ENDS = b"\r\n\r\n"
NAMED = re.compile(r"imp_uid(?:\[\]|\[\d+\])?=([^&]+)")
KINDS = (  # the longest beginnings first
    ("/users/getToken", "token"),
    ("/payments/prepare", "prepare"),
    ("/payments/status/", "list"),
    ("/payments/findAll/", "find_all"),
    ("/payments/", "single"),
    ("/payments", "batch"),
)
AMOUNT = 64_900  # won, of every payment
ASKING = ("single", "batch", "find_all")  # what payments cost; the rest is bought once, or goes by the clock

counts: Counter[str] = Counter()
latency = [0.0]


def payment(imp_uid: str) -> dict[str, Any]:
    number, now = int(imp_uid.removeprefix("imp_")), int(time.time())
    return {
        "imp_uid": imp_uid,
        "merchant_uid": f"order-{number}",
        "status": "paid",
        "amount": AMOUNT,
        "cancel_amount": 0,
        "currency": "KRW",
        "pay_method": "card",
        "channel": "pc",
        "pg_provider": "html5_inicis",
        "pg_id": "bench",
        "pg_tid": f"tid_{number}",
        "apply_num": "30041234",
        "card_code": "361",
        "card_name": "BC카드",
        "card_number": "465887******1234",
        "card_quota": 0,
        "card_type": 0,
        "name": "주문",
        "buyer_name": "홍길동",
        "buyer_email": "buyer@shop.example",
        "custom_data": None,
        "started_at": now - 30,
        "paid_at": now,
        "failed_at": 0,
        "cancelled_at": 0,
        "cancel_history": [],
        "receipt_url": f"https://receipt.example/{number}",
        "sandbox": False,
    }


def answer(target: str) -> Any:
    """Return the body of an answer, and count what was asked."""
    path, _, query = target.partition("?")
    if path == "/counts":
        return counts
    if path == "/forget":
        return counts.clear()
    if path.startswith("/latency/"):
        latency[0] = float(path.rpartition("/")[2])
        return None
    kind = next(kind for begins, kind in KINDS if path.startswith(begins))
    counts[kind] += 1
    return {"code": 0, "message": None, "response": RESPONSES[kind](path.rpartition("/")[2], unquote_plus(query))}


def token(_name: str, _query: str) -> dict[str, Any]:
    now = int(time.time())
    return {"access_token": "bench", "now": now, "expired_at": now + 1800}


RESPONSES: dict[str, Callable[[str, str], Any]] = {
    "token": token,
    "prepare": lambda name, query: {},
    "list": lambda name, query: {"total": 0, "previous": 0, "next": 0, "list": []},
    "find_all": lambda name, query: {"total": 1, "list": [payment(name.replace("order-", "imp_"))]},
    "single": lambda name, query: payment(name),
    "batch": lambda name, query: [payment(imp_uid) for imp_uid in NAMED.findall(query)],
}


class PortOneWire(asyncio.Protocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while True:
            head, ends, rest = self.waiting.partition(HEAD_ENDS)
            length = LENGTH.search(head)
            size = int(length[1]) if length else 0
            if not ends or len(rest) < size:
                return
            self.waiting = rest[size:]
            self.reply(head.split(maxsplit=2)[1].decode("ascii"))

    def reply(self, target: str) -> None:
        body = json.dumps(answer(target)).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        if latency[0]:
            asyncio.get_running_loop().call_later(latency[0], self.transport.write, head + body)
        else:
            self.transport.write(head + body)


async def serve() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(PortOneWire, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
