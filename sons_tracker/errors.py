"""The closed list of errors: stable code, HTTP status, French title and remedy.

Every refusal that leaves the software, by HTTP or by the terminal, is one of these. A code is a
promise to integrators: it is never renamed, only added to. A new code goes to the end of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One entry of the list.

    `status` is the HTTP status; `title` and `remedy` are French sentences; `retry_after` is the
    number of seconds after which the same request may be sent again, when waiting is the remedy.
    """

    code: str
    status: int
    title: str
    remedy: str
    retry_after: int | None = None


class ErrorCode(Enum):
    """The closed list; `ErrorCode.X.value` is the `ErrorKind`."""

    MALFORMED_REQUEST = ErrorKind(
        "malformed_request",
        400,
        "La requête n'est pas lisible.",
        "Corriger les champs indiqués, puis renvoyer la requête.",
    )
    INVALID_LAW = ErrorKind(
        "invalid_law",
        422,
        "Un fichier du droit est invalide.",
        "Corriger la valeur indiquée dans le fichier, puis relancer « sons-tracker law check ».",
    )
    OUTSIDE_COVERAGE = ErrorKind(
        "outside_coverage",
        422,
        "Aucune valeur n'est connue pour cette date.",
        "Choisir une date couverte par les textes connus, ou attendre leur publication.",
    )
    INVALID_IDENTIFIER = ErrorKind(
        "invalid_identifier",
        422,
        "Un identifiant est mal formé.",
        "Vérifier le numéro sur le répertoire, puis le saisir à nouveau.",
    )
    INVALID_AMOUNT = ErrorKind(
        "invalid_amount",
        422,
        "Un montant est mal formé ou impossible.",
        "Donner le montant en euros TTC avec deux décimales, par exemple « 1232.00 ».",
    )
    INVALID_REQUEST = ErrorKind(
        "invalid_request",
        422,
        "La requête est lisible, mais des valeurs ne conviennent pas.",
        "Corriger chacun des champs indiqués, puis renvoyer la requête.",
    )
    INVALID_DATE = ErrorKind(
        "invalid_date",
        422,
        "Une date est mal formée ou impossible.",
        "Donner la date sous la forme AAAA-MM-JJ, par exemple « 2022-06-01 ».",
    )
    INVALID_FILE = ErrorKind(
        "invalid_file",
        422,
        "Un fichier ne peut pas être lu.",
        "Corriger le fichier à l'endroit indiqué, puis le présenter à nouveau.",
    )
    UNAUTHENTICATED = ErrorKind(
        "unauthenticated",
        401,
        "Cette demande exige de s'identifier.",
        "Envoyer l'en-tête « Authorization: Bearer … » avec un jeton valide "
        "(« sons-tracker token create » en crée un).",
    )
    FORBIDDEN = ErrorKind(
        "forbidden",
        403,
        "Ce rôle ne permet pas cette action.",
        "Utiliser le jeton d'une personne qui a le rôle voulu.",
    )
    NOT_FOUND = ErrorKind(
        "not_found",
        404,
        "Rien n'est connu, ou visible, à cette adresse.",
        "Vérifier l'adresse et l'identifiant, et que le jeton est celui de la bonne organisation.",
    )
    METHOD_NOT_ALLOWED = ErrorKind(
        "method_not_allowed",
        405,
        "Cette adresse n'accepte pas cette méthode.",
        "Employer l'une des méthodes citées par l'en-tête « Allow ».",
    )
    PAYLOAD_TOO_LARGE = ErrorKind(
        "payload_too_large",
        413,
        "Le contenu envoyé est trop volumineux.",
        "Répartir le contenu en plusieurs requêtes.",
    )
    UNSUPPORTED_MEDIA_TYPE = ErrorKind(
        "unsupported_media_type",
        415,
        "Ce type de contenu n'est pas accepté.",
        "Envoyer du JSON en UTF-8, avec l'en-tête « Content-Type: application/json ».",
    )
    REGISTER_LOSS_GUARD = ErrorKind(
        "register_loss_guard",
        409,
        "Ce fichier ferait disparaître une trop grande part du registre.",
        "Vérifier que le fichier est complet ; s'il l'est, relancer l'import en acceptant la perte.",
    )
    REFUSED_BY_RULES = ErrorKind(
        "order_refused",
        409,
        "La commande est refusée par les règles du dispositif.",
        "Lire les verdicts défavorables : chacun dit ce qui permettrait de régulariser.",
    )
    IDEMPOTENCY_KEY_MISSING = ErrorKind(
        "idempotency_key_missing",
        400,
        "L'en-tête « Idempotency-Key » manque.",
        "Ajouter un « Idempotency-Key » propre à cette demande, et le garder pour la renvoyer.",
    )
    IDEMPOTENCY_KEY_INVALID = ErrorKind(
        "idempotency_key_invalid",
        422,
        "L'en-tête « Idempotency-Key » est mal formé.",
        "Employer de 1 à 255 caractères ASCII visibles, par exemple un UUID.",
    )
    IDEMPOTENCY_MISMATCH = ErrorKind(
        "idempotency_mismatch",
        422,
        "Cette clé d'idempotence a déjà servi pour une autre demande.",
        "Reprendre le contenu d'origine, ou choisir une nouvelle clé.",
    )
    IDEMPOTENCY_IN_FLIGHT = ErrorKind(
        "idempotency_in_flight",
        409,
        "La même demande est en cours de traitement.",
        "Attendre, puis renvoyer la même demande avec la même clé.",
        retry_after=2,
    )
    CONFLICT = ErrorKind(
        "conflict",
        409,
        "L'état actuel du dossier ne permet pas cette opération.",
        "Relire le dossier, puis décider à nouveau.",
    )
    ALREADY_FINANCED = ErrorKind(
        "already_financed",
        409,
        "Un ESSMS est déjà engagé dans un financement de cette vague.",
        "Retirer cet ESSMS de la commande, ou contester le financement qui l'engage.",
    )
    TRANSITION_REFUSED = ErrorKind(
        "transition_refused",
        409,
        "Ce changement d'état n'est pas permis.",
        "Relire le dossier : il indique les actions possibles.",
    )
    TOO_MANY_REQUESTS = ErrorKind(
        "too_many_requests",
        429,
        "Trop de demandes ont été envoyées en peu de temps.",
        "Attendre le délai indiqué par « Retry-After », puis renvoyer la demande.",
        retry_after=1,
    )
    UNAVAILABLE = ErrorKind(
        "unavailable",
        503,
        "Le service est momentanément indisponible.",
        "Renvoyer la même demande dans quelques secondes, avec la même clé d'idempotence.",
        retry_after=5,
    )
    DATABASE_UNREACHABLE = ErrorKind(
        "database_unreachable",
        503,
        "La base de données ne répond pas.",
        "Vérifier DATABASE_URL et que le serveur PostgreSQL est démarré.",
        retry_after=5,
    )
    SCHEMA_NOT_CURRENT = ErrorKind(
        "schema_not_current",
        503,
        "La base de données n'est pas à la version du logiciel.",
        "Lancer « sons-tracker migrate ».",
        retry_after=5,
    )
    LAW_NOT_ENACTED = ErrorKind(
        "law_not_enacted",
        503,
        "Le droit livré avec le logiciel n'est pas mis en vigueur dans cette base.",
        "Examiner son effet, puis lancer « sons-tracker law enact ».",
        retry_after=5,
    )
    HOME_UNUSABLE = ErrorKind(
        "home_unusable",
        500,
        "Le dossier de travail n'est pas utilisable.",
        "Donner par SONS_HOME un dossier où le logiciel peut écrire.",
    )
    PORT_IN_USE = ErrorKind(
        "port_in_use",
        500,
        "Le port demandé n'est pas disponible.",
        "Choisir un autre port avec « --port » ou SONS_PORT.",
    )
    INVALID_SETTING = ErrorKind(
        "invalid_setting",
        500,
        "Un réglage est mal formé.",
        "Corriger la variable d'environnement indiquée.",
    )
    INTERNAL = ErrorKind(
        "internal",
        500,
        "Le logiciel a rencontré une erreur imprévue.",
        "Transmettre le numéro d'incident à l'administrateur ; la demande peut être renvoyée.",
    )
    MALFORMED_COMMAND = ErrorKind(
        "malformed_command",
        400,
        "La commande est mal écrite.",
        "L'option « --help » de la commande dit ce qu'elle attend.",
    )
    ACTION_REFUSED = ErrorKind(
        "action_refused",
        409,
        "Cette action n'est pas possible dans l'état actuel du dossier.",
        "Lire les motifs : chacun dit ce qui permettrait de l'accomplir.",
    )
    NOT_A_SIGNATORY = ErrorKind(
        "not_a_signatory",
        409,
        "Cette personne ne peut pas signer pour l'organisme gestionnaire.",
        "Faire signer un responsable de l'organisme, ou lui demander une délégation de signature.",
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One defect found in an input: where it stands (JSON path, line or field) and a French sentence."""

    where: str
    message: str


class SonsError(Exception):
    """An error of the closed list.

    `detail` is one French sentence about this occurrence; `faults` lists every defect at once; `remedy` and
    `retry_after` replace those of the code when this occurrence has better ones.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        faults: tuple[Fault, ...] = (),
        *,
        remedy: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.faults = faults
        self.remedy = code.value.remedy if remedy is None else remedy
        self.retry_after = code.value.retry_after if retry_after is None else retry_after

    @property
    def kind(self) -> ErrorKind:
        return self.code.value
