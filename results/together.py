"""Do with many at once what comes in while a step is under way: nobody waits for company, and a crowd goes together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Hands what is added to `step`, one call at a time, with all that came in meanwhile. `step` raises nothing."""

    def __init__(self, step: Callable[[list[T]], Awaitable[None]]) -> None:
        self._step = step
        self._waiting: list[T] = []
        self._running: asyncio.Task[None] | None = None

    def add(self, item: T) -> None:
        """Have it done with the next call."""
        self._waiting.append(item)
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._step(batch)
        finally:
            self._running = None
