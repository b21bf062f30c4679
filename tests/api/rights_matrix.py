"""Who may ask what, one line per route. The test of the matrix plays every line with every role.

Written by hand, apart from the table of rights, which another test compares with it. `who` is whom the
route admits; anybody else is answered 403, or 401 without a token. `relation` is how far each of them goes,
with the object that the path names, or with what the route lists and makes:

- `PARTY`: suppliers, OG and ARS reach what they are a party to; agencies reach all;
- `HOUSE`: suppliers, OG and ARS reach what is their organisation's; agencies reach all;
- `OWN`: every role, agencies included, reaches that of its own organisation;
- `SELF`: every role reaches what is its person's;
- `FOR_ITSELF`: an OG for itself, everybody else for anyone;
- `ALL`: who is admitted reaches every object; `NOBODY`: the same, where the route names no object.

`objects` says, for each parameter of the path, which object of `rights_world` it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SUPPLIER = frozenset({"editor", "distributor"})
OG = frozenset({"og"})
PARTIES = SUPPLIER | OG
ARS = frozenset({"ars"})
REVIEWER = frozenset({"reviewer"})
PAYER = frozenset({"payer"})
ADMIN = frozenset({"admin"})
AGENCIES = frozenset({"reviewer", "payer", "pilot", "admin"})
MEMBERS = PARTIES | ARS | AGENCIES
INVITERS = PARTIES | ARS | ADMIN
EVERYONE = MEMBERS | {"anonymous"}

NOBODY, ALL, PARTY, HOUSE, OWN, SELF = "nobody", "all", "party", "house", "own", "self"
FOR_ITSELF = "for itself"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: who is admitted, to whom the object is shown, which object each parameter names."""

    who: frozenset[str]
    relation: str = NOBODY
    objects: Mapping[str, str] = field(default_factory=dict)

    def reaches_all(self, role: str) -> bool:
        """Whether this role also reaches what is another organisation's."""
        return self.reach(role) == "all"

    def reach(self, role: str) -> str | None:
        """How far the role goes, in the words of the table of rights; None where it is not admitted."""
        if role not in self.who:
            return None
        if self.relation in {PARTY, HOUSE} and role not in AGENCIES:
            return "party" if self.relation == PARTY else "own"
        if self.relation == FOR_ITSELF:
            return "own" if role == "og" else "all"
        return self.relation if self.relation in {OWN, SELF} else "all"


def _of(order: str) -> dict[str, str]:
    return {"order_id": order}


ORDER, ENDING, CONTESTED = _of("order"), _of("ending"), _of("contested")
SHRINKING = _of("shrinking")
AMENDMENT = {"order_id": "shrinking", "amendment_id": "amendment"}
CONFLICT = {"conflict_id": "conflict"}
QUESTION = {**CONFLICT, "question_id": "question"}
ASKED = "POST /api/v1/conflicts/{conflict_id}/questions/{question_id}"
BANK = "POST /api/v1/suppliers/{supplier_id}/bank-account-changes"
REQUEST = {"request_id": "request"}
SUCCESSION = {"succession_id": "succession"}
RESERVATION = {"reservation_id": "reservation"}
COMPANY = {"supplier_id": "supplier"}
CHANGE = {**COMPANY, "change_id": "change"}
LOT, SAMPLE, ALERT = {"lot_id": "lot"}, {"sample_id": "sample"}, {"alert_id": "alert"}
PAYMENT, RECOVERY = {"payment_id": "payment"}, {"recovery_id": "recovery"}
WEBHOOK, NOTICE, FEED = {"webhook_id": "webhook"}, {"notice_id": "notice"}, {"feed_id": "feed"}

MATRIX: dict[str, Row] = {
    # the service, the law, the documentation
    "GET /": Row(EVERYONE),
    "GET /healthz": Row(EVERYONE),
    "GET /readyz": Row(EVERYONE),
    "GET /openapi.json": Row(EVERYONE),
    "GET /documentation": Row(EVERYONE),
    "GET /documentation/{asset}": Row(EVERYONE, ALL, {"asset": "asset"}),
    "GET /problemes": Row(EVERYONE),
    "GET /problemes/{code}": Row(EVERYONE, ALL, {"code": "problem"}),
    "GET /api/v1/rights": Row(EVERYONE),
    "GET /api/v1/law": Row(EVERYONE),
    "GET /api/v1/law/enactments": Row(EVERYONE),
    "GET /api/v1/law/{name}": Row(EVERYONE, ALL, {"name": "parameter"}),
    "GET /api/v1/law/{dispositif}/calendar": Row(EVERYONE, ALL, {"dispositif": "dispositif"}),
    "GET /api/v1/events": Row(EVERYONE),
    "GET /api/v1/clock": Row(EVERYONE),
    "POST /api/v1/clock/advance": Row(ADMIN),
    # accounts: a token is no session, and what a secret opens is asked of its secret
    "POST /api/v1/session": Row(EVERYONE, SELF),
    "GET /api/v1/session": Row(MEMBERS, SELF),
    "DELETE /api/v1/session": Row(MEMBERS, SELF),
    "POST /api/v1/session/role": Row(MEMBERS, SELF),
    "GET /api/v1/sessions": Row(MEMBERS, SELF),
    "GET /api/v1/identity-providers": Row(EVERYONE, SELF),
    "POST /api/v1/session/oidc": Row(EVERYONE, SELF),
    "GET /api/v1/session/oidc/callback": Row(EVERYONE, SELF),
    "GET /api/v1/account/identities": Row(MEMBERS, SELF),
    "POST /api/v1/account/identities": Row(MEMBERS, SELF),
    "POST /api/v1/account/identities/{identity_id}/unlinking": Row(
        MEMBERS, SELF, {"identity_id": "identity"}
    ),
    "POST /api/v1/sessions/{session_id}/revoke": Row(MEMBERS, SELF, {"session_id": "session"}),
    "POST /api/v1/account/password": Row(MEMBERS, SELF),
    "POST /api/v1/account/second-factor": Row(MEMBERS, SELF),
    "POST /api/v1/account/second-factor/confirmation": Row(MEMBERS, SELF),
    "GET /api/v1/persons/{person_id}/sessions": Row(ADMIN, ALL, {"person_id": "person"}),
    "POST /api/v1/persons/{person_id}/sessions/revoke": Row(ADMIN, ALL, {"person_id": "person"}),
    "GET /api/v1/tokens": Row(MEMBERS, OWN),
    "POST /api/v1/tokens": Row(MEMBERS, SELF),
    "POST /api/v1/tokens/{token_id}/rotate": Row(MEMBERS, SELF, {"token_id": "rotated"}),
    "POST /api/v1/tokens/{token_id}/revoke": Row(MEMBERS, OWN, {"token_id": "revoked"}),
    "GET /api/v1/members": Row(MEMBERS, OWN),
    "POST /api/v1/members/removal": Row(INVITERS, HOUSE),
    "POST /api/v1/members/responsibility": Row(OG | ADMIN, HOUSE),
    "GET /api/v1/delegations": Row(OG | AGENCIES, HOUSE),
    "POST /api/v1/delegations": Row(OG, OWN),
    "GET /api/v1/delegations/text/{receiver_id}": Row(OG, OWN, {"receiver_id": "colleague"}),
    "POST /api/v1/delegations/{delegation_id}/revocation": Row(OG, OWN, {"delegation_id": "delegation"}),
    "GET /api/v1/invitations": Row(INVITERS, HOUSE),
    "POST /api/v1/invitations": Row(INVITERS, HOUSE),
    "POST /api/v1/invitations/{invitation_id}/revoke": Row(INVITERS, HOUSE, {"invitation_id": "invitation"}),
    "POST /api/v1/invitations/acceptance": Row(EVERYONE, SELF),
    "POST /api/v1/invitations/confirmation": Row(EVERYONE, SELF),
    "POST /api/v1/invitations/joining": Row(MEMBERS, SELF),
    # orders
    "POST /api/v1/simulations": Row(EVERYONE, FOR_ITSELF),
    "GET /api/v1/orders": Row(PARTIES | AGENCIES, PARTY),
    "POST /api/v1/orders": Row(SUPPLIER, PARTY),
    "POST /api/v1/orders/bulk": Row(SUPPLIER, PARTY),
    "POST /api/v1/orders/bulk/file": Row(SUPPLIER, PARTY),
    "GET /api/v1/orders/bulk/template": Row(SUPPLIER, PARTY),
    "GET /api/v1/orders/{order_id}": Row(PARTIES | AGENCIES, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/review": Row(REVIEWER, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/advance-decision": Row(REVIEWER, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/corrections": Row(REVIEWER, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/corrections/answer": Row(SUPPLIER, PARTY, ORDER),
    "GET /api/v1/orders/{order_id}/ledger": Row(PARTIES | AGENCIES, PARTY, ORDER),
    # requests, VA, solde
    "GET /api/v1/requests": Row(PARTIES | AGENCIES, PARTY),
    "GET /api/v1/requests/{request_id}": Row(PARTIES | AGENCIES, PARTY, REQUEST),
    "POST /api/v1/requests/{request_id}/validation": Row(REVIEWER, PARTY, REQUEST),
    "POST /api/v1/requests/{request_id}/refusal": Row(REVIEWER, PARTY, REQUEST),
    "GET /api/v1/orders/{order_id}/requests": Row(PARTIES | AGENCIES, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/advance-request": Row(SUPPLIER, PARTY, ORDER),
    "GET /api/v1/orders/{order_id}/va": Row(PARTIES | AGENCIES, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/va": Row(SUPPLIER, PARTY, ORDER),
    "GET /api/v1/orders/{order_id}/va/statement": Row(PARTIES | AGENCIES, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/va/signature": Row(OG, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/solde-request": Row(SUPPLIER, PARTY, ORDER),
    "POST /api/v1/orders/{order_id}/solde-request/refiling": Row(SUPPLIER, PARTY, ORDER),
    "POST /api/v1/pieces/inspection": Row(MEMBERS),
    "GET /api/v1/orders/{order_id}/match": Row(PARTIES | AGENCIES, PARTY, ORDER),
    # how an order ends or shrinks
    "GET /api/v1/orders/{order_id}/cancellation": Row(PARTIES | AGENCIES, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation": Row(PARTIES, PARTY, ENDING),
    "GET /api/v1/orders/{order_id}/cancellations": Row(PARTIES | AGENCIES, PARTY, ENDING),
    "GET /api/v1/orders/{order_id}/cancellation/attestation": Row(PARTIES | AGENCIES, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation/attestation": Row(OG, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation/statement": Row(SUPPLIER, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation/refusal": Row(OG, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation/drop": Row(PARTIES, PARTY, ENDING),
    "POST /api/v1/orders/{order_id}/cancellation/settlement": Row(REVIEWER, PARTY, ENDING),
    "GET /api/v1/orders/{order_id}/amendments": Row(PARTIES | AGENCIES, PARTY, SHRINKING),
    "POST /api/v1/orders/{order_id}/amendments": Row(PARTIES, PARTY, SHRINKING),
    "GET /api/v1/orders/{order_id}/amendments/{amendment_id}": Row(PARTIES | AGENCIES, PARTY, AMENDMENT),
    "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/agreement": Row(PARTIES, PARTY, AMENDMENT),
    "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/refusal": Row(PARTIES, PARTY, AMENDMENT),
    "POST /api/v1/orders/{order_id}/amendments/{amendment_id}/withdrawal": Row(PARTIES, PARTY, AMENDMENT),
    # conflicts
    "GET /api/v1/audits": Row(AGENCIES),
    "POST /api/v1/audits": Row(REVIEWER | ADMIN),
    "GET /api/v1/audits/{audit_id}": Row(AGENCIES, ALL, {"audit_id": "audit"}),
    "POST /api/v1/orders/{order_id}/contest": Row(PARTIES, PARTY, CONTESTED),
    "GET /api/v1/conflicts": Row(MEMBERS, PARTY),
    "GET /api/v1/conflicts/{conflict_id}": Row(MEMBERS, PARTY, CONFLICT),
    "GET /api/v1/conflicts/{conflict_id}/templates": Row(REVIEWER, PARTY, CONFLICT),
    "GET /api/v1/conflicts/{conflict_id}/graph": Row(OG | AGENCIES, PARTY, CONFLICT),
    "GET /api/v1/conflicts/{conflict_id}/graph.svg": Row(OG | AGENCIES, PARTY, CONFLICT),
    "GET /api/v1/conflicts/{conflict_id}/evidence": Row(AGENCIES, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/assignment": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/precisions": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/choice": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/opinion": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/correction": Row(REVIEWER, PARTY, CONFLICT),
    ASKED + "/answer": Row(PARTIES | ARS, PARTY, QUESTION),
    ASKED + "/withdrawal": Row(REVIEWER, PARTY, QUESTION),
    "POST /api/v1/conflicts/{conflict_id}/decision": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/approval": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/reconsideration": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/execution": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/closing": Row(REVIEWER, PARTY, CONFLICT),
    "POST /api/v1/conflicts/{conflict_id}/reopening": Row(REVIEWER, PARTY, CONFLICT),
    # the registers; what is engaged on an ESSMS is narrowed inside the answer, not by the route
    "GET /api/v1/essms/{finess}": Row(MEMBERS, ALL, {"finess": "finess"}),
    "GET /api/v1/essms/{finess}/explanation": Row(PARTIES | AGENCIES, PARTY, {"finess": "essms"}),
    "GET /api/v1/finess/differences": Row(OG | AGENCIES, HOUSE),
    "GET /api/v1/finess/successions": Row(OG | AGENCIES, HOUSE),
    "POST /api/v1/finess/successions/{succession_id}/confirm": Row(REVIEWER, ALL, SUCCESSION),
    "POST /api/v1/finess/successions/{succession_id}/dismiss": Row(REVIEWER, ALL, SUCCESSION),
    "GET /api/v1/grants/imports": Row(AGENCIES),
    "GET /api/v1/grants/imports/{import_id}/anomalies": Row(AGENCIES, ALL, {"import_id": "import"}),
    # reservations, suppliers
    "GET /api/v1/reservations": Row(PARTIES | AGENCIES, PARTY),
    "POST /api/v1/reservations": Row(SUPPLIER, PARTY),
    "GET /api/v1/reservations/{reservation_id}": Row(PARTIES | AGENCIES, PARTY, RESERVATION),
    "POST /api/v1/reservations/{reservation_id}/renew": Row(SUPPLIER, PARTY, RESERVATION),
    "POST /api/v1/reservations/{reservation_id}/drop": Row(SUPPLIER, PARTY, RESERVATION),
    "GET /api/v1/suppliers": Row(PAYER | REVIEWER | ADMIN),
    "GET /api/v1/suppliers/{supplier_id}": Row(SUPPLIER | PAYER | REVIEWER | ADMIN, HOUSE, COMPANY),
    "PUT /api/v1/suppliers/{supplier_id}": Row(SUPPLIER, HOUSE, COMPANY),
    "POST /api/v1/suppliers/{supplier_id}/enrolment/validate": Row(PAYER | REVIEWER, HOUSE, COMPANY),
    "POST /api/v1/suppliers/{supplier_id}/enrolment/correction": Row(PAYER | REVIEWER, HOUSE, COMPANY),
    BANK: Row(SUPPLIER, HOUSE, COMPANY),
    BANK + "/{change_id}/confirm": Row(SUPPLIER, HOUSE, CHANGE),
    BANK + "/{change_id}/stop": Row(SUPPLIER | PAYER, HOUSE, CHANGE),
    # money
    "GET /api/v1/lots": Row(AGENCIES),
    "POST /api/v1/lots": Row(PAYER),
    "GET /api/v1/lots/{lot_id}": Row(AGENCIES, ALL, LOT),
    "GET /api/v1/lots/{lot_id}/lines": Row(AGENCIES, ALL, LOT),
    "POST /api/v1/lots/{lot_id}/approval": Row(PAYER, ALL, LOT),
    "POST /api/v1/lots/{lot_id}/drop": Row(PAYER, ALL, LOT),
    "GET /api/v1/lots/{lot_id}/file": Row(PAYER, ALL, LOT),
    "GET /api/v1/payments": Row(PARTIES | AGENCIES, PARTY),
    "POST /api/v1/payments/{payment_id}/representation": Row(PAYER, PARTY, PAYMENT),
    "POST /api/v1/bank-returns": Row(PAYER),
    "GET /api/v1/recoveries": Row(PARTIES | AGENCIES, PARTY),
    "GET /api/v1/recoveries/export": Row(PARTIES | AGENCIES, PARTY),
    "GET /api/v1/recoveries/{recovery_id}": Row(PARTIES | AGENCIES, PARTY, RECOVERY),
    "POST /api/v1/recoveries/{recovery_id}/issue": Row(PAYER, PARTY, RECOVERY),
    "POST /api/v1/recoveries/{recovery_id}/repayment": Row(PAYER, PARTY, RECOVERY),
    "POST /api/v1/recoveries/{recovery_id}/steps": Row(PAYER, PARTY, RECOVERY),
    "GET /api/v1/forecast": Row(PARTIES | AGENCIES, PARTY),
    # what each organisation is told
    "GET /api/v1/notices": Row(MEMBERS, OWN),
    "POST /api/v1/notices/{notice_id}/replay": Row(MEMBERS, OWN, NOTICE),
    "GET /api/v1/webhooks": Row(MEMBERS, OWN),
    "POST /api/v1/webhooks": Row(MEMBERS, OWN),
    "GET /api/v1/webhooks/{webhook_id}/deliveries": Row(MEMBERS, OWN, WEBHOOK),
    "POST /api/v1/webhooks/{webhook_id}/rotate": Row(MEMBERS, OWN, WEBHOOK),
    "POST /api/v1/webhooks/{webhook_id}/ping": Row(MEMBERS, OWN, WEBHOOK),
    "POST /api/v1/webhooks/{webhook_id}/replay": Row(MEMBERS, OWN, WEBHOOK),
    "POST /api/v1/webhooks/{webhook_id}/disable": Row(MEMBERS, OWN, WEBHOOK),
    "GET /api/v1/calendar/feeds": Row(PARTIES, OWN),
    "POST /api/v1/calendar/feeds": Row(PARTIES, OWN),
    "POST /api/v1/calendar/feeds/{feed_id}/revoke": Row(PARTIES, OWN, FEED),
    "GET /calendar/{secret}": Row(EVERYONE, ALL, {"secret": "calendar"}),
    # what the agencies work with
    "GET /api/v1/queue": Row(AGENCIES),
    "GET /api/v1/queue/export": Row(AGENCIES),
    "GET /api/v1/saved-views": Row(AGENCIES, SELF),
    "POST /api/v1/saved-views": Row(AGENCIES, SELF),
    "POST /api/v1/saved-views/removal": Row(AGENCIES, SELF),
    "GET /api/v1/alerts": Row(AGENCIES),
    "GET /api/v1/alerts/export": Row(AGENCIES),
    "GET /api/v1/alerts/{alert_id}": Row(AGENCIES, ALL, ALERT),
    "POST /api/v1/alerts/{alert_id}/dismissal": Row(REVIEWER, ALL, ALERT),
    "GET /api/v1/samples": Row(AGENCIES),
    "POST /api/v1/samples": Row(REVIEWER),
    "GET /api/v1/samples/{sample_id}": Row(AGENCIES, ALL, SAMPLE),
    "GET /api/v1/samples/{sample_id}/lines": Row(AGENCIES, ALL, SAMPLE),
    "GET /api/v1/samples/{sample_id}/redraw": Row(AGENCIES, ALL, SAMPLE),
    "GET /api/v1/samples/{sample_id}/file": Row(AGENCIES, ALL, SAMPLE),
}

# What no route does by itself: asked by the terminal, by the clock, or inside an answer.
_ADMIN = {"admin": "all"}
_FINDS = {"reviewer": "all", "admin": "all"}
_EVERY_AGENCY = dict.fromkeys(sorted(AGENCIES), "all")
WITHOUT_ROUTE: dict[str, dict[str, str]] = {
    "law.enact": _ADMIN,
    "law.measure": _ADMIN,
    "clock.declare": _ADMIN,
    "member.enrol": _ADMIN,
    "token.grant": _ADMIN,
    "person.read": _ADMIN,
    "person.rectify": _ADMIN,
    "register.import": _ADMIN,
    "alert.raise": _FINDS,
    "journal.export": {"pilot": "all", "admin": "all"},
    "journal.erase": _ADMIN,
    "deadline.fire": {},
    "journal.seal": {},
    "retention.apply": {},
    # what of an answer each role reads
    "fact.read": _EVERY_AGENCY | {"og": "own"},
    "side.read": _EVERY_AGENCY | {"og": "party"},
    "bank_number.read": {"payer": "all"} | dict.fromkeys(sorted(SUPPLIER), "own"),
    "recovery_note.read": _EVERY_AGENCY,
}
OF_THE_SCHEDULER = {
    "deadline.fire", "journal.seal", "retention.apply", "order.read", "audit.run", "alert.raise",
}  # fmt: skip
