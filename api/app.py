"""The API's front door: one NinjaAPI with our authentication and our way of saying what is wrong."""

from ninja import NinjaAPI

from api import errors
from api.auth import KeyAuth
from api.orders import router as orders

api = NinjaAPI(
    title="Paywitness",
    version="1",
    urls_namespace="api",
    auth=KeyAuth(),
    docs_url=None,  # its pages come from a CDN; ours follow with the whole API
    openapi_url=None,
)
errors.install(api)
api.add_router("/orders", orders)
