"""From appends to one transaction: every event gets its pos and is folded, every changed row is collected once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ..domain import events as ev
from ..domain.codec import encode
from ..domain.errors import Conflict, HarnessError
from ..domain.events import Envelope, Event, Write, needs_power, root_of
from ..domain.fold import Views
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, BudgetRow, EndpointRow, FrameRow, HoldRow, Row, RuleRow, RunRow, TrustRow
from . import transaction as tx
from .transaction import Group

_encode_row = msgspec.json.Encoder().encode

_BLOBS: dict[type[Event], Callable[[Any], Iterable[str]]] = {
    ev.RunStarted: lambda event: event.spec.given.values(),
    ev.FrameCaptured: lambda event: (event.sha,),
    ev.ToolFinished: lambda event: (event.blob,),
    ev.TaskFinished: lambda event: (event.blob,),
    ev.ApprovalRequested: lambda event: (event.paper,),
    ev.ChangeTaken: lambda event: (event.change.diff if event.change else "",),
    ev.ApprovalEdited: lambda event: (event.change.diff if event.change else "",),
}
"""Events that name blobs, and which: what a sweep must keep."""


class Unfit(HarnessError):
    """An event the fold refuses: it speaks of something its run does not have."""


class Append:
    """One call of `append`: encoded, waiting for the writer, answered through `done`."""

    __slots__ = ("at", "done", "encoded", "envelopes", "power", "writes")

    def __init__(self, writes: Sequence[Write], at: int, done: asyncio.Future[list[Envelope]]) -> None:
        """Encode on the caller's time; `at` in us. Raises what encoding raises, with nothing changed."""
        self.writes = writes
        self.at = at
        self.encoded: list[tuple[int, bytes]] = []
        """(kind, body) of every event, in the order of the writes."""
        self.power = False
        for write in writes:
            self.encoded += map(encode, write.events)
            self.power = self.power or any(map(needs_power, write.events))
        self.envelopes: list[Envelope] = []
        self.done = done

    def heads(self, known: dict[str, int]) -> dict[str, int]:
        """What it makes of the heads of its runs. Raises Conflict if it was meant for other ones."""
        heads: dict[str, int] = {}
        for write in self.writes:
            run = write.run
            head = heads[run] if run in heads else known.get(run, 0)
            if head != write.expected:
                raise Conflict(
                    f"Run {run} is at event {head}, not at {write.expected}.", "Read it again and decide anew."
                )
            heads[run] = head + len(write.events)
        return heads


class State:
    """What the writer knows of the tables: rows, the streams' local numbers, and which trees are in memory."""

    def __init__(self) -> None:
        self.views = Views()
        self.views.track = True
        self.ids: dict[str, int] = {}
        self.loaded: set[str] = set()
        self.open: set[str] = set()
        """Runs in memory whose stored row says that they have not ended."""

    def reset(self, ids: dict[str, int], rows: Iterable[Row], pos: int) -> None:
        """Start from what is stored. `views` stays the same object: others hold it."""
        vars(self.views).update(vars(Views()), track=True)
        self.ids = ids
        self.loaded, self.open = set(), set()
        self._load(rows, pos)
        self.loaded.update(map(root_of, self.views.runs), self.views.loops)

    def missing(self, batch: list[Append]) -> dict[str, int]:
        """Root runs the batch writes to whose rows are stored and not in memory: uid -> number."""
        missing: dict[str, int] = {}
        for item in batch:
            for write in item.writes:
                root = root_of(write.run)
                if root not in self.loaded and root in self.ids:
                    missing[root] = self.ids[root]
        return missing

    def add(self, roots: Iterable[str], rows: Iterable[Row]) -> None:
        self._load(rows, self.views.pos)
        self.loaded.update(roots)

    def _load(self, rows: Iterable[Row], pos: int) -> None:
        rows = list(rows)
        self.views.load(rows, pos)
        self.open.update(row.id for row in rows if isinstance(row, RunRow) and not row.ended)

    def form(self, batch: list[Append], epoch: int) -> Group:
        """Fold the batch and make it one group. Raises Unfit; then `views` is to be reset."""
        group = Group(epoch)
        fresh: dict[str, int] = {}
        ids, apply, events = self.ids, self.views.apply, group.events
        pos, size = self.views.pos, 0
        for item in batch:
            group.power = group.power or item.power
            at, encoded = item.at, iter(item.encoded)
            envelopes = item.envelopes = []
            for write in item.writes:
                run, seq = write.run, write.expected
                number = ids.get(run) or self._number(run, fresh)
                for event, (kind, body) in zip(write.events, encoded, strict=False):
                    pos += 1
                    seq += 1
                    envelope = Envelope(pos, run, seq, at, event)
                    events.append((pos, number, seq, at, kind, body))
                    size += len(body)
                    try:
                        apply(envelope)
                    except Exception as error:
                        why = f"{type(error).__name__}({error})"
                        raise Unfit(f"The event {ev.name_of(event)} does not fit run {run}: {why}.") from error
                    envelopes.append(envelope)
                    if names := _BLOBS.get(type(event)):
                        for sha in filter(None, names(event)):
                            group.add(tx.BLOBS, (sha,))
        group.bytes += size
        self.collect(group, fresh)
        return group

    def _number(self, run: str, fresh: dict[str, int]) -> int:
        """A local number for a new stream, and for its root if that is new too."""
        ids = self.ids
        root = root_of(run)
        if root not in ids:
            ids[root] = fresh[root] = len(ids) + 1
        if run not in ids:
            ids[run] = fresh[run] = len(ids) + 1
        self.loaded.add(root)
        return ids[run]

    def collect(self, group: Group, fresh: dict[str, int]) -> None:
        """The last state of each changed row; new streams without a row get a bare entry."""
        ids, add = self.ids, group.add
        for (table, key), row in self.views.take_dirty().items():
            body = _encode_row(row) if row is not None else b""
            group.bytes += len(body)
            match row:
                case RunRow():
                    add(self._turn(row, fresh), (ids[key], key, ids[root_of(key)], row.ended, body))
                case ApprovalRow():
                    live = row.open or row.state in ("approved", "executing")
                    add(tx.APPROVALS, (key, ids[root_of(row.run)], live, body))
                case BudgetRow():
                    kind, _, run = key.partition(":")
                    add(tx.BUDGETS, (key, ids[run] if kind in ("run", "round") else None, body))
                case HoldRow():
                    add(tx.HOLDS, (key, ids[root_of(row.run)], body))
                case FrameRow():
                    add(tx.FRAMES, (ids[key], body))
                case EndpointRow() | RuleRow() | TrustRow() | LoopRow() | SpecRow():
                    add(tx.NAMED[table], (key, body))
                case RoundRow():
                    add(tx.ROUNDS, (row.loop, row.number, row.live, body))
                case SlotRow():
                    add(tx.SLOTS, (row.loop, row.at, body))
                case None if table == "hold":
                    group.settled.append(key)
                case None:
                    raise Unfit(f"The fold dropped {table} {key}; only holds may go.")
        for uid, number in fresh.items():
            root = ids[root_of(uid)]
            add(tx.STREAMS, (number, uid, root, 0 if root == number else tx.BARE, None))

    def _turn(self, row: RunRow, fresh: dict[str, int]) -> tx.Into:
        """How the row of a run is written; remembers whether the stored one says that it has ended."""
        run = row.id
        was_open = run in self.open
        (self.open.discard if row.ended else self.open.add)(run)
        if fresh.pop(run, 0):
            return tx.STREAMS
        return tx.RUNS if was_open and not row.ended else tx.TURNED
