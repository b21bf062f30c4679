"""Orders deposited by a file, one a row: CSV or the first sheet of a workbook; and the template to fill."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from sons_tracker.api.contract import Answer, Contract, Example, File, may
from sons_tracker.api.files import receive
from sons_tracker.api.orders import BULK_ERRORS, KEY_HEADER, MOST_ORDERS, deposit_each
from sons_tracker.api.schemas.orders import BulkOut, OrderIn
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import MAX_BODY, idempotency_key
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.readers.apart import Limits, unpacked

COLUMNS = tuple(field.encode_name for field in msgspec.structs.fields(OrderIn))
_REQUIRED = tuple(field.encode_name for field in msgspec.structs.fields(OrderIn) if field.required)
_BOOLEANS = {"oui": True, "true": True, "1": True, "non": False, "false": False, "0": False}
_LARGEST = 2 * MAX_BODY
_LIMITS = Limits(30.0, 10, 320 << 20, _LARGEST, 4 * _LARGEST)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TEMPLATE = (";".join(COLUMNS) + "\n").encode()
_ROW = b"MS1-V1;990000010;990000028+990000036;LOGICIEL-1;2022-06-01;non;;BC-42;\n"


def read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Each order of a CSV (`;`, UTF-8) with its line: the members of an `OrderIn`, an empty cell left out.

    `essms` holds numbers joined by « + ». Whether a row is an order is said row by row, later.

    Raises:
        SonsError: `INVALID_FILE` for what is wrong with the file as a whole.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except UnicodeDecodeError:
        _refuse("Le fichier n'est pas en UTF-8.")
    except csv.Error:
        _refuse("Un guillemet s'ouvre ou se ferme au milieu d'une cellule.")
    header = rows[0][1] if rows else []
    if len(set(header)) < len(header) or set(header) - set(COLUMNS) or set(_REQUIRED) - set(header):
        _refuse(
            f"La première ligne nomme les colonnes : {', '.join(_REQUIRED)} ; et, si besoin,"
            f" {', '.join(name for name in COLUMNS if name not in _REQUIRED)}."
        )
    orders = [(line, _order(header, row)) for line, row in rows[1:] if any(row)]
    if not 1 <= len(orders) <= MOST_ORDERS:
        _refuse("Un fichier porte de 1 à 1 000 commandes.")
    return orders


def _order(header: list[str], row: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=False):
        if name == "essms" and cell:
            found[name] = [number.strip() for number in cell.split("+")]
        elif name == "already_equipped" and cell:
            found[name] = _BOOLEANS.get(cell.lower(), cell)
        elif cell:
            found[name] = cell
    if len(row) > len(header):
        found["cellules en trop"] = row[len(header) :]  # an unknown member, refused as such
    return found


def _refuse(message: str) -> NoReturn:
    raise SonsError(ErrorCode.INVALID_FILE, message, (Fault("$", message),))


@post(
    "/api/v1/orders/bulk/file",
    status_code=200,
    request_max_body_size=_LARGEST,
    opt=Contract(
        may("order.deposit"),
        "Déposer des commandes par un fichier",
        tag="Commandes",
        description="Un CSV (« ; », UTF-8) ou la première feuille visible d'un XLSX : une commande par ligne,"
        " de 1 à 1 000, les colonnes d'un dépôt simple, les ESSMS joints par « + ». Chacune est décidée pour"
        " elle-même, comme par le dépôt en nombre ; « line » est la ligne du fichier.",
        headers=KEY_HEADER,
        file=File(
            ("text/csv", _XLSX, "application/octet-stream"),
            _LARGEST,
            "Le fichier tel quel ; son type est reconnu au contenu.",
        ),
        answers={200: Answer("Le compte rendu, commande par commande.", BulkOut)},
        errors=(ErrorCode.INVALID_FILE, *BULK_ERRORS),
        examples=(
            Example(
                "csv",
                "Une commande refusée",
                200,
                body=_TEMPLATE + _ROW,
                headers={"Content-Type": "text/csv", "Idempotency-Key": "fichier-2022-06"},
                role="editor",
            ),
        ),
    ).opt,
)
async def submit_file(request: Request[Any, Any, Any], actor: Caller) -> BulkOut:
    """Deposits each row; every one has its own transaction and its own derived key."""
    name = idempotency_key(request)
    with tempfile.NamedTemporaryFile(prefix="sons-") as file:
        await receive(request, file)
        path = Path(file.name)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).digest())
        async with unpacked(path, _LIMITS) as content:
            orders = await asyncio.to_thread(read_rows, content.path)
    return await deposit_each(request, actor, name, digest, orders)


@get(
    "/api/v1/orders/bulk/template",
    opt=Contract(
        may("order.deposit"),
        "Télécharger le modèle d'un dépôt par fichier",
        tag="Commandes",
        description="Un CSV à ouvrir dans un tableur : la ligne des titres.",
        answers={200: Answer("Le modèle.", str, "text/csv")},
    ).opt,
)
async def template(actor: Caller) -> Response[bytes]:
    """The header of the file, with a mark that a spreadsheet needs to read it as UTF-8."""
    headers = {"content-disposition": 'attachment; filename="commandes.csv"'}
    return Response(b"\xef\xbb\xbf" + _TEMPLATE, media_type="text/csv", headers=headers)


HANDLERS: tuple[HTTPRouteHandler, ...] = (submit_file, template)
