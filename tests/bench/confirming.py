"""How many of PortOne's questions before an approval are answered, beside a bare view that makes one SELECT.

Every order that is asked about is registered with the amount that is asked about, so each answer is an approval.
"""

from collections.abc import Sequence

from django.db import connection

from tenants.fields import new_id
from tests.bench.figures import Figure
from tests.bench.load import Load, run_load
from tests.bench.portone import AMOUNT
from tests.bench.world import Stall, register_orders, web

NUMBER = 1  # of the order that every merchant has
BODY = f'{{"imp_uid": "imp_100000000000", "merchant_uid": "order-{NUMBER}", "amount": {AMOUNT}, "currency": "KRW"}}'


def measure(stalls: Sequence[Stall], *, rounds: int, seconds: float) -> tuple[Figure, Figure]:
    """Return the rates of answers and of the bare view, taken in turns."""
    answers, bare = Figure("confirmations"), Figure("bare SELECT")
    for stall in stalls:
        register_orders([stall], [NUMBER])
    targets = [f"/m/{stall.browser_key}/confirm" for stall in stalls]
    with web() as port:
        ours = Load(port, targets, BODY, status=200, seconds=seconds)
        theirs = Load(port, make_rows(len(stalls)), BODY, status=200, seconds=seconds)
        for load in (ours, theirs):  # Each route is looked up once by each process, and connections are made.
            run_load(load)
        for _ in range(rounds):
            bare.rates.append(run_load(theirs).rate)
            answers.rates.append(run_load(ours).rate)
    return answers, bare


def make_rows(amount: int) -> list[str]:
    """Write rows for the bare view to find; return their addresses."""
    ids = [new_id() for _ in range(amount)]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO public.bench_bare (id, body) VALUES (%s, '')", [[id_] for id_ in ids])
    return [f"/bare/{id_}" for id_ in ids]
