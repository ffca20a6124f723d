"""Make the rows anew from the events, when the fold has changed since they were written: rows are no second truth."""

from __future__ import annotations

import sqlite3

from . import schema, tables
from . import transaction as tx
from .group import State

BATCH = 1000


def refold(con: sqlite3.Connection) -> bool:
    """Fold the whole log once if the rows are of an older fold; True if that was so. Raises as opening does."""
    if con.execute("SELECT value FROM meta WHERE key = 'rows'").fetchone()[0] == schema.ROWS:
        return False
    state = State()
    state.ids = tables.streams(con).ids
    con.execute("BEGIN IMMEDIATE")
    try:
        while batch := tables.tail(con, state.views.pos, "", BATCH):
            for envelope in batch:
                state.views.apply(envelope)
        for table in ("approval", "budget", "hold", "frame", "round", "slot", *tables.NAMED):
            con.execute(f"DELETE FROM {table}")
        con.execute("UPDATE run SET body = NULL, ended = iif(id = root, 0, ?)", (tx.BARE,))
        group = tx.Group(0)
        state.collect(group, {})
        group.rows.get(tx.APPROVALS, []).sort(key=lambda row: state.views.approvals[row[0]].requested)
        tx.write_rows(con.cursor(), group)
        con.execute("UPDATE meta SET value = ? WHERE key = 'rows'", (schema.ROWS,))
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return True
