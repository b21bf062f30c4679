"""A piece examined over HTTP: what it is, before its digest is given."""

from __future__ import annotations

import tempfile
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from sons_tracker.api.contract import Answer, Contract, Example, File, may
from sons_tracker.api.files import receive
from sons_tracker.api.schemas.pieces import PieceOut, piece_out
from sons_tracker.api.security import Caller
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import pieces
from sons_tracker.readers.findings import MOST_BYTES

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
    b"trailer<</Root 1 0 R/Size 4>>\n%%EOF\n"
)


@post(
    "/api/v1/pieces/inspection",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    opt=Contract(
        may("piece.inspect"),
        "Examiner une pièce",
        tag="Pièces",
        description="Dit ce qu'est un fichier avant que son empreinte ne soit donnée dans une commande, une"
        " facture ou une VA : son type, sa taille, son SHA-256, et ce qui empêcherait de le relire ou de s'y"
        " fier (PDF chiffré ou actif, archive piégée, XML avec DTD, classeur à macros). Rien n'est gardé."
        " 20 Mio au plus.",
        file=File(
            (*pieces.MEDIA_TYPES, "application/octet-stream"),
            MOST_BYTES,
            "Le fichier tel quel. « application/octet-stream » laisse reconnaître son type.",
        ),
        answers={200: Answer("Ce que le fichier est, et ce qui y a été trouvé.", PieceOut)},
        errors=(ErrorCode.UNAVAILABLE,),
        examples=(
            Example(
                "pdf",
                "Un PDF d'une page",
                200,
                body=_PDF,
                headers={"Content-Type": "application/pdf"},
                role="og",
            ),
            Example(
                "dtd",
                "Un XML avec une DTD : l'examen aboutit, la pièce ne convient pas",
                200,
                body=b"<!DOCTYPE a><a/>",
                headers={"Content-Type": "application/xml"},
                role="editor",
            ),
        ),
    ).opt,
)
async def inspect(request: Request[Any, Any, Any], actor: Caller) -> PieceOut:
    """What the body is; it goes to a file without a name, which ends with the request."""
    with tempfile.TemporaryFile() as file:
        media_type = await receive(request, file)
        return piece_out(await pieces.inspect(actor, file, media_type))


HANDLERS: tuple[HTTPRouteHandler, ...] = (inspect,)
