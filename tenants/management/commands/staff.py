"""Make a person staff of this installation, or a staff person one like any other."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tenants.staff import NoSuchPerson, drop_staff, make_staff


class Command(BaseCommand):
    help = "Let a person open /staff/, or no more. A second factor is asked for there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--remove", action="store_true", help="make them a person like any other")

    def handle(self, *, email: str, remove: bool, **options: Any) -> None:
        if "@" not in email:
            raise CommandError(f"{email} is no e-mail address; such as name@shop.example.com")
        if remove:
            self._remove(email)
        else:
            self._make(email)

    def _make(self, email: str) -> None:
        user, is_new = make_staff(email, at=datetime.now(UTC))
        self.stdout.write(f"{user.email} is staff: {settings.PUBLIC_URL}/staff/")
        if is_new or not user.has_usable_password():
            self.stdout.write(f"They choose a password at {settings.PUBLIC_URL}/accounts/password/reset/")

    def _remove(self, email: str) -> None:
        try:
            drop_staff(email)
        except NoSuchPerson:
            raise CommandError(f"no staff person has the address {email}") from None
        self.stdout.write(f"{email} is no longer staff.")
