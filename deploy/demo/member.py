"""`python -m deploy.demo.member MERCHANT`: let somebody into the dashboard of the demo's merchant; prints JSON, once.

The owner gets a password made for this run, whatever became of the account in earlier ones. In test mode the keys are
entered and an endpoint is made, so that what remains of getting started can be done from the page.
"""

import argparse
import json
import os
import secrets
from datetime import UTC, datetime
from typing import Any

import django

from .leftovers import OWNER


def let_in() -> str:
    """Give the owner a new password and nothing else to be asked for: no second factor, no letter. Return it."""
    from allauth.account.models import EmailAddress
    from allauth.mfa.models import Authenticator

    from tenants.models import User

    owner, password = User.objects.get(email=OWNER), secrets.token_hex(6)
    owner.set_password(password)
    owner.save(update_fields=["password"])
    Authenticator.objects.filter(user=owner).delete()
    EmailAddress.objects.filter(user=owner).delete()
    EmailAddress.objects.create(user=owner, email=OWNER, verified=True, primary=True)
    return password


def prepare_test_mode(merchant: str, *, callback_url: str, **keys: Any) -> str:
    """Enter PortOne's keys and the shop's address in test mode; return the signing secret of the endpoint."""
    from results.core.ids import decode
    from results.endpoints import create_endpoint
    from results.set_up import enter_keys
    from results.try_keys import KeysTaken
    from tenants.routing import find_mode, inside

    id_ = decode(merchant, prefix="mer")
    at, route = datetime.now(UTC), find_mode(id_, "test") if id_ else None
    assert route
    with inside(route.schema):
        tried = enter_keys(route, tier="", **keys, actor=OWNER, at=at)
        assert isinstance(tried, KeysTaken), tried
        _, secret = create_endpoint(route, url=callback_url, actor=OWNER, at=at)
    return secret.to_text()


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.demo.member", description=__doc__)
    parser.add_argument("merchant")
    for name in ("--imp-key", "--imp-secret", "--user-code", "--callback-url"):
        parser.add_argument(name, required=True)
    wanted = vars(parser.parse_args())
    print(json.dumps({"email": OWNER, "password": let_in(), "signing_secret": prepare_test_mode(**wanted)}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main()
