"""How does a whole Paywitness come up on one machine, with a PortOne and a shop around it?"""

import asyncio
import base64
import hashlib
import json
import os
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from .leftovers import NAME, OWNER, have_been_left
from .place import CHECKOUT, Database, Place, choose_port
from .players import Browser, PortOneDesk, Till, WentWrong
from .processes import Processes, wait_until_up
from .simulator.payment import DEMO_BUYER_EMAIL, DEMO_BUYER_NAME, DEMO_BUYER_TEL
from .stage import Stage

MODE = "live"
SCRIPT = CHECKOUT / "results" / "script" / "paywitness-1.js"
# The demo waits for nobody longer than it must; an installation keeps its patient defaults.
HASTE = {"CLAIM_DELAY": "2s", "DEPOSIT_GRACE": "5s", "SWEEP_INTERVAL": "2s"}
# What a shell may have set for another installation would lead this one astray. Empty means: not set.
NOT_OURS = ("DATABASE_URL_FILE", "DEBUG", "EMAIL_URL", "METRICS_BIND", "OUTBOUND_PROXY", "TRUSTED_PROXY_COUNT")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everybody listens, always on the loopback address."""

    web: str
    simulator: str
    shop: str
    web_metrics: str
    worker_metrics: str

    @classmethod
    def choose(cls, place: Place, *, web: int | None, simulator: int | None, shop: int | None) -> "Addresses":
        """Take the ports that were asked for, else the usual ones, one further for each demo that runs already."""
        wanted = ((web, 8000), (simulator, 8100), (shop, 8200), (None, 8300), (None, 8400))
        ports = [choose_port(port, usual=usual + place.number - 1) for port, usual in wanted]
        return cls(*(f"http://127.0.0.1:{port}" for port in ports))

    @property
    def return_url(self) -> str:
        return f"{self.shop}/orders/complete"


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that runs. `facts` is what create_merchant printed, keys included, `member` who may look at it."""

    addresses: Addresses
    stage: Stage
    facts: Mapping[str, str] = field(repr=False)
    member: Mapping[str, str] = field(repr=False)
    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)
    user_code: str

    @property
    def for_guide(self) -> dict[str, str]:
        """Return what the curl lines of the developers' guide are to be told."""
        return {
            "PAYWITNESS": self.addresses.web,
            "PAYWITNESS_KEY": self.facts["api_key"],
            "SHOP": self.addresses.shop,
            "SIMULATOR": self.addresses.simulator,
            "USER_CODE": self.user_code,
            "REDIRECT_URL": self.facts["redirect_url"],
        }

    @property
    def secrets(self) -> dict[str, str]:
        """Return what may stand in no log and no table, by name."""
        signing_key = self.facts["signing_secret"].removeprefix("whsec_")
        return {
            "the buyer's name": DEMO_BUYER_NAME,
            "the buyer's e-mail address": DEMO_BUYER_EMAIL,
            "the buyer's telephone number": DEMO_BUYER_TEL,
            "the PortOne key": self.imp_key,
            "the PortOne secret": self.imp_secret,
            "the signing secret": signing_key,
            "the signing secret's bytes": base64.b64decode(signing_key).hex(),
            "the API key": self.facts["api_key"],
            "the return key": self.facts["return_key"],
            "the order key": self.facts["order_key"],
            "the password": self.member["password"],
        }


def settings_of(addresses: Addresses, database: Database) -> dict[str, str]:
    """Return what makes a process of Paywitness one of this demo."""
    return (
        dict.fromkeys(NOT_OURS, "")
        | HASTE
        | {
            "ENVIRONMENT": "development",
            "DATABASE_URL": database.url,
            "PUBLIC_URL": addresses.web,
            "RESULT_URL": addresses.web,
            "BIND": addresses.web.removeprefix("http://"),
            "PORTONE_V1_URL": addresses.simulator,
            "CALLBACK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
    )


def environment(addresses: Addresses, database: Database) -> dict[str, str]:
    """Return what every process of the demo is told."""
    return dict(os.environ) | settings_of(addresses, database) | {"LOG_LEVEL": "INFO", "PYTHONUNBUFFERED": "1"}


def write_for_shell(file: Path, values: Mapping[str, str]) -> None:
    """Write values down for a shell, so that whoever tries the demo can run commands on it; for their eyes alone."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
    file.touch(mode=0o600)
    file.write_text("".join(lines))


async def install(
    processes: Processes, addresses: Addresses, database: Database, http: httpx.AsyncClient
) -> Installation:
    """Start everything and make one merchant whose shop and PortOne account know each other."""
    simulator = await processes.start("simulator", "-m", "deploy.demo.simulator", "--bind", _bind(addresses.simulator))
    shop = await processes.start("shop", "-m", "deploy.demo.shop", "--bind", _bind(addresses.shop))
    await processes.run("migrate", "manage.py", "migrate")
    if await asyncio.to_thread(have_been_left, database.url):  # before a worker could begin with them
        await processes.run("leftovers", "-m", "deploy.demo.leftovers")
    bind = ("--bind", _bind(addresses.web))
    web = await processes.start("web", "manage.py", "serve", *bind, METRICS_BIND=_bind(addresses.web_metrics))
    await processes.start("worker", "manage.py", "worker", METRICS_BIND=_bind(addresses.worker_metrics))
    imp_key, imp_secret = f"demo-{secrets.token_hex(6)}", secrets.token_hex(40)
    desk = PortOneDesk(addresses.simulator, imp_key, http)
    # PortOne knows the merchant first: keys that it refuses once are left alone for a while.
    await wait_until_up(simulator, f"{addresses.simulator}/_control/health", http)
    user_code = f"imp{int(time.time()) % 100_000_000:08d}"
    await desk.add_account(imp_secret=imp_secret, user_code=user_code)
    facts = await _create_merchant(processes, addresses, imp_key=imp_key, imp_secret=imp_secret)
    member = await _let_member_in(processes, addresses, replace(desk, imp_key=f"{imp_key}-test"), facts, imp_secret)
    await wait_until_up(shop, f"{addresses.shop}/_control/health", http)
    await wait_until_up(web, f"{addresses.web}/healthz", http)
    stage = _set_stage(addresses, facts, desk, http)
    await _introduce(stage, addresses, facts, member, user_code=user_code)
    return Installation(addresses, stage, facts, member, imp_key, imp_secret, user_code)


async def _create_merchant(
    processes: Processes, addresses: Addresses, *, imp_key: str, imp_secret: str
) -> dict[str, str]:
    printed = await processes.run(
        "create_merchant",
        *("manage.py", "create_merchant", "--json", "--mode", MODE),
        *("--name", NAME, "--owner-email", OWNER),
        *("--imp-key", imp_key, "--imp-secret", imp_secret),
        *("--callback-url", f"{addresses.shop}/callback", "--return-url", addresses.return_url),
        *("--origin", addresses.shop),
    )
    return dict(json.loads(printed))


async def _let_member_in(
    processes: Processes, addresses: Addresses, desk: PortOneDesk, facts: Mapping[str, str], imp_secret: str
) -> dict[str, str]:
    """Let the owner into the dashboard, with an account at PortOne of their own to try test mode with."""
    user_code = f"imp{int(time.time() + 1) % 100_000_000:08d}"
    await desk.add_account(imp_secret=imp_secret, user_code=user_code)
    printed = await processes.run(
        "member",
        *("-m", "deploy.demo.member", facts["merchant"], "--callback-url", f"{addresses.shop}/callback"),
        *("--imp-key", desk.imp_key, "--imp-secret", imp_secret, "--user-code", user_code),
    )
    return dict(json.loads(printed))


def _set_stage(addresses: Addresses, facts: Mapping[str, str], desk: PortOneDesk, http: httpx.AsyncClient) -> Stage:
    async def register(order: str, price: int) -> None:
        answer = await http.put(
            f"{addresses.web}/api/v1/orders/{order}",
            json={"amount": price, "currency": "KRW"},
            headers={"Authorization": f"Bearer {facts['api_key']}"},
        )
        if not answer.is_success:
            raise WentWrong(f"registering the order was answered {answer.status_code}")

    return Stage(
        desk=desk,
        till=Till(addresses.shop, http),
        browser=Browser(addresses.web, addresses.return_url, http),
        redirect_url=facts["redirect_url"],
        register=register,
    )


async def _introduce(
    stage: Stage, addresses: Addresses, facts: Mapping[str, str], member: Mapping[str, str], *, user_code: str
) -> None:
    """Enter into PortOne's console and the shop's settings what a merchant would paste there."""
    await stage.desk.changes_account(notice_url=facts["webhook_url"])
    keys = {name: facts[name] for name in ("merchant", "mode", "return_key", "order_key")}
    await stage.till.settings(
        **keys,
        signing_secret=[facts["signing_secret"], member["signing_secret"]],
        return_url=addresses.return_url,
        redirect_url=facts["redirect_url"],
        pay_url=f"{addresses.simulator}/pay",
        user_code=user_code,
        script_integrity=_integrity_of(SCRIPT),
    )


def _integrity_of(script: Path) -> str:
    """Return the hash that a shop copies from the guide into its page."""
    return f"sha384-{base64.b64encode(hashlib.sha384(script.read_bytes()).digest()).decode()}"


def _bind(url: str) -> str:
    return url.removeprefix("http://")
