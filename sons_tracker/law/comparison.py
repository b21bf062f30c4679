"""What changes between two sets of law files: read before anything is enacted."""

from __future__ import annotations

from dataclasses import dataclass

from sons_tracker.law.documents import Table, member_of, parameters
from sons_tracker.law.library import Library


@dataclass(frozen=True, slots=True)
class Difference:
    """One version that was added, removed or changed; `name` is e.g. `MS1-V1.fermeture`.

    `key` is `depuis / publie_le` (after the year of a call, the kind of a request), or `contenu` for the
    schema of a request, whose `name` is its file; `before` and `after` are the versions as
    plain tables, None on the side where it does not exist.
    """

    name: str
    key: str
    before: Table | None
    after: Table | None

    @property
    def kind(self) -> str:
        return "ajout" if self.before is None else "suppression" if self.after is None else "modification"


def compare(before: Library, after: Library) -> list[Difference]:
    """Every difference between two laws, ordered by name and version."""
    old, new = _versions(before), _versions(after)
    return [
        Difference(name, key, old.get((name, key)), new.get((name, key)))
        for name, key in sorted(old.keys() | new.keys())
        if old.get((name, key)) != new.get((name, key))
    ]


def _versions(library: Library) -> dict[tuple[str, str], Table]:
    found: dict[tuple[str, str], Table] = {(name, "contenu"): t for name, t in library.requests.items()}
    for owner, document in library.documents.items():
        for name, versions in parameters(document.data):
            for version in versions:
                member = f"{member_of(version)} : ".removeprefix(" : ")
                found[f"{owner}.{name}", f"{member}{version['depuis']} / {version['publie_le']}"] = version
        scalars = {k: v for k, v in document.data.items() if not isinstance(v, list) or isinstance(v[0], str)}
        found[owner, "en-tête"] = scalars
    return found
