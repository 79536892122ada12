"""In which ways may a server misbehave, for whom, where and how often?

A fault is taken by the first request that it fits. `after=True` lets the work be done first and only the
answer go wrong, which is how duplicates are born.
"""

import asyncio
import json
import threading
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, get_args

from aiohttp import web

Kind = Literal["latency", "status", "html", "close", "hang", "endless", "bomb"]

HANG_SECONDS = 3600.0
BOMB_MEBIBYTES = 64
HTML = "<!doctype html><title>점검 중</title><h1>서비스 점검 중입니다</h1>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave.

    `where` names endpoints and `who` an account or an order; empty means all. `times` counts down; None means
    until cleared. `seconds` is how long latency and hang last, and the pause within an endless body. A bomb is a
    small gzip body that unpacks to very much.
    """

    kind: Kind
    status: int = 500
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    where: tuple[str, ...] = ()
    who: str = ""
    times: int | None = None
    after: bool = False

    @property
    def name(self) -> str:
        return str(self.status) if self.kind == "status" else self.kind

    def fits(self, *, where: str, who: str) -> bool:
        return (not self.where or where in self.where) and self.who in ("", who)


class Faults:
    """The faults that are in force, in the order in which they were set; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._met: Counter[str] = Counter()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def remove(self, fault: Fault) -> None:
        """End one that was not counted down meanwhile; the others stay."""
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def take(self, *, where: str, who: str = "") -> Fault | None:
        """Return the first fault that fits this request, counting it down."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.fits(where=where, who=who):
                    self._count_down(index, fault)
                    self._met[fault.name] += 1
                    return fault
        return None

    def met(self) -> Counter[str]:
        """Return how many requests met a fault, by its kind or the status that it answered."""
        with self._lock:
            return Counter(self._met)

    def _count_down(self, index: int, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times <= 1:
            del self._faults[index]
        else:
            self._faults[index] = replace(fault, times=fault.times - 1)


def fault_from_json(data: Mapping[str, Any]) -> Fault:
    """Read a fault from a control request; raise ValueError or TypeError when it makes no sense."""
    if data.get("kind") not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
    where = data.get("where") or ()
    return Fault(**{**data, "where": (where,) if isinstance(where, str) else tuple(where)})


async def answer_with(
    fault: Fault | None, request: web.Request, work: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Do the work and answer, or misbehave as the fault says."""
    if fault is None:
        return await work()
    if fault.kind == "latency":
        await asyncio.sleep(fault.seconds)
        return await work()
    if fault.after:
        await work()
    return await _misbehave(fault, request)


async def _misbehave(fault: Fault, request: web.Request) -> web.StreamResponse:
    match fault.kind:
        case "html":
            return web.Response(status=fault.status, text=fault.body or HTML, content_type="text/html")
        case "close":
            return _hang_up(request)
        case "hang":
            await asyncio.sleep(fault.seconds or HANG_SECONDS)
            return _hang_up(request)
        case "endless":
            return await _talk_for_ever(request, fault)
        case "bomb":
            return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})
        case _:
            return _plain(fault)


def _plain(fault: Fault) -> web.Response:
    body = fault.body
    if body is None:
        body = json.dumps({"code": -1, "message": f"simulated {fault.status}", "response": None})
    return web.Response(status=fault.status, text=body, headers=fault.headers, content_type="application/json")


@cache
def _bomb() -> bytes:
    pack = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    packed = [pack.compress(bytes(1 << 20)) for _ in range(BOMB_MEBIBYTES)]
    return b"".join([*packed, pack.flush()])


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _talk_for_ever(request: web.Request, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(status=200, headers=fault.headers)
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 65536)
            await asyncio.sleep(fault.seconds)
    except ConnectionError:
        return response
