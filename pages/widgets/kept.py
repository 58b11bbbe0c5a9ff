"""How far back the detail of sessions goes, said wherever sessions of all time stand on the screen."""

from metrics.display import format_date, format_plural
from metrics.retention import get_retention
from metrics.viewer import Viewer
from pages.widgets.database import get_database, get_settings, get_timezone


def describe_detail(viewer: Viewer) -> str:
    """Since when, once something left; before that, for how long it will stay."""
    kept_since = get_retention(get_database(), viewer).kept_since
    if kept_since is None:
        return f"session detail is kept for {format_plural(get_settings().retention_days, 'day')}"
    return f"session detail kept since {format_date(kept_since, get_timezone())}"
