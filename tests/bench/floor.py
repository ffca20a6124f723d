"""The floor: the same events by hand through bare sqlite3, one transaction per commit, no thread, views or checks."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

SCHEMA = (
    "PRAGMA journal_mode = WAL",
    "CREATE TABLE event(pos INTEGER PRIMARY KEY, run INT, seq INT, at INT, kind INT, body BLOB)",
    "CREATE UNIQUE INDEX event_run ON event(run, seq)",
)


def commits_per_second(path: Path, bodies: list[bytes], *, commits: int, appends: int, synchronous: str) -> float:
    """How many appends of `bodies` a second, `appends` of them in each of `commits` transactions."""
    con = sqlite3.connect(path, isolation_level=None)
    for statement in SCHEMA:
        con.execute(statement)
    con.execute(f"PRAGMA synchronous = {synchronous}")
    pos = 0
    start = time.perf_counter()
    for _ in range(commits):
        con.execute("BEGIN IMMEDIATE")
        rows = []
        for _ in range(appends):
            for body in bodies:
                pos += 1
                rows.append((pos, 1, pos, 1, 33, body))
        con.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", rows)
        con.execute("COMMIT")
    took = time.perf_counter() - start
    con.close()
    return commits * appends / took


def written(path: Path, bodies: list[bytes], commits: int) -> int:
    """Write `bodies`, spread over `commits` transactions; how many bytes the file has after it."""
    con = sqlite3.connect(path, isolation_level=None)
    for statement in SCHEMA:
        con.execute(statement)
    con.execute("PRAGMA synchronous = NORMAL")
    pos = 0
    for commit in range(commits):
        end = len(bodies) * (commit + 1) // commits
        con.execute("BEGIN IMMEDIATE")
        rows = [(n, 1, n, 1_763_700_000_000_000, 33, bodies[n]) for n in range(pos, end)]
        con.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", rows)
        con.execute("COMMIT")
        pos = end
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    return path.stat().st_size
