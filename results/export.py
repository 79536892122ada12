"""Write down everything that is a merchant's, for the merchant to take along: one ZIP file, read again before trusted.

A folder of JSON Lines, one file for each table, and `manifest.json` with the rows and the SHA-256 of each. Columns
that seal secrets are left out, as are keys of every kind; what arrived and what PortOne answered is opened, and bytes
stand as text where they are text. Rows are read in batches of one moment's view, so memory stays the same.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from django.db.models import BinaryField, Field, Model, QuerySet

from results.core.ids import encode
from results.models import EndpointSecret, Forgetting
from tenants.encryption import SealingError, Vault
from tenants.fields import SealedField
from tenants.models import AuditEntry, CustomHost, Membership, Merchant, MerchantMode, TakenPayment
from tenants.routing import inside
from tenants.sealing import open_vault

FORMAT: Final = 1
ROWS_A_TIME: Final = 200  # of attempts with their bodies, some megabytes
MANIFEST: Final = "manifest.json"
# Keys and the marks of our own housekeeping; everything else of a merchant's schema goes along, new tables too.
LEFT_OUT: Final = (EndpointSecret, Forgetting)
ARRIVALS: Final = "results_notification"
ANSWERS: Final = "results_verification"
OPENED: Final = frozenset({f"{ARRIVALS}.raw", f"{ANSWERS}.raw"})
# Names an account to us alone, by our own secret.
NOT_THEIRS: Final = frozenset({"tenants_takenpayment.account"})


class ExportBroken(Exception):
    """The file that was written does not hold what it should; nothing may be shredded for it."""


@dataclass(slots=True)
class Written:
    """One table's file. `unopened` counts values that no key of the ring opened; they are null in it."""

    rows: int = 0
    sha256: str = ""
    unopened: int = 0


def tables_of(merchant: Merchant) -> list[QuerySet[Any]]:
    """Return the rows that are a merchant's, table by table, to be read inside its schema."""
    public: list[QuerySet[Any]] = [
        Merchant.objects.filter(id=merchant.id),
        MerchantMode.objects.filter(merchant=merchant),
        CustomHost.objects.filter(tenant=merchant),
        Membership.objects.filter(merchant=merchant),
        AuditEntry.objects.filter(merchant=merchant),
        TakenPayment.objects.filter(merchant=merchant.id),
    ]
    if merchant.state != Merchant.State.READY:  # its schema was never finished
        return public
    own = (model for model in apps.get_app_config("results").get_models() if model not in LEFT_OUT)
    return public + [model._default_manager.all() for model in own]


def count_rows(merchant: Merchant) -> dict[str, int]:
    """Return how many rows of each table an export would hold now."""
    with inside(merchant.schema_name):
        return {rows.model._meta.db_table: rows.count() for rows in tables_of(merchant)}


def export(merchant: Merchant, path: Path, *, at: datetime) -> dict[str, Written]:
    """Write the file, read it again, and only then give it its name; return what is in it, by table.

    Raises FileExistsError rather than write over anything, OSError, and ExportBroken. What a crash leaves behind ends
    in `.part`, and the next export to the same name begins it anew.
    """
    if path.exists():
        raise FileExistsError(path)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            written = _write(merchant, file, at=at)
            file.flush()
            os.fsync(file.fileno())
        if read_export(part) != written:
            raise ExportBroken(f"{part} reads otherwise than it was written")
        os.link(part, path)  # unlike a renaming, it replaces nothing
    finally:
        part.unlink(missing_ok=True)
    return written


def _write(merchant: Merchant, file: Any, *, at: datetime) -> dict[str, Written]:
    vault, written = _try_vault(merchant), dict[str, Written]()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, inside(merchant.schema_name):
        with transaction.atomic(), connection.cursor() as cursor:
            # One view of all tables: a payment is not without the event that tells of it.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for rows in tables_of(merchant):
                table = rows.model._meta.db_table
                written[table] = _write_table(archive, table, rows, vault)
        archive.writestr(MANIFEST, json.dumps(_manifest(merchant, written, at=at), ensure_ascii=False, indent=2))
    return written


def _manifest(merchant: Merchant, written: dict[str, Written], *, at: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "merchant": encode("mer", merchant.id),
        "name": merchant.name,
        "written_at": at.isoformat(),
        "tables": {table: {"file": _file_of(table)} | asdict(one) for table, one in written.items()},
    }


def _file_of(table: str) -> str:
    return f"{table}.jsonl"


def _write_table(archive: zipfile.ZipFile, table: str, rows: QuerySet[Any], vault: Vault | None) -> Written:
    written, digest = Written(), hashlib.sha256()
    with archive.open(_file_of(table), "w", force_zip64=True) as file:
        for row in read_in_batches(rows):
            values = {field.attname: _value(row, field, vault, written) for field in _fields(type(row))}
            line = json.dumps(values, ensure_ascii=False, default=str).encode() + b"\n"
            file.write(line)
            digest.update(line)
            written.rows += 1
    written.sha256 = digest.hexdigest()
    return written


def read_in_batches(rows: QuerySet[Any]) -> Iterator[Model]:
    """Yield rows by their primary key, a batch of them in memory at a time.

    No server-side cursor: behind a pooler of connections there is none.
    """
    batch = list(rows.order_by("pk")[:ROWS_A_TIME])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk).order_by("pk")[:ROWS_A_TIME])


def _fields(model: type[Model]) -> "list[Field[Any, Any]]":
    """Return the columns that may leave: of the sealed ones only those that are no secret of ours or theirs."""
    table = model._meta.db_table
    return [
        field
        for field in model._meta.concrete_fields
        if f"{table}.{field.attname}" not in NOT_THEIRS
        and (not isinstance(field, SealedField) or f"{table}.{field.attname}" in OPENED)
    ]


def _value(row: Model, field: "Field[Any, Any]", vault: Vault | None, written: Written) -> Any:
    value = getattr(row, field.attname)
    if isinstance(field, SealedField) and value is not None:
        value = _open(row, bytes(value), vault)
        written.unopened += value is None
    if isinstance(field, BinaryField) and value is not None:
        return as_text(bytes(value))
    return value.isoformat() if isinstance(value, datetime) else value


def _open(row: Model, sealed: bytes, vault: Vault | None) -> bytes | None:
    """Open one of OPENED; the tables are named, so that no other can ever be meant."""
    if vault is None:
        return None
    id_ = UUID(str(row.pk))
    try:
        if row._meta.db_table == ARRIVALS:
            return vault.open(sealed, table=ARRIVALS, field="raw", row=id_)
        return vault.open(sealed, table=ANSWERS, field="raw", row=id_)
    except SealingError:
        return None


def as_text(content: bytes) -> str | dict[str, str]:
    """Return bytes as the text that they are, else in hex, marked as such."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"hex": content.hex()}


def _try_vault(merchant: Merchant) -> Vault | None:
    try:
        return open_vault(merchant)
    except SealingError:
        return None


def read_export(path: Path) -> dict[str, Written]:
    """Read an export through and return what is in it; ExportBroken where it is not what its manifest says."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            return {table: _read_table(archive, entry) for table, entry in manifest["tables"].items()}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ExportBroken(f"{path} cannot be read ({type(error).__name__})") from error


def _read_table(archive: zipfile.ZipFile, entry: dict[str, Any]) -> Written:
    found, digest = Written(unopened=entry["unopened"]), hashlib.sha256()
    with archive.open(entry["file"]) as file:
        for line in file:
            json.loads(line)
            digest.update(line)
            found.rows += 1
    found.sha256 = digest.hexdigest()
    if (found.rows, found.sha256) != (entry["rows"], entry["sha256"]):
        raise ExportBroken(f"{entry['file']} does not hold what the manifest says")
    return found
