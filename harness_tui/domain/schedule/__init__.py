"""When a loop is due: what an operator writes as a schedule, read once, and the instants it means in a time zone."""

from .fires import Fire, after, between, preview
from .reading import parse
from .spec import Schedule, ScheduleError, why_never
from .zones import zone

__all__ = ["Fire", "Schedule", "ScheduleError", "after", "between", "parse", "preview", "why_never", "zone"]
