"""The API's front door: one NinjaAPI with our authentication and our way of saying what is wrong."""

from ninja import NinjaAPI

from api import errors
from api.auth import needs
from api.bodies import BodyParser
from api.credentials import router as credentials
from api.deliveries import router as deliveries
from api.endpoints import router as endpoints
from api.events import router as events
from api.me import router as me
from api.orders import router as orders
from api.payments import router as payments
from api.replays import router as replays
from api.route_keys import router as route_keys
from api.settings import router as settings

api = NinjaAPI(
    title="Paywitness",
    version="1",
    urls_namespace="api",
    auth=needs(None),
    parser=BodyParser(),
    docs_url=None,
    openapi_url=None,
)
errors.install(api)
api.add_router("/me", me)
api.add_router("/orders", orders)
api.add_router("/payments", payments)
api.add_router("/events", events)
api.add_router("/deliveries", deliveries)
api.add_router("/replays", replays)
api.add_router("/endpoints", endpoints)
api.add_router("/credentials", credentials)
api.add_router("/route-keys", route_keys)
api.add_router("/settings", settings)
