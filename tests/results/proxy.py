"""A small egress proxy on loopback, at the wire: it tunnels (CONNECT) and forwards, and keeps what it was asked for."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

ASKED = re.compile(rb"(?P<method>[A-Z]+) (?:http://)?(?P<host>[^/ :]+)(?::(?P<port>[0-9]+))?(?P<path>/[^ ]*)? ")


@dataclass(slots=True)
class Proxy:
    """Leads every name to `upstream` on loopback; with `refuses` it answers that status instead."""

    upstream: int
    refuses: str = ""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            wanted = ASKED.match(head)
            assert wanted is not None
            self.asked.append((b"%s %s:%s" % (wanted["method"], wanted["host"], wanted["port"] or b"80")).decode())
            if self.refuses:
                writer.write(f"HTTP/1.1 {self.refuses}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
            else:
                await self._join(wanted, head, reader, writer)
        writer.close()

    async def _join(
        self, wanted: re.Match[bytes], head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_shop, to_shop = await asyncio.open_connection("127.0.0.1", self.upstream)
        if wanted["method"] == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            to_shop.write(b"%s %s " % (wanted["method"], wanted["path"] or b"/") + head[wanted.end() :])
        await asyncio.gather(_pour(reader, to_shop), _pour(from_shop, writer))


async def _pour(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await source.read(65536):
            drain.write(some)
            await drain.drain()
    drain.close()


@asynccontextmanager
async def proxy_to(upstream: int, *, refuses: str = "") -> AsyncIterator[Proxy]:
    proxy = Proxy(upstream, refuses)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
