"""Whose key is this, and what may it do?"""

from typing import Literal

from django.http import HttpRequest
from ninja import Router, Schema

from api.auth import caller_of, needs
from api.schemas import Moment
from results.core.ids import encode
from results.core.result import written_time

router = Router(tags=["me"])


class Me(Schema):
    """A key of the API, as itself sees it."""

    object: Literal["api_key"]
    key: str
    name: str
    merchant: str
    merchant_name: str
    livemode: bool
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None


@router.get("", response=Me, auth=needs(None), operation_id="getMe", summary="Read your key")
def get(request: HttpRequest) -> dict[str, object]:
    """Say which key this is, of which merchant and mode, and what it may do. Any key may ask."""
    caller = caller_of(request)
    return {
        "object": "api_key",
        "key": caller.prefix,
        "name": caller.name,
        "merchant": encode("mer", caller.route.merchant_id),
        "merchant_name": caller.route.name,
        "livemode": caller.route.livemode,
        "scopes": sorted(caller.scopes),
        "created_at": written_time(caller.created_at),
        "expires_at": written_time(caller.expires_at),
    }
