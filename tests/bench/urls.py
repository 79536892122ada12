"""The bare views: what Django and PostgreSQL do at the least to keep a request, and to look one row up.

Same server, same middleware.
"""

from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as ours
from tenants.fields import new_id

TABLE = "CREATE TABLE IF NOT EXISTS public.bench_bare (id uuid PRIMARY KEY, body text NOT NULL)"


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    """Keep the body: one raw INSERT of one row, committed."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO public.bench_bare (id, body) VALUES (%s, %s)", [new_id(), request.body.decode()])
    return JsonResponse({"received": True})


@csrf_exempt
def bare_look(request: HttpRequest, id_: UUID) -> HttpResponse:
    """Answer whether there is such a row: one raw SELECT by its key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM public.bench_bare WHERE id = %s", [id_])
        return JsonResponse({"found": cursor.fetchone() is not None})


# At the front: finding the way to them is to cost nothing that ours are measured against.
urlpatterns = [path("bare", bare), path("bare/<uuid:id_>", bare_look), *ours]
