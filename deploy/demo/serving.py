"""How does a small server run: as a process until a signal, or in a test as long as a `with` block?"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from aiohttp import web

Stop = Callable[[], None]
MakeApp = Callable[[], web.Application]
Announce = Callable[[str, Stop], None]

LOOPBACK = "127.0.0.1"


@contextmanager
def in_background(make_app: MakeApp) -> Iterator[str]:
    """Serve on a free loopback port from a thread with its own loop; yield the base URL, no final slash."""
    ready: Future[tuple[str, Stop]] = Future()
    thread = threading.Thread(target=_run_in_thread, args=(make_app, ready), daemon=True)
    thread.start()
    url, stop = ready.result(timeout=10)
    try:
        yield url
    finally:
        stop()
        thread.join(timeout=10)


def serve_until_signalled(make_app: MakeApp, *, bind: str) -> None:
    """Serve on `host:port` (port 0 picks one), print the URL as one line, stop on SIGTERM or SIGINT."""
    host, _, port = bind.rpartition(":")
    asyncio.run(_serve(make_app, host or LOOPBACK, int(port), _print_and_obey_signals))


def _run_in_thread(make_app: MakeApp, ready: "Future[tuple[str, Stop]]") -> None:
    try:
        asyncio.run(_serve(make_app, LOOPBACK, 0, lambda url, stop: ready.set_result((url, stop))))
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _serve(make_app: MakeApp, host: str, port: int, announce: Announce) -> None:
    # Handlers that hang on purpose must die with their client, and must not hold up the end of a test.
    runner = web.AppRunner(make_app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        await web.TCPSite(runner, host, port).start()
        announce(f"http://{host}:{runner.addresses[0][1]}", lambda: _call_in(loop, stopped.set))
        await stopped.wait()
    finally:
        await runner.cleanup()


def _call_in(loop: asyncio.AbstractEventLoop, callback: Stop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)


def _print_and_obey_signals(url: str, stop: Stop) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    print(f"listening on {url}", flush=True)
