"""What the database refuses, said in the words of the closed list.

An error is recognised by its SQLSTATE and the name of its constraint, never by its message: messages
change with the server's version and language, and may carry another organisation's data.
"""

from __future__ import annotations

import socket

from asyncpg import InterfaceError, InternalClientError, PostgresError

from sons_tracker.errors import ErrorCode, SonsError

# A named constraint says which promise was kept; its name is part of the schema and tested there.
CONSTRAINTS: dict[str, tuple[ErrorCode, str]] = {
    "one_live_financing": (
        ErrorCode.ALREADY_FINANCED,
        "Un ESSMS de la commande vient d'être engagé dans un autre financement de la même vague.",
    ),
    "financing_request_solde_whole": (
        ErrorCode.TRANSITION_REFUSED,
        "Il n'y a pas de solde sans VA signée ni sans facture.",
    ),
    "purchase_order_law_fkey": (
        ErrorCode.LAW_NOT_ENACTED,
        "Aucune commande ne peut être décidée : le droit de ce logiciel n'est pas en vigueur dans la base.",
    ),
    "audit_run_law_fkey": (
        ErrorCode.LAW_NOT_ENACTED,
        "Aucun audit n'est possible : le droit de ce logiciel n'est pas en vigueur dans la base.",
    ),
    "conflict_finding_law_fkey": (
        ErrorCode.LAW_NOT_ENACTED,
        "Aucun audit n'est possible : le droit de ce logiciel n'est pas en vigueur dans la base.",
    ),
}

_REFUSED_VALUE = "Une valeur est refusée par la base de données."
_REFUSED_STATE = "L'état actuel du dossier, relu par la base de données, ne permet pas cette opération."
_BUSY = "La base de données est occupée ou en cours de redémarrage ; rien n'a été enregistré."
_SILENT = "La connexion à la base de données a été perdue ; la demande a peut-être été enregistrée."

# An order that is not the sum of its lines, or not whole, was never asked for by anyone: a defect of ours.
# The same of a lot or a return that is not its lines or its payments, of a recovery without its letter,
# of a reservation that is not its claims.
_DEFECTS = frozenset({"SN013", "SN014", "SN092", "SN094", "SN095", "SN164", "SN165"})

# From the most precise prefix of SQLSTATE to the least; the first that fits answers.
_SQLSTATES: tuple[tuple[str, ErrorCode, str], ...] = (
    ("23514", ErrorCode.INVALID_REQUEST, _REFUSED_VALUE),
    ("23505", ErrorCode.CONFLICT, _REFUSED_STATE),
    ("23503", ErrorCode.CONFLICT, _REFUSED_STATE),
    ("23001", ErrorCode.CONFLICT, _REFUSED_STATE),
    ("23P01", ErrorCode.CONFLICT, _REFUSED_STATE),
    (
        "SN273",
        ErrorCode.NOT_A_SIGNATORY,
        "Au jour de l'acte, cette personne n'est pas responsable de l'organisme gestionnaire et ne tient de"
        " lui aucune délégation en vigueur.",
    ),
    ("SN", ErrorCode.TRANSITION_REFUSED, _REFUSED_STATE),
    ("42501", ErrorCode.NOT_FOUND, "Rien n'est connu, ou visible, avec cet identifiant."),
    ("22", ErrorCode.INVALID_REQUEST, _REFUSED_VALUE),
    ("54", ErrorCode.INVALID_REQUEST, _REFUSED_VALUE),
    ("40003", ErrorCode.UNAVAILABLE, _SILENT),
    ("40", ErrorCode.UNAVAILABLE, _BUSY),
    # A database that an administrator has closed to connections.
    ("55000", ErrorCode.UNAVAILABLE, _BUSY),
    ("55P03", ErrorCode.UNAVAILABLE, _BUSY),
    ("57", ErrorCode.UNAVAILABLE, _BUSY),
    ("53", ErrorCode.UNAVAILABLE, _BUSY),
    ("58", ErrorCode.UNAVAILABLE, _BUSY),
    ("25006", ErrorCode.UNAVAILABLE, _BUSY),
    ("25P03", ErrorCode.UNAVAILABLE, _BUSY),
    ("08", ErrorCode.UNAVAILABLE, _SILENT),
    ("28", ErrorCode.DATABASE_UNREACHABLE, "Le serveur PostgreSQL refuse ce compte ou ce mot de passe."),
    ("3D000", ErrorCode.DATABASE_UNREACHABLE, "La base de données demandée n'existe pas sur ce serveur."),
)


def from_database(error: BaseException) -> SonsError | None:
    """The error of the closed list that tells `error`, or None when it does not come from the database
    or is a defect of ours (wrong SQL, a forgotten NOT NULL): that one must stay a 500 and be read."""
    if isinstance(error, PostgresError):
        return _from_sqlstate(str(error.sqlstate), getattr(error, "constraint_name", None))
    if isinstance(error, InterfaceError):
        # asyncpg refuses a value that it cannot encode before the server sees it.
        if isinstance(error, ValueError):
            return SonsError(ErrorCode.INVALID_REQUEST, _REFUSED_VALUE)
        return SonsError(ErrorCode.UNAVAILABLE, _SILENT)
    # InternalClientError: a connection lost under a statement still has to be told of its rollback
    if isinstance(error, InternalClientError | ConnectionError | TimeoutError | socket.gaierror):
        return SonsError(ErrorCode.UNAVAILABLE, _SILENT)
    return None


def _from_sqlstate(sqlstate: str, constraint: str | None) -> SonsError | None:
    if constraint in CONSTRAINTS:
        return SonsError(*CONSTRAINTS[constraint])
    if sqlstate in _DEFECTS:
        return None
    for prefix, code, detail in _SQLSTATES:
        if sqlstate.startswith(prefix):
            named = f"{detail} Contrainte : « {constraint} »." if constraint else detail
            return SonsError(code, named)
    return None
