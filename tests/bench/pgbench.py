"""What PostgreSQL alone makes of an arrival's statement: the bound of webhooks, whatever web server is before it."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection

from config import embedded
from results.receive import NOTED
from tenants.models import RouteKey
from tests.bench.figures import Figure
from tests.bench.world import Stall, forget_duties

CLIENTS = 8  # as many connections as the web side has threads
VALUE = re.compile(r"%\((\w+)\)s")
VALUES = {
    "id": "uuidv7()",
    "kind": "'webhook'",
    "at": "now()",
    "imp_uid": "'imp_' || :number",
    "merchant_uid": "'order-' || :number",
    "claim": """'{"status": "paid"}'::jsonb""",
    "address": "'127.0.0.1'::inet",
    "page": "NULL",
    "raw": "decode(repeat('5e', 120), 'hex')",
    "raw_expires_at": "now() + interval '30 days'",
    "settled_at": "NULL",
    "from_portone": "false",
    "verify": "true",
}


def measure(stalls: Sequence[Stall], *, rounds: int, seconds: float) -> Figure:
    """Return the rates at which pgbench runs the statement for these merchants in turns, prepared."""
    figure = Figure("pgbench's arrivals")
    with TemporaryDirectory() as folder:
        for number, stall in enumerate(stalls):
            Path(folder, f"{number}.sql").write_text(script(stall))
        figure.rates.extend(_run(folder, len(stalls), seconds) for _ in range(rounds))
    forget_duties()
    return figure


def script(stall: Stall) -> str:
    """Return the product's own statement with the values of a webhook in it."""
    route = stall.route
    key = RouteKey.objects.get(key=stall.webhook_key).id
    own = {"route_key": key, "merchant": route.merchant_id, "mode": route.mode, "lane": route.lane}
    values = VALUES | {name: f"'{value}'" for name, value in own.items()}
    statement = VALUE.sub(lambda found: values[found[1]], NOTED.format(schema=f'"{route.schema}"'))
    return f"\\set number random(1, 1000000000)\n{statement.strip()};\n"


def _run(folder: str, scripts: int, seconds: float) -> float:
    programs = embedded._find_binaries(embedded.find_cluster())
    url = connection.get_connection_params()
    command = [str(programs / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2"]
    command += [f"--time={max(1, round(seconds))}", *(f"--file={folder}/{number}.sql" for number in range(scripts))]
    command += [f"--host={url['host']}", f"--port={url['port']}", f"--username={url['user']}", url["dbname"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert rate, done.stdout
    return float(rate[1])
