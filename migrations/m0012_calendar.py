"""A deadline may come back to an instant that it had left.

A new text moves a deadline by superseding its row, never by editing it. A text that puts the former date back
needs a row of its own at that date: what exists once is the deadline that holds, not the ones that no longer
do. A deadline that fired still holds its instant for good.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sons_tracker.db.engine import DB

ID = "0012"
VERSION = "1.38.0"
DESCRIPTION = "Calendar: a superseded deadline leaves its instant free"

DEADLINES = """
alter table sons.deadline
  drop constraint deadline_pkey,
  add column id bigint generated always as identity,
  add constraint deadline_pkey primary key (id);
create unique index deadline_exists_once on sons.deadline (rule, object_id, due_at)
  where superseded_at is null;
"""


async def _run() -> None:
    await DB.run_script(DEADLINES)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sons_tracker", description=DESCRIPTION)
    manager.add_raw(_run)
    return manager
