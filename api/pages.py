"""The API's document for programs: the committed file, as it is."""

from functools import cache
from pathlib import Path
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

FILE: Final = Path(__file__).with_name("openapi.json")
KEPT: Final = "public, max-age=300"


@cache
def read_document() -> bytes:
    return FILE.read_bytes()


@require_safe
def openapi_document(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document; anybody may read it."""
    headers = {"Cache-Control": KEPT, "Access-Control-Allow-Origin": "*"}
    return HttpResponse(read_document(), content_type="application/json", headers=headers)
