"""How the file looks: its tables by numbered migrations, the checks before it is used, and what a refusal says."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from ..domain.errors import SetupError

APPLICATION = 0x48545549
"""`PRAGMA application_id` of a journal ("HTUI")."""

ROWS = 3
"""What the rows are the fold of: raised with every change of the fold, upon which `refold` makes them anew."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        # `id` is local and never leaves the file; one without a body is a stream no row is made of (the engine's own).
        "CREATE TABLE run(id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, root INTEGER NOT NULL,"
        " ended INTEGER NOT NULL, body BLOB)",
        "CREATE INDEX run_root ON run(root)",
        "CREATE INDEX run_open ON run(id) WHERE ended = 0",
        # Commit order is the key. Clustering by (run, seq) would put whole bodies into index pages: 2.5 times the file.
        "CREATE TABLE event(pos INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,"
        " kind INTEGER NOT NULL, body BLOB NOT NULL)",
        "CREATE UNIQUE INDEX event_run ON event(run, seq)",
        "CREATE TABLE approval(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, run INTEGER NOT NULL,"
        " live INTEGER NOT NULL, body BLOB NOT NULL)",
        "CREATE INDEX approval_run ON approval(run)",
        "CREATE INDEX approval_live ON approval(n) WHERE live = 1",
        "CREATE TABLE budget(scope TEXT PRIMARY KEY, run INTEGER, body BLOB NOT NULL) WITHOUT ROWID",
        "CREATE INDEX budget_run ON budget(run)",
        "CREATE TABLE hold(key TEXT PRIMARY KEY, run INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE frame(run INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        "CREATE TABLE blob(sha TEXT PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO meta VALUES ('epoch', 0)",
    ),
    (
        "CREATE TABLE endpoint(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        f"INSERT INTO meta VALUES ('rows', {ROWS} * (SELECT count(*) = 0 FROM event))",
    ),
    (
        "CREATE TABLE rule(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE trust(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE loop(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE loopspec(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE round(loop TEXT NOT NULL, number INTEGER NOT NULL, live INTEGER NOT NULL, body BLOB NOT NULL,"
        " PRIMARY KEY(loop, number)) WITHOUT ROWID",
        "CREATE INDEX round_live ON round(loop, number) WHERE live = 1",
        # A loop has one row for each of its times, whatever became of it.
        "CREATE TABLE slot(loop TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(loop, at))"
        " WITHOUT ROWID",
    ),
    (
        # A run may fan out to thousands of streams without a row: none of them is looked for by its root, nor open.
        "UPDATE run SET ended = -1 WHERE body IS NULL AND id <> root",
        "DROP INDEX run_root",
        "CREATE INDEX run_root ON run(root) WHERE ended >= 0",
    ),
)
"""Statements that lead from schema n to n + 1; the number is `PRAGMA user_version`."""

VERSION = len(MIGRATIONS)
CHECKED_BYTES = 4 * 1024 * 1024
"""Files up to this size are checked whole at every start (some 20 ms); larger ones by `doctor`."""

BROKEN = ("", "SQLITE_CORRUPT", "SQLITE_CORRUPT_INDEX", "SQLITE_NOTADB")
"""Names of errors that mean damage; "" is our own finding of `quick_check`."""
UNREADABLE = (sqlite3.Error, msgspec.MsgspecError)
"""What reading a file raises that is not as we wrote it."""


def create(path: Path) -> None:
    """Make the empty file 0600; SQLite gives its companions the same mode.

    Only when there is none: closing a second descriptor of an open database drops the locks this process holds on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise SetupError(
            f"Cannot create the journal {path}: {error.strerror}.", "Set HARNESS_TUI_HOME to a writable place."
        ) from None


def known(con: sqlite3.Connection, name: str) -> bool:
    """Whether the file is a journal this program reads; False = nothing in it yet.

    Raises SetupError for a newer schema and for a database that is not ours; sqlite3.DatabaseError for a damaged one.
    """
    version, application, objects = (
        con.execute(sql).fetchone()[0]
        for sql in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
    )
    if objects and application != APPLICATION:
        raise SetupError(f"{name} is a database of another program.", "Set HARNESS_TUI_HOME to another directory.")
    if version > VERSION:
        raise SetupError(
            f"{name} was written by a newer harness-tui (schema {version}; this one knows {VERSION}).",
            "Update harness-tui, or set HARNESS_TUI_HOME to another directory.",
        )
    return bool(version)


def prepare(con: sqlite3.Connection, name: str) -> int:
    """Check, migrate and take the journal over: returns this engine's epoch, durable against power loss."""
    if known(con, name):
        check_whole(con)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA wal_autocheckpoint = 0")
    con.execute("PRAGMA synchronous = FULL")
    con.execute("PRAGMA cache_size = -8192")
    migrate(con)
    con.execute("BEGIN IMMEDIATE")
    con.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
    epoch: int = con.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
    con.execute("COMMIT")
    return epoch


def migrate(con: sqlite3.Connection) -> None:
    """Bring the file to `VERSION`, each step in its own transaction."""
    start = con.execute("PRAGMA user_version").fetchone()[0]
    for number in range(start, VERSION):
        con.execute("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[number]:
            con.execute(statement)
        con.execute(f"PRAGMA application_id = {APPLICATION}")
        con.execute(f"PRAGMA user_version = {number + 1}")
        con.execute("COMMIT")


def check_whole(con: sqlite3.Connection) -> None:
    """`quick_check` of a file of bounded size. Raises sqlite3.DatabaseError when it finds damage."""
    pages, size = (con.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    if pages * size <= CHECKED_BYTES:
        found = con.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)


def damaged(name: str, error: Exception) -> SetupError:
    """What is said of a file SQLite cannot read. Nothing is moved, mended or deleted."""
    cause = str(error).splitlines()[-1]
    return SetupError(
        f"The journal {name} is damaged: {cause}. It was left as it is.",
        "Copy it with its -wal file before anything else, then restore a backup or set HARNESS_TUI_HOME to start anew.",
    )


def refused(error: Exception) -> SetupError:
    """What is said when a transaction did not reach the disk."""
    return SetupError(
        f"The disk refused to save the journal: {error}. Nothing was lost that was shown as saved.",
        "Make room (or mend the disk) and try again.",
    )


def explained(name: str, error: Exception) -> SetupError:
    """An error of opening or reading, for the operator: a broken file, or one that cannot be used just now."""
    code = getattr(error, "sqlite_errorname", "")
    if not isinstance(error, sqlite3.Error) or (type(error) is sqlite3.DatabaseError and code in BROKEN):
        return damaged(name, error)
    return SetupError(f"Cannot use the journal {name}: {error}.", "Look at its owner, its mode and the disk.")
