"""One group of appends as one transaction: plain values, and the few statements that write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

from .failpoints import hit

BARE = -1
"""`ended` of a child stream no row is made of: its root's row says whether the tree is read at the start."""


class StaleEngine(Exception):
    """A newer engine took the journal over."""


class Into:
    """Where rows of one shape go, and what happens to a row that is there."""

    __slots__ = ("_one", "_sql", "_tail", "_verb")

    def __init__(self, into: str, columns: int, conflict: str = "") -> None:
        self._verb = f"INSERT INTO {into} VALUES "
        self._one = f"({','.join('?' * columns)})"
        self._tail = f" ON CONFLICT{conflict}" if conflict else ""
        self._sql: dict[int, str] = {}

    def sql(self, rows: int) -> str:
        """The statement for so many rows; the same string each time, under which SQLite's is kept."""
        found = self._sql.get(rows)
        if found is None:
            found = self._sql[rows] = self._verb + ",".join([self._one] * rows) + self._tail
        return found


_BODY = " DO UPDATE SET body = excluded.body"

EVENTS = Into("event", 6)
"""(pos, run, seq, at, kind, body)"""
STREAMS = Into("run", 5)
"""(id, uid, root, ended, body) of streams the table has no entry of."""
# Only the end of a run changes what is indexed; not saying so saves pages of log in every other transaction.
RUNS = Into("run", 5, "(id)" + _BODY)
"""The same of rows that were open and still are."""
TURNED = Into("run", 5, "(id) DO UPDATE SET ended = excluded.ended, body = excluded.body")
"""The same of rows that ended, were opened again, or came into being after their stream."""
APPROVALS = Into("approval(id, run, live, body)", 4, "(id) DO UPDATE SET live = excluded.live, body = excluded.body")
BUDGETS = Into("budget", 3, "(scope)" + _BODY)
"""(scope, run or None, body)"""
HOLDS = Into("hold", 3, "(key)" + _BODY)
FRAMES = Into("frame", 2, "(run)" + _BODY)
BLOBS = Into("blob", 1, " DO NOTHING")
ROUNDS = Into("round", 4, "(loop, number) DO UPDATE SET live = excluded.live, body = excluded.body")
SLOTS = Into("slot", 3, "(loop, at)" + _BODY)
"""(loop, at, body)"""
NAMED = {table: Into(table, 2, "(id)" + _BODY) for table in ("endpoint", "rule", "trust", "loop", "loopspec")}
"""(id, body) of rows that belong to no run."""

_LARGE, _SMALL = (64, 32, 16), 8


class Group:
    """One transaction: event rows, and the last state of every view row they changed.

    Attributes:
        power: it must survive power loss.
        switch: the level may be another one than that of the last transaction.
        bytes: of all bodies together.
    """

    __slots__ = ("bytes", "epoch", "events", "power", "rows", "settled", "switch")

    def __init__(self, epoch: int, power: bool = False) -> None:
        self.epoch = epoch
        self.power = power
        self.switch = True
        self.bytes = 0
        self.events: list[tuple[int, int, int, int, int, bytes]] = []
        self.rows: dict[Into, list[tuple[Any, ...]]] = {}
        self.settled: list[str] = []
        """Keys of holds that are gone."""

    def add(self, into: Into, row: tuple[Any, ...]) -> None:
        there = self.rows.get(into)
        if there is None:
            self.rows[into] = [row]
        else:
            there.append(row)

    def pages(self) -> int:
        """About how many pages of WAL this takes: bodies, and a leaf of each tree that is touched."""
        return self.bytes // 2048 + sum(map(len, self.rows.values())) + 4


def commit(con: sqlite3.Connection, group: Group) -> None:
    """Write a group in one transaction, all or nothing. Raises sqlite3.Error, StaleEngine."""
    cursor = con.cursor()  # one for all: each `con.execute` makes another
    execute = cursor.execute
    if group.switch:  # impossible inside a transaction
        execute(f"PRAGMA synchronous = {'FULL' if group.power else 'NORMAL'}")
    execute("BEGIN IMMEDIATE")
    try:
        if execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0] != group.epoch:
            raise StaleEngine
        _insert(cursor, EVENTS, group.events)
        write_rows(cursor, group)
        hit("journal.before_commit")
        execute("COMMIT")
    except BaseException:
        if con.in_transaction:
            execute("ROLLBACK")
        raise
    hit("journal.after_commit")


def write_rows(cursor: sqlite3.Cursor, group: Group) -> None:
    """The view rows of a group; the caller holds the transaction."""
    for into, rows in group.rows.items():
        _insert(cursor, into, rows)
    for key in group.settled:
        cursor.execute("DELETE FROM hold WHERE key = ?", (key,))


def _insert(cursor: sqlite3.Cursor, into: Into, rows: Sequence[tuple[Any, ...]]) -> None:
    """Few statements of fixed sizes: each step of a statement gives up the interpreter lock, each size is prepared."""
    start, left = 0, len(rows)
    if left == 1:
        cursor.execute(into.sql(1), rows[0])
        return
    while left:
        size = left if left <= _SMALL else next((size for size in _LARGE if size <= left), _SMALL)
        cursor.execute(into.sql(size), tuple(chain.from_iterable(rows[start : start + size])))
        start += size
        left -= size
