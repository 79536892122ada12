"""How many arrivals are accepted for good, beside a bare view behind the same server."""

from collections.abc import Sequence

from django.db import connection

from tests.bench.figures import Figure
from tests.bench.load import Load, run_load
from tests.bench.world import Stall, count_rows, forget_duties, web

BODY = '{"imp_uid": "%(imp_uid)s", "merchant_uid": "%(order)s", "status": "paid"}'
QUERY = "imp_uid=%(imp_uid)s&merchant_uid=%(order)s&imp_success=true"


def measure(stalls: Sequence[Stall], *, rounds: int, seconds: float) -> tuple[Figure, Figure, Figure]:
    """Return the rates of webhooks, landings and the bare view, taken in turns."""
    webhooks, landings, bare = Figure("webhooks"), Figure("landings"), Figure("bare view")
    answered, before = 0, count_rows(stalls, "notification")
    with web() as port:
        loads = _loads(stalls, port, seconds)
        for name in loads:  # Each route is looked up once by each process, and connections are made.
            answered += _send(loads[name], Figure("warm-up"), arrival=name != "bare")
        for _ in range(rounds):
            answered += _send(loads["bare"], bare, arrival=False)
            answered += _send(loads["webhook"], webhooks)
            answered += _send(loads["landing"], landings)
    check_all_kept(stalls, before, answered)
    return webhooks, landings, bare


def _loads(stalls: Sequence[Stall], port: int, seconds: float) -> dict[str, Load]:
    to_webhooks = [f"/webhook/{stall.webhook_key}" for stall in stalls]
    to_landings = [f"/m/{stall.browser_key}/complete?{QUERY}" for stall in stalls]
    return {
        "bare": Load(port, ["/bare"], BODY, status=200, seconds=seconds),
        "webhook": Load(port, to_webhooks, BODY, status=200, seconds=seconds),
        "landing": Load(port, to_landings, "", status=303, seconds=seconds),
    }


def _send(load: Load, figure: Figure, *, arrival: bool = True) -> int:
    outcome = run_load(load)
    figure.rates.append(outcome.rate)
    return outcome.answered if arrival else 0


def check_all_kept(stalls: Sequence[Stall], before: int, answered: int) -> None:
    """See to it that what was answered well is there, with its duty; then take the duties away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.tenants_duty WHERE kind = 'verify'")
        owed = cursor.fetchone()[0]
    forget_duties()
    noted = count_rows(stalls, "notification") - before
    if not answered == noted == owed:
        raise RuntimeError(f"{answered} were accepted, but {noted} notifications and {owed} duties are kept")
