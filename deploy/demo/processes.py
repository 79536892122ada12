"""How are the demo's processes started, watched and ended? Each by its own id, each with a log of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from .place import CHECKOUT, CannotGoOn

UP_SECONDS = 60.0
STOP_SECONDS = 20.0
TAIL_LINES = 10
LONGEST_LINE = 600


@dataclass(frozen=True, slots=True)
class Child:
    """One process that serves until it is ended."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


@dataclass(slots=True)
class Processes:
    """All that the demo runs. Leaving the `async with` ends them, newest first.

    `keep` is a descriptor that every child holds, so that what it locks stays locked while a child lives.
    """

    logs: Path
    environ: Mapping[str, str] = field(repr=False)
    keep: int
    children: list[Child] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.logs.mkdir(mode=0o700, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Web and worker first: what they hold in their hands still needs the two outsiders.
        for group in (self.children[2:], self.children[:2]):
            await asyncio.gather(*(end(child.process) for child in group))

    async def start(self, name: str, *arguments: str, **environ: str) -> Child:
        """Start a process that is to serve until the end; `environ` is for it alone."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = await self._spawn(arguments, stdout=output, stderr=output, environ=environ)
        child = Child(name, process, log)
        self.children.append(child)
        return child

    async def run(self, name: str, *arguments: str) -> str:
        """Run a command to its end and return what it printed; its errors go to the log."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = await self._spawn(arguments, stdout=asyncio.subprocess.PIPE, stderr=output)
        try:
            printed, _ = await process.communicate()
        finally:
            await end(process)
        if process.returncode:
            raise CannotGoOn(f"manage.py {name} {_cause_of_death(process.returncode)}.\n{tail(log)}")
        return printed.decode()

    async def _spawn(
        self,
        arguments: tuple[str, ...],
        *,
        stdout: IO[bytes] | int,
        stderr: IO[bytes],
        environ: Mapping[str, str] | None = None,
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=CHECKOUT,
            env={**self.environ, **(environ or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(self.keep,),
            # Ctrl-C in a terminal reaches a whole group: the demo alone is to hear it, and ends the others in order.
            start_new_session=True,
        )

    async def wait_until_one_dies(self) -> None:
        """Raise CannotGoOn as soon as a child ends although nobody asked it to."""
        while True:
            for child in self.children:
                if (code := child.process.returncode) is not None:
                    raise CannotGoOn(f"{child.name} {_cause_of_death(code)}.\n{tail(child.log)}")
            await asyncio.sleep(0.1)


async def wait_until_up(child: Child, url: str, http: httpx.AsyncClient) -> None:
    """Return when the child answers there; what ended before is reported by whoever watches."""
    try:
        async with asyncio.timeout(UP_SECONDS):
            while True:
                if await _answers(url, http):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        fault = f"{child.name} does not answer after {UP_SECONDS:g} s"
        raise CannotGoOn(f"{fault}.\n{tail(child.log)}") from None


async def _answers(url: str, http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.TransportError:
        return False


async def end(process: asyncio.subprocess.Process) -> None:
    """End one process by its id: with SIGTERM, and if that takes too long, for certain."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _cause_of_death(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended by itself with exit code {code}"


def tail(log: Path) -> str:
    """Return the last lines of a log under its name."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = []
    shown = os.path.relpath(log)
    return "\n    ".join([f"{shown} ends with:", *map(_shortened, lines)]) if lines else f"{shown} is empty."


def _shortened(line: str) -> str:
    """Keep a line's beginning, and its end, where a traceback names the error."""
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"
