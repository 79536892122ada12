"""Close a merchant: write down everything that is its own, read that again, and only then shred its keys.

Run again after a crash at any step, it completes what is missing. A closed merchant is never opened again.
"""

import hashlib
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from results.close import close
from results.core.ids import decode
from results.export import ExportBroken, count_rows, export
from tenants.models import Merchant

ACTOR = "manage.py close_merchant"


class Command(BaseCommand):
    help = "Export everything that is a merchant's to a ZIP file, then close it and shred its keys for ever."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", required=True, help="mer_…, as create_merchant printed it")
        parser.add_argument("--export", type=Path, metavar="FILE", help="a ZIP file that does not exist yet")
        parser.add_argument("--yes", action="store_true", help="do not ask for the merchant's name")
        parser.add_argument("--dry-run", action="store_true", help="show what would be exported, and change nothing")

    def handle(self, *, merchant: str, export: Path | None, yes: bool, dry_run: bool, **options: Any) -> None:
        row = find_merchant(merchant)
        if dry_run:
            self.stdout.write(f"{row.name} would be exported with these rows, and closed:\n{as_table(count_rows(row))}")
        elif row.closed_at:
            close(row, actor=ACTOR, at=datetime.now(UTC))
            self.stdout.write(
                f"{row.name} was closed at {row.closed_at:%Y-%m-%d %H:%M} UTC; nothing of it is left open"
            )
        else:
            check_file(export)
            assert export is not None  # refused above
            self.confirm(row, yes=yes)
            self.export_and_close(row, export)

    def confirm(self, merchant: Merchant, *, yes: bool) -> None:
        """Ask for the merchant's name unless --yes was given; CommandError when it is not typed."""
        if yes:
            return
        self.stdout.write(f"{merchant.name}: its keys will be gone for ever, and its URLs will answer 404.")
        try:
            typed = input("Type the merchant's name to close it: ")
        except EOFError:
            typed = ""
        if typed.strip() != merchant.name.strip():
            raise CommandError("That is not its name; nothing was changed. (--yes closes it without asking.)")

    def export_and_close(self, merchant: Merchant, path: Path) -> None:
        at = datetime.now(UTC)
        try:
            written = export(merchant, path, at=at)
        except (ExportBroken, OSError) as error:
            raise CommandError(
                f"--export: {error}; nothing was closed or shredded. Mend it and run this again."
            ) from error
        self.stdout.write(
            f"{path} was written and read again:\n{as_table({name: one.rows for name, one in written.items()})}"
        )
        if unopened := sum(one.unopened for one in written.values()):
            self.stderr.write(f"{unopened} sealed values did not open with SEALING_KEYS and are null in the file")
        close(merchant, actor=ACTOR, at=datetime.now(UTC), export=digest_of(path))
        self.stdout.write(f"{merchant.name} is closed, and its keys are shredded. Backups from before still hold them.")


def find_merchant(text: str) -> Merchant:
    id_ = decode(text, prefix="mer")
    row: Merchant | None = Merchant.objects.filter(id=id_).first() if id_ else None
    if row is None:
        raise CommandError("--merchant: no such merchant; give the id that begins with mer_")
    return row


def check_file(path: Path | None) -> None:
    if path is None:
        raise CommandError("--export: give a file for everything that is the merchant's; its keys are gone afterwards")
    if path.exists():
        raise CommandError(f"--export: {path} exists already and is not written over; give another name")
    if not path.parent.is_dir():
        raise CommandError(f"--export: there is no folder {path.parent}")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_table(rows: dict[str, int]) -> str:
    return "\n".join(f"{count:>12,}  {name}" for name, count in rows.items())
