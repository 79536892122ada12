"""Background jobs that are no duties: what runs by the clock, or later, and once. PgQueuer, in the public schema."""

import asyncio


async def run(conninfo: str, stop: asyncio.Event) -> None:
    await stop.wait()
