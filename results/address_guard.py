"""Which addresses may be dialled? Judged where it happens: in the resolver, and again in the socket factory.

A name is refused if any of its addresses is; a literal address, or a name that changed since, meets the socket factory.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from results.core.target import (
    Networks,
    Target,
    forbidden_connection,
    literal,
)

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a name and a port, gives addresses as text; raises `socket.gaierror` when there are none."""


class ForbiddenAddress(OSError):
    """The address that was to be dialled is not open to callbacks."""


class SystemResolver:
    """The machine's resolver, in threads of its own.

    A name server that hangs holds a thread until the system gives up on it, and must not take one from the
    database's work or from the event loop's default pool, which has six on two cores. As many threads as there are
    calls in flight, lest the names of one merchant hold up everybody's; they are begun only when they are needed.
    """

    def __init__(self, *, threads: int = 500) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return list(dict.fromkeys(_address_of(entry[4]) for entry in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Refuses a name as soon as one of its addresses is forbidden: the others are bait."""

    def __init__(self, resolver: Resolver, *, allowed: Networks) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolver(host, port)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        for address in addresses:
            refuse_forbidden(address, port, self._allowed)
        return [_resolved(host, address, port) for address in addresses]

    async def check(self, target: Target) -> None:
        """Judge every address of a target that somebody else, our proxy, is going to dial."""
        if literal(target.host) is not None:
            refuse_forbidden(target.host, target.port, self._allowed)
        else:
            await self.resolve(target.host, target.port)

    async def close(self) -> None:
        """Leave the resolver to whoever made it."""


def refuse_forbidden(address: str, port: int, allowed: Networks) -> None:
    if reason := forbidden_connection(address, port=port, allowed=allowed):
        raise ForbiddenAddress(reason)


def guarded_socket(info: aiohttp.AddrInfoType, *, allowed: Networks) -> socket.socket:
    """Make the socket for one connection, having judged the very address it is for.

    Addresses written in a URL never pass a resolver, and a cached name may have been judged a while ago.
    """
    family, kind, protocol, _, address = info
    refuse_forbidden(_address_of(address), address[1], allowed)
    return socket.socket(family, kind, protocol)


def guarded_connector(resolver: GuardedResolver, *, allowed: Networks, **options: Any) -> aiohttp.TCPConnector:
    """Return a pool of connections (options: aiohttp's) that dials no forbidden address in any spelling."""
    guard = partial(guarded_socket, allowed=allowed)
    return aiohttp.TCPConnector(resolver=resolver, socket_factory=guard, **options)


def _address_of(sockaddr: Sequence[Any]) -> str:
    """Return the address with its zone, which IPv6 keeps in a field of its own."""
    host = str(sockaddr[0])
    zone = sockaddr[3] if len(sockaddr) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
