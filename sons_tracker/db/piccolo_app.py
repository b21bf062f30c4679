"""What Piccolo calls an application: its name, its tables, its migrations."""

from piccolo.conf.apps import AppConfig

from sons_tracker.db.migrate import APP_NAME
from sons_tracker.db.tables import TABLES
from sons_tracker.settings import resource

APP_CONFIG = AppConfig(
    app_name=APP_NAME,
    migrations_folder_path=str(resource("migrations")),
    table_classes=list(TABLES),
)
