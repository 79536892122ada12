"""How are the simulator's parts put behind one port?"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from aiohttp import web

from ..serving import in_background
from . import control, door, visits
from .console import Simulator
from .courier import Courier

LARGEST_BODY = 1 << 20


def make_app(sim: Simulator) -> web.Application:
    """Return the server for one simulator: PortOne's API, the control API and the pages."""
    courier = Courier(sim.outbox)
    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([*door.routes(sim), *control.routes(sim, courier), *visits.routes(sim, courier)])

    async def carry_notices(app: web.Application) -> AsyncIterator[None]:
        await courier.start()
        yield
        await courier.stop()

    app.cleanup_ctx.append(carry_notices)
    return app


def running(sim: Simulator) -> AbstractContextManager[str]:
    """Serve on a free loopback port in a background thread; the value of the `with` is the base URL."""
    return in_background(lambda: make_app(sim))
