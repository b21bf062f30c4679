"""What Piccolo looks for first: the engine and the list of its applications."""

from piccolo.conf.apps import AppRegistry

from sons_tracker.db.engine import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["sons_tracker.db.piccolo_app"])
