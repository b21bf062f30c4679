"""The tables as Piccolo sees them: a typed mirror of the migrations, without methods.

The migrations are the truth; a test compares every column. Piccolo knows keys of one column only: for a
composite key the first column carries the mark, so use these classes to read, and SQL to write.
"""

from importlib import import_module
from pkgutil import iter_modules

from piccolo.table import Table

TABLES: tuple[type[Table], ...] = tuple(
    found
    for module in sorted(info.name for info in iter_modules(__path__))
    for found in vars(import_module(f"{__name__}.{module}")).values()
    if isinstance(found, type) and issubclass(found, Table) and found.__module__ == f"{__name__}.{module}"
)
