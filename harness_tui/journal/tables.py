"""Statements: rows and events out of the tables, and what a check finds. Plain sqlite3, no thread of its own."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from ..domain.codec import decode
from ..domain.events import Envelope
from ..domain.fold import Views
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, BudgetRow, EndpointRow, FrameRow, HoldRow, Row, RuleRow, RunRow, TrustRow

ENDED_ROOTS = 500
APPROVALS = 200
"""How many finished runs and requests are held in memory beside everything open."""
LARGE_TREE = 1000
"""Streams of a tree from which on its events are looked for where they are dense."""
LONG_LOG = 64 * 1024 * 1024
"""Bytes of write-ahead log that are worth a warning."""

# -- reading rows ---------------------------------------------------------------------------------------------------

R = TypeVar("R")


def _reader(kind: type[R]) -> Callable[[bytes], R]:
    """Reads rows of one kind. What it needs is built at the first one: no start reads all kinds."""
    made: list[msgspec.json.Decoder[R]] = []

    def read(body: bytes) -> R:
        if not made:
            made.append(msgspec.json.Decoder(kind))
        return made[0].decode(body)

    return read


_run = _reader(RunRow)
_approval = _reader(ApprovalRow)
_budget = _reader(BudgetRow)
_hold = _reader(HoldRow)
_frame = _reader(FrameRow)
_round = _reader(RoundRow)
_slot = _reader(SlotRow)

NAMED: dict[str, tuple[int, Callable[[bytes], Row]]] = {
    "endpoint": (2, _reader(EndpointRow)),
    "rule": (3, _reader(RuleRow)),
    "trust": (3, _reader(TrustRow)),
    "loop": (4, _reader(LoopRow)),
    "loopspec": (4, _reader(SpecRow)),
}
"""Tables of rows that belong to no run: the schema they came with, and how a row is read."""


class Streams(msgspec.Struct):
    """Every stream there is: its local number and its last seq."""

    ids: dict[str, int]
    heads: dict[str, int]
    at: int
    """When the newest event was, in us."""


def streams(con: sqlite3.Connection) -> Streams:
    # One step to the end of each stream in the index; `max(seq)` takes twice the time over thousands of streams.
    head = "SELECT seq FROM event WHERE event.run = run.id ORDER BY seq DESC LIMIT 1"
    sql = f"SELECT uid, id, ({head}) FROM run ORDER BY id"
    rows = con.execute(sql).fetchall()
    newest = con.execute("SELECT at FROM event ORDER BY pos DESC LIMIT 1").fetchone()
    return Streams({uid: number for uid, number, _ in rows}, {uid: head or 0 for uid, _, head in rows}, *newest or (0,))


def load(con: sqlite3.Connection) -> tuple[list[Row], int]:
    """Rows of everything open and the newest of what ended, and the pos they stand at: one consistent reading."""
    con.execute("BEGIN")
    try:
        return _rows(con), con.execute("SELECT ifnull(max(pos), 0) FROM event").fetchone()[0]
    finally:
        con.execute("COMMIT")


def _rows(con: sqlite3.Connection) -> list[Row]:
    roots = con.execute(
        "SELECT root FROM run WHERE ended = 0 UNION SELECT run FROM hold UNION SELECT id FROM"
        " (SELECT id FROM run WHERE id = root AND ended > 0 AND body IS NOT NULL ORDER BY id DESC LIMIT ?)",
        (ENDED_ROOTS,),
    ).fetchall()
    rows = trees(con, (root for (root,) in roots))
    rows += _of_no_run(con)
    rows += _rounds(con, (each for row in rows if isinstance(row, LoopRow) for each in row.recent))
    newest = (
        "SELECT body FROM approval WHERE live = 1 OR n IN (SELECT n FROM approval ORDER BY n DESC LIMIT ?) ORDER BY n"
    )
    rows += [_approval(body) for (body,) in con.execute(newest, (APPROVALS,))]
    return rows


def trees(con: sqlite3.Connection, roots: Iterable[int]) -> list[Row]:
    """Every row of these root runs: what folding one more of their events may need."""
    given = (json.dumps(list(roots)),)

    def bodies(sql: str) -> list[bytes]:
        return [body for (body,) in con.execute(sql.format("IN (SELECT value FROM json_each(?))"), given).fetchall()]

    return [
        *map(_run, bodies("SELECT body FROM run WHERE root {} AND ended >= 0 AND body IS NOT NULL ORDER BY id")),
        *map(_approval, bodies("SELECT body FROM approval WHERE run {} ORDER BY n")),
        *map(_budget, bodies("SELECT body FROM budget WHERE run {}")),
        *map(_hold, bodies("SELECT body FROM hold WHERE run {}")),
        *map(_frame, bodies("SELECT body FROM frame WHERE run {}")),
    ]


def _of_no_run(con: sqlite3.Connection) -> list[Row]:
    budgets = con.execute("SELECT body FROM budget WHERE run IS NULL").fetchall()
    return [*(_budget(body) for (body,) in budgets), *(row for table in NAMED for row in named(con, table))]


def _rounds(con: sqlite3.Connection, ids: Iterable[str]) -> list[Row]:
    """The rounds named, and all that are live, with their budgets."""
    if not _since(con, 4):
        return []
    keys = json.dumps([[loop, int(number)] for loop, _, number in (each.partition("/") for each in ids)])
    sql = (
        "SELECT body FROM round WHERE live = 1 UNION SELECT body FROM round JOIN json_each(?) AS key"
        " ON loop = key.value ->> 0 AND number = key.value ->> 1"
    )
    found = [_round(body) for (body,) in con.execute(sql, (keys,)).fetchall()]
    scopes = json.dumps([f"round:{row.id}" for row in found])
    held = con.execute("SELECT body FROM budget WHERE scope IN (SELECT value FROM json_each(?))", (scopes,)).fetchall()
    return [*found, *(_budget(body) for (body,) in held)]


def rounds(con: sqlite3.Connection, loop: str, limit: int) -> list[RoundRow]:
    """A loop's rounds, newest first."""
    if not _since(con, 4):
        return []
    sql = "SELECT body FROM round WHERE loop = ? ORDER BY number DESC LIMIT ?"
    return [_round(body) for (body,) in con.execute(sql, (loop, limit)).fetchall()]


def slots(con: sqlite3.Connection, loop: str, limit: int) -> list[SlotRow]:
    """A loop's scheduled times, newest first."""
    if not _since(con, 4):
        return []
    sql = "SELECT body FROM slot WHERE loop = ? ORDER BY at DESC LIMIT ?"
    return [_slot(body) for (body,) in con.execute(sql, (loop, limit)).fetchall()]


def _since(con: sqlite3.Connection, version: int) -> bool:
    """Whether the file has been brought up to that schema; one that is only read may be older."""
    found: int = con.execute("PRAGMA user_version").fetchone()[0]
    return found >= version


def named(con: sqlite3.Connection, table: str) -> list[Row]:
    """All rows of a table of NAMED; none in a file that no engine of this version has brought up yet."""
    since, read = NAMED[table]
    if not _since(con, since):
        return []
    return [read(body) for (body,) in con.execute(f"SELECT body FROM {table}").fetchall()]


def every(con: sqlite3.Connection) -> Views:
    """All stored rows, however old."""
    views = Views()
    roots = con.execute("SELECT id FROM run WHERE id = root").fetchall()
    rows = trees(con, (root for (root,) in roots))
    rows += _of_no_run(con)
    rows += _rounds(con, (each for row in rows if isinstance(row, LoopRow) for each in row.recent))
    views.load(rows, con.execute("SELECT ifnull(max(pos), 0) FROM event").fetchone()[0])
    return views


def roots(con: sqlite3.Connection, limit: int) -> list[RunRow]:
    """Root runs, newest first."""
    sql = "SELECT body FROM run WHERE id = root AND body IS NOT NULL ORDER BY id DESC LIMIT ?"
    return [_run(body) for (body,) in con.execute(sql, (limit,)).fetchall()]


def run(con: sqlite3.Connection, uid: str) -> RunRow | None:
    found = con.execute("SELECT body FROM run WHERE uid = ? AND body IS NOT NULL", (uid,)).fetchone()
    return _run(found[0]) if found else None


def approvals(con: sqlite3.Connection, *, all: bool) -> list[ApprovalRow]:
    """Oldest first; open ones, or all."""
    sql = f"SELECT body FROM approval {'' if all else 'WHERE live = 1'} ORDER BY n"
    rows = [_approval(body) for (body,) in con.execute(sql).fetchall()]
    return rows if all else [row for row in rows if row.open]


def blobs(con: sqlite3.Connection) -> set[str]:
    return {sha for (sha,) in con.execute("SELECT sha FROM blob").fetchall()}


# -- reading events -------------------------------------------------------------------------------------------------

_EVENTS = "SELECT pos, uid, seq, at, kind, event.body FROM event JOIN run ON run.id = event.run"
# A tree is a range of the uid index: "r1" itself and everything between "r1/" and "r10" ("0" follows "/").
_UNDER = "uid = ?1 OR (uid > ?1 || '/' AND uid < ?1 || '0')"
_TREE = f"SELECT id FROM run WHERE {_UNDER}"


def _open(rows: Iterable[tuple[int, str, int, int, int, bytes]]) -> list[Envelope]:
    return [Envelope(pos, uid, seq, at, decode(kind, body)) for pos, uid, seq, at, kind, body in rows]


def stream(con: sqlite3.Connection, uid: str, after: int = 0, limit: int | None = None) -> list[Envelope]:
    """One run's own stream in order: events with seq > after, `limit` at most (None: all)."""
    page = (uid, after, -1 if limit is None else limit)
    return _open(con.execute(f"{_EVENTS} WHERE run.uid = ? AND seq > ? ORDER BY seq LIMIT ?", page).fetchall())


def tail(con: sqlite3.Connection, after: int, root: str, limit: int) -> list[Envelope]:
    """Events with pos > after in commit order: of one tree, or of all ("")."""
    if not root:
        return _open(con.execute(f"{_EVENTS} WHERE pos > ? ORDER BY pos LIMIT ?", (after, limit)).fetchall())
    asked = (root, after, limit)
    if con.execute(f"SELECT count(*) FROM ({_TREE} LIMIT {LARGE_TREE})", (root,)).fetchone()[0] == LARGE_TREE:
        # The query below sorts the whole tree for each page. While so large a run was at work, most events are its own.
        near = "SELECT pos, run FROM event WHERE pos > ?2 ORDER BY pos LIMIT 4 * ?3"
        own = f"SELECT pos FROM ({near}) AS near JOIN run ON run.id = near.run WHERE {_UNDER} ORDER BY pos LIMIT ?3"
        found = json.dumps([pos for (pos,) in con.execute(own, asked).fetchall()])
        rows = con.execute(f"{_EVENTS} WHERE pos IN (SELECT value FROM json_each(?)) ORDER BY pos", (found,)).fetchall()
        if len(rows) == limit:
            return _open(rows)
    # The inner query is answered by the index alone, so that only `limit` bodies are read.
    chosen = f"SELECT pos FROM event WHERE run IN ({_TREE}) AND pos > ?2 ORDER BY pos LIMIT ?3"
    return _open(con.execute(f"{_EVENTS} WHERE pos IN ({chosen}) ORDER BY pos", asked).fetchall())


def last(con: sqlite3.Connection, n: int) -> list[Envelope]:
    """The n newest events, oldest of them first."""
    return _open(con.execute(f"{_EVENTS} ORDER BY pos DESC LIMIT ?", (n,)).fetchall()[::-1])


# -- checking -------------------------------------------------------------------------------------------------------


def problems(con: sqlite3.Connection) -> list[str]:
    """What `doctor` says of the journal: damage, holes, and rows that are not the fold of the events."""
    damage = [text.splitlines()[-1] for (text,) in con.execute("PRAGMA quick_check(5)") if text != "ok"]
    found = [f"The database is damaged: {text}." for text in damage]
    found += _long_log(con)
    folded = Views()
    heads: dict[str, int] = {}
    while batch := tail(con, folded.pos, "", 1000):
        for envelope in batch:
            if envelope.seq != heads.get(envelope.run, 0) + 1:
                found.append(f"Run {envelope.run} lacks events before number {envelope.seq}.")
            heads[envelope.run] = envelope.seq
            try:
                folded.apply(envelope)
            except Exception as error:
                found.append(f"Event {envelope.pos} cannot be folded: {type(error).__name__}({error}).")
    stored = every(con)
    names = "runs approvals budgets holds frames endpoints rules trusted loops specs rounds"
    for name in names.split():
        want, have = getattr(folded, name), getattr(stored, name)
        wrong = [key for key in {**want, **have} if want.get(key) != have.get(key)]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            found.append(f"Stored {name} differ from what the events say: {', '.join(sorted(wrong)[:3])}{more}.")
    return found


def _long_log(con: sqlite3.Connection) -> list[str]:
    """A write-ahead log grows without end while a reading of another program lasts."""
    name = con.execute("PRAGMA database_list").fetchone()[2]
    size = os.path.getsize(f"{name}-wal") if name and os.path.exists(f"{name}-wal") else 0
    if size <= LONG_LOG:
        return []
    return [f"The write-ahead log holds {size >> 20} MB: another program keeps the journal open for reading."]
