"""typer speaks English; this is where it learns French.

Its panels and notes are module constants, its usage line and help option are methods: they are set and
overridden here. Its errors are recognised by class, and said again; an error that nobody foresaw gets
a general sentence rather than an English one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
from typer import rich_utils
from typer.core import TyperCommand, TyperGroup

F = TypeVar("F", bound=Callable[..., Any])

_PANELS = {
    "ARGUMENTS_PANEL_TITLE": "Arguments",
    "OPTIONS_PANEL_TITLE": "Options",
    "COMMANDS_PANEL_TITLE": "Commandes",
    "ERRORS_PANEL_TITLE": "Erreur",
    "ABORTED_TEXT": "Interrompu.",
    "DEFAULT_STRING": "[par défaut : {}]",
    "REQUIRED_LONG_STRING": "[obligatoire]",
    "ENVVAR_STRING": "[variable : {}]",
    "DEPRECATED_STRING": "(abandonné) ",
    "RICH_HELP": "« {command_path} {help_option} » affiche l'aide.",
}
_NO_COMMAND = re.compile(r"No such command '(.*?)'\.(?:.*Did you mean (.*)\?)?", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'")


def speak_french() -> None:
    """Sets the words of typer's help panels; to be called once, before any help is shown."""
    for name, words in _PANELS.items():
        if not hasattr(rich_utils, name):
            raise RuntimeError(f"typer no longer has {name}: its French is to be found again")
        setattr(rich_utils, name, words)


class _French:
    """What commands and groups have in common."""

    def get_usage(self, ctx: Any) -> str:
        usage: str = super().get_usage(ctx)  # type: ignore[misc]
        return usage.replace("Usage:", "Utilisation :", 1)

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            # `<int>` and `<bool>` say nothing to who reads French help; our own words are the metavar.
            if param.metavar is None or param.param_type_name == "argument":
                param.display_type_rich = _without_type
        return params

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = "Affiche cette aide."
        return option


class Command(_French, TyperCommand):
    """A command whose help is in French."""


class Group(_French, TyperGroup):
    """A group of commands whose help is in French."""


class Cli(typer.Typer):
    """A `typer.Typer` whose commands and help are French: use it for every group of commands."""

    def __init__(self, help: str) -> None:  # noqa: A002 - typer's word
        super().__init__(
            cls=Group,
            help=help,
            no_args_is_help=True,
            add_completion=False,
            rich_markup_mode="rich",
            pretty_exceptions_enable=False,
            subcommand_metavar="COMMANDE …",
            options_metavar="[OPTIONS]",
        )

    def command(self, name: str | None = None, **kwargs: Any) -> Callable[[F], F]:
        decorate: Callable[[F], F] = super().command(name, cls=Command, options_metavar="[OPTIONS]", **kwargs)
        return decorate


def usage_sentence(error: typer.TyperException) -> str:
    """The French sentence of one of typer's usage errors."""
    message = str(getattr(error, "message", ""))
    named = _name_of(error)
    match type(error).__name__:
        case "MissingParameter":
            return f"Il manque {named}."
        case "NoSuchOption":
            option = getattr(error, "option_name", "")
            return (
                f"L'option « {option} » n'existe pas ici.{_suggestion(getattr(error, 'possibilities', None))}"
            )
        case "BadOptionUsage":
            option = getattr(error, "option_name", "")
            if "does not take" in message:
                return f"L'option « {option} » ne prend pas de valeur."
            return f"L'option « {option} » demande une valeur."
        case "BadParameter":
            return f"La valeur donnée pour {named} ne convient pas."
    if match := _NO_COMMAND.search(message):
        return f"La commande « {match[1]} » n'existe pas.{_suggestion(_QUOTED.findall(match[2] or ''))}"
    if match := _EXTRA.search(message):
        return f"La commande a reçu un argument de trop : « {match[1]} »."
    if message.startswith("Missing command"):
        return "Il manque une commande."
    return "La commande est mal écrite."


def _without_type(ctx: Any) -> None:
    return None


def _name_of(error: typer.TyperException) -> str:
    param = getattr(error, "param", None)
    if param is None:
        return "un argument"
    if getattr(param, "param_type_name", "") == "option":
        return f"l'option « {param.opts[0]} »"
    return f"l'argument « {param.metavar or param.name} »"


def _suggestion(names: Sequence[str] | None) -> str:
    return f" S'agit-il de « {names[0]} » ?" if names else ""
