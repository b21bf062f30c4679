"""The journal from the terminal: seal, show and publish its head, export, verify."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker import verify_journal
from sons_tracker.cli.frame import REFUSED, YES, Json, emit, existing_file, instance, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.french import count_fr
from sons_tracker.settings import Settings

if TYPE_CHECKING:
    from sons_tracker.operations.sealing import Head, Published, Sealed

app = Cli(help="Journal : le sceller, en publier la tête, l'exporter, le vérifier.")

_WAYS = {"file": "le fichier des têtes", "mail": "un avis aux pilotes et aux administrateurs"}


@app.command("seal")
def seal(as_json: Json = False) -> int:
    """Scelle tout ce qui peut l'être ; le serveur le fait de lui-même, à chaque passage de l'horloge."""
    sealed = run(_seal())
    data = {"rows": sealed.rows, "busy": sealed.busy, "head": _head(sealed.head)}

    def render(console: Console) -> None:
        console.print(f"{count_fr(sealed.rows, 'écriture scellée', 'écritures scellées')}.")
        if sealed.busy:
            console.print("Un autre processus scelle en ce moment : le reste lui est laissé.")
        _show(console, sealed.head)

    emit(data, as_json, render)
    return YES


@app.command("head")
def head(
    publish: Annotated[
        bool,
        typer.Option(
            "--publish", help="La publie maintenant, par avis et, s'il est réglé, dans SONS_JOURNAL_HEADS."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Montre la tête du journal : le dernier sceau, dont dépendent tous les précédents."""
    current, published = run(_publish() if publish else _current())
    data = {"head": _head(current), "published": [one.channel for one in published]}

    def render(console: Console) -> None:
        _show(console, current)
        for one in published:
            console.print(f"Publiée par {_WAYS[one.channel]}.")
        if publish and not published:
            console.print("Rien à publier : cette tête l'a déjà été, ou personne ne peut la recevoir.")

    emit(data, as_json, render)
    return YES


@app.command("stamp")
def stamp(as_json: Json = False) -> int:
    """Fait horodater maintenant la tête publiée qui attend ; le serveur le fait de lui-même."""
    stamped = run(_stamp())
    data = {"head": None if stamped is None else _head(stamped)}

    def render(console: Console) -> None:
        if stamped is None:
            console.print("Aucune tête publiée n'attend d'horodatage.")
        else:
            console.print("Horodatée par l'autorité :")
            _show(console, stamped)

    emit(data, as_json, render)
    return YES


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="Le fichier à écrire ; il est remplacé.")],
    texts: Annotated[
        Path | None,
        typer.Option(metavar="FICHIER", help="Écrit aussi, à part, ce que des personnes ont écrit."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Écrit le journal scellé, une écriture par ligne, pour qui veut le vérifier ailleurs.

    De ce que des personnes ont écrit, il porte l'empreinte ; « --texts » met les mots dans un second fichier.
    """
    exported = run(_export(file, texts))
    data = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "texts": None if texts is None else str(texts),
        "head": _head(exported),
    }

    def render(console: Console) -> None:
        console.print(f"{count_fr(exported.seq, 'écriture exportée', 'écritures exportées')} dans {file}.")
        if texts is not None:
            console.print(f"Les textes sont dans {texts} : le garder à part, ils peuvent être à effacer.")
        _show(console, exported)

    emit(data, as_json, render)
    return YES


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="Un export du journal.")],
    heads: Annotated[
        list[Path] | None,
        typer.Option("--head", metavar="TÊTES", help="Un fichier de têtes publiées ; répétable."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(metavar="FICHIER", help="Le fichier des textes, écrit avec l'export.")
    ] = None,
    roots: Annotated[
        Path | None,
        typer.Option(
            "--tsa-roots", metavar="PEM", help="Les racines auxquelles tenir les jetons d'horodatage."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Vérifie un export, sans base de données ni réseau ; « verify_journal.py » le fait seul aussi."""
    paths = [str(existing_file(path)) for path in (file, *(heads or ()))]
    beside = None if texts is None else str(existing_file(texts))
    try:
        report = verify_journal.verify_files(paths[0], paths[1:], beside)
    except (verify_journal.MalformedError, OSError) as error:
        raise SonsError(ErrorCode.INVALID_FILE, f"« {file} » ne se vérifie pas : {error}") from None
    stamped = None if roots is None else _stamped(report, existing_file(roots))
    data = {
        "rows": report.rows,
        "head": report.head,
        "heads_checked": report.heads_checked,
        "texts_checked": report.texts_checked,
        "texts_erased": report.texts_erased,
        "stamps": [{"seq": one.seq, "time": one.time} for one in report.stamps],
        "stamps_verified": stamped,
        "problem_count": report.problem_count,
        "problems": report.problems,
    }

    def render(console: Console) -> None:
        rows = {
            "Écritures": count_fr(report.rows, "écriture"),
            "Dernier sceau": report.head,
            "Têtes rapprochées": str(report.heads_checked),
        }
        if beside is not None:
            rows["Textes vérifiés"] = str(report.texts_checked)
            rows["Textes effacés"] = str(report.texts_erased)
        if report.stamps:
            latest = report.stamps[-1]
            held = "signature non vérifiée" if stamped is None else f"{stamped} tenus aux racines données"
            rows["Jetons d'horodatage"] = f"{len(report.stamps)}, {held}"
            rows["Dernier jeton"] = f"tête n° {latest.seq}, {latest.time}"
        console.print(sheet(rows))
        for sentence in report.problems:
            console.print(f"– {sentence}")
        more = report.problem_count - len(report.problems)
        if more:
            console.print(f"… et {count_fr(more, 'anomalie')} de plus.")
        console.print("Le journal est entier." if not report.problems else "Le journal n'est pas entier.")

    emit(data, as_json, render)
    return REFUSED if report.problem_count else YES


def _stamped(report: verify_journal.Report, file: Path) -> int:
    """How many tokens an authority under the roots of `file` has signed; each that none has is a problem."""
    from sons_tracker.delivery import stamps

    roots, held = stamps.read_roots(file), 0
    for one in report.stamps:
        try:
            stamps.check(one.token, bytes.fromhex(one.hash), roots)
            held += 1
        except stamps.StampError:
            report.problem(
                f"le jeton d'horodatage de la tête n° {one.seq} n'est pas signé par une autorité tenue"
                " à ces racines."
            )
    return held


async def _seal() -> Sealed:
    from sons_tracker.operations import sealing

    async with instance():
        return await sealing.seal_all()


async def _current() -> tuple[Head, tuple[Published, ...]]:
    from sons_tracker.operations import sealing
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async with instance():
        return await sealing.current_head(LOCAL_ADMIN), ()


async def _publish() -> tuple[Head, tuple[Published, ...]]:
    from sons_tracker.operations import clock, sealing
    from sons_tracker.operations.actors import LOCAL_ADMIN

    settings = Settings.from_env(os.environ)
    async with instance(settings):
        try:
            published = await sealing.publish(await clock.now(), settings.journal_heads)
        except OSError as error:
            raise SonsError(
                ErrorCode.INVALID_SETTING,
                f"La tête du journal ne peut pas être écrite dans « {settings.journal_heads} » :"
                f" {error.strerror}.",
            ) from None
        current = published[-1].head if published else await sealing.current_head(LOCAL_ADMIN)
        return current, published


async def _stamp() -> Head | None:
    import httpx

    from sons_tracker.delivery import stamps

    settings = Settings.from_env(os.environ)
    if settings.timestamp_url is None or settings.timestamp_roots is None:
        raise SonsError(
            ErrorCode.INVALID_SETTING,
            "Aucune autorité d'horodatage n'est réglée.",
            remedy="Donner SONS_TIMESTAMP_URL et SONS_TIMESTAMP_ROOTS.",
        )
    roots = stamps.read_roots(settings.timestamp_roots)
    async with instance(settings):
        try:
            return await stamps.stamp_once(settings.timestamp_url, roots)
        except (stamps.StampError, httpx.HTTPError) as error:
            raise SonsError(
                ErrorCode.UNAVAILABLE, "L'autorité d'horodatage n'a rien donné qui puisse être gardé."
            ) from error


async def _export(file: Path, texts: Path | None) -> Head:
    from sons_tracker.operations import sealing
    from sons_tracker.operations.actors import LOCAL_ADMIN

    with contextlib.ExitStack() as written:
        write = written.enter_context(_whole(file))
        write_text = None if texts is None else written.enter_context(_whole(texts))
        async with instance():
            await sealing.seal_all()
            return await sealing.export(LOCAL_ADMIN, write, write_text)


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[Callable[[str], object]]:
    """Writes beside `file` and moves there at the end: a file of that name is always a whole one."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as written:
            yield written.write
        partial.replace(file)
    except OSError as error:
        raise SonsError(
            ErrorCode.INVALID_FILE, f"« {file} » ne peut pas être écrit : {error.strerror}."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _head(found: Head) -> dict[str, Any]:
    return {"seq": found.seq, "hash": found.hash.hex()}


def _show(console: Console, found: Head) -> None:
    if found.seq:
        console.print(sheet({"Dernier sceau": f"n° {found.seq}", "Empreinte": found.hash.hex()}))
    else:
        console.print("Rien n'est encore scellé.")
