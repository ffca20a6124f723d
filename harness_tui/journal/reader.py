"""The journal read while no engine runs: plain sqlite3, `mode=ro`, no event loop, so that list verbs start at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

from ..domain.events import Envelope
from ..domain.fold import Views
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, Row, RuleRow, RunRow, TrustRow
from . import schema, tables

T = TypeVar("T")

_NOTHING: tuple[list[Row], int] = ([], 0)


class Reader:
    """Answers from the file as it is now; a missing or empty file has nothing to tell, which is no error.

    Never `immutable=1`: that ignores what is still in the write-ahead log. No cursor stays open between calls, since
    a reading that lasts stops the log from being cut. Every method raises SetupError for a damaged or newer file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._con: sqlite3.Connection | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def views(self) -> Views:
        """Everything open and the newest of what ended, at one pos."""
        views = Views()
        rows, pos = self._ask(tables.load, _NOTHING)
        views.load(rows, pos)
        return views

    def runs(self, limit: int = 200) -> list[RunRow]:
        """Root runs, newest first."""
        return self._ask(lambda con: tables.roots(con, limit), [])

    def run(self, uid: str) -> RunRow | None:
        """One run, root or attempt; None when there is none."""
        return self._ask(lambda con: tables.run(con, uid), None)

    def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        """Open requests, oldest first; all = decided ones too."""
        return self._ask(lambda con: tables.approvals(con, all=all), [])

    def governance(self) -> tuple[dict[str, RuleRow], dict[str, TrustRow]]:
        """The operator's rules by id, the revoked ones too, and trusted workspaces by path."""
        views = Views()
        for table in ("rule", "trust"):
            views.load(self._ask(partial(tables.named, table=table), list[Row]()), 0)
        return views.rules, views.trusted

    def loops(self) -> list[LoopRow]:
        """Every loop, removed ones too."""
        rows = self._ask(partial(tables.named, table="loop"), list[Row]())
        return [row for row in rows if isinstance(row, LoopRow)]

    def spec(self, loop: str) -> SpecRow:
        """The pinned spec of a loop that is there, by id."""
        rows = self._ask(partial(tables.named, table="loopspec"), list[Row]())
        return next(row for row in rows if isinstance(row, SpecRow) and row.id == loop)

    def rounds(self, loop: str, limit: int) -> list[RoundRow]:
        """A loop's rounds, newest first."""
        return self._ask(partial(tables.rounds, loop=loop, limit=limit), [])

    def slots(self, loop: str, limit: int) -> list[SlotRow]:
        """A loop's scheduled times, newest first."""
        return self._ask(partial(tables.slots, loop=loop, limit=limit), [])

    def tail(self, after: int = 0, root: str = "", limit: int = 500) -> list[Envelope]:
        """Events with pos > after in commit order: of the run `root` and all under it, or of all runs ("")."""
        return self._ask(lambda con: tables.tail(con, after, root, limit), [])

    def stream(self, run: str, after: int = 0, limit: int | None = None) -> list[Envelope]:
        """As `Journal.stream`."""
        return self._ask(partial(tables.stream, uid=run, after=after, limit=limit), [])

    def check(self) -> list[str]:
        """As `Journal.check`: problems as sentences, none = sound (or nothing there)."""
        return self._ask(tables.problems, [])

    def close(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

    def _ask(self, question: Callable[[sqlite3.Connection], T], empty: T) -> T:
        try:
            con = self._connect()
            return empty if con is None else question(con)
        except schema.UNREADABLE as error:
            raise schema.explained(str(self._path), error) from None

    def _connect(self) -> sqlite3.Connection | None:
        if self._con is None:
            if not self._path.exists():
                return None
            con = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, isolation_level=None)
            try:
                found = schema.known(con, str(self._path))
            except BaseException:
                con.close()
                raise
            if not found:
                con.close()
                return None
            self._con = con
        return self._con
