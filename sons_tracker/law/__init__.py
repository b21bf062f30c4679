"""The law as data: TOML files with their versions and sources, checked, then frozen into `rules.texts`."""

from sons_tracker.law.comparison import Difference, compare
from sons_tracker.law.library import Library, load, read_library
from sons_tracker.law.presentation import calendar, names, show

__all__ = ["Difference", "Library", "calendar", "compare", "load", "names", "read_library", "show"]
