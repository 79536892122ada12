"""The bare view: what Django and PostgreSQL do at the least to keep a request. Same server, same middleware."""

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


urlpatterns = [*ours, path("bare", bare)]
