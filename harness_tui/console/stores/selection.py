"""A cursor in a list of ids that changes under it, and the part of the list that fits on the screen."""

from __future__ import annotations

from collections.abc import Iterable

from ...domain.views import RunRow

_OPEN_FIRST = {"in_doubt": 0, "waiting": 1, "retrying": 2, "running": 2}


class Selection:
    """A cursor that stays on its id while rows come and go around it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.current = ""
        self._index = 0

    def update(self, ids: Iterable[str]) -> None:
        """Take the new list; the cursor keeps its id, else its place."""
        self.ids = list(ids)
        if self.current in self.ids:
            self._index = self.ids.index(self.current)
        else:
            self._index = max(0, min(self._index, len(self.ids) - 1))
            self.current = self.ids[self._index] if self.ids else ""

    @property
    def index(self) -> int:
        return self._index

    def move(self, by: int) -> None:
        if self.ids:
            self._index = max(0, min(len(self.ids) - 1, self._index + by))
            self.current = self.ids[self._index]


class RunOrder:
    """Order of the runs: what waits for the operator first, then live ones, then age. Frozen while pane 2 has focus;
    a run that starts meanwhile appears at the end."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.new = 0

    def sort(self, rows: Iterable[RunRow]) -> None:
        self.new = 0
        self.ids = [row.id for row in sorted(rows, key=_rank)]

    def append(self, rows: Iterable[RunRow]) -> None:
        known = set(self.ids)
        fresh = [row.id for row in rows if row.id not in known]
        self.new += len(fresh)
        self.ids += fresh


def _rank(row: RunRow) -> tuple[int, int]:
    return (_OPEN_FIRST.get(row.state, 3) if row.open else 3, -row.started)


def window(count: int, index: int, height: int) -> int:
    """First row shown of `count`, so that row `index` is on a screen of `height` rows."""
    return max(0, min(index - height // 2, count - height))
