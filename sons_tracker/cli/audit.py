"""The audit of double funding from the terminal."""

from __future__ import annotations

from sons_tracker.cli import explanations
from sons_tracker.cli.french import Cli

app = Cli(help="Audit des doubles financements.")
app.command("explain")(explanations.explain)
