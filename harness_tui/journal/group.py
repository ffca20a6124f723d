"""From appends to one transaction: every event gets its pos and is folded, every changed row is collected once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from ..domain import events as ev
from ..domain.codec import encode
from ..domain.errors import Conflict, HarnessError
from ..domain.events import Envelope, Write, root_of
from ..domain.fold import Views
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, BudgetRow, EndpointRow, FrameRow, HoldRow, Row, RuleRow, RunRow, TrustRow
from .tables import Group

_encode_row = msgspec.json.Encoder().encode


class Unfit(HarnessError):
    """An event the fold refuses: it speaks of something its run does not have."""


class Append:
    """One call of `append`: encoded, waiting for the writer, answered through `done`."""

    __slots__ = ("at", "done", "envelopes", "power", "rows", "writes")

    def __init__(self, writes: Sequence[Write], at: int) -> None:
        """Encode on the caller's time; `at` in us. Raises what encoding raises, with nothing changed."""
        self.writes = writes
        self.at = at
        self.rows: list[tuple[str, int, int, int, bytes, ev.Event]] = []
        """(run, seq, at, kind, body, event)"""
        self.power = False
        for write in writes:
            for seq, event in enumerate(write.events, write.expected + 1):
                self.rows.append((write.run, seq, at, *encode(event), event))
                self.power = self.power or ev.needs_power(event)
        self.envelopes: list[Envelope] = []
        self.done: asyncio.Future[list[Envelope]] = asyncio.get_running_loop().create_future()

    def heads(self, known: dict[str, int]) -> dict[str, int]:
        """What it makes of the heads of its runs. Raises Conflict if it was meant for other ones."""
        heads: dict[str, int] = {}
        for write in self.writes:
            head = heads[write.run] if write.run in heads else known.get(write.run, 0)
            if head != write.expected:
                raise Conflict(
                    f"Run {write.run} is at event {head}, not at {write.expected}.", "Read it again and decide anew."
                )
            heads[write.run] = head + len(write.events)
        return heads

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class State:
    """What the writer knows of the tables: rows, the streams' local numbers, and which trees are in memory."""

    def __init__(self) -> None:
        self.views = Views()
        self.views.track = True
        self.ids: dict[str, int] = {}
        self.loaded: set[str] = set()

    def reset(self, ids: dict[str, int], rows: Iterable[Row], pos: int) -> None:
        """Start from what is stored. `views` stays the same object: others hold it."""
        vars(self.views).update(vars(Views()), track=True)
        self.views.load(rows, pos)
        self.ids = ids
        self.loaded = {root_of(run) for run in self.views.runs} | set(self.views.loops)

    def missing(self, batch: list[Append]) -> dict[str, int]:
        """Root runs the batch writes to whose rows are stored and not in memory: uid -> number."""
        roots = {root_of(write.run) for item in batch for write in item.writes} - self.loaded
        return {root: self.ids[root] for root in roots if root in self.ids}

    def add(self, roots: Iterable[str], rows: Iterable[Row]) -> None:
        self.views.load(rows, self.views.pos)
        self.loaded.update(roots)

    def form(self, batch: list[Append], epoch: int) -> Group:
        """Fold the batch and make it one group. Raises Unfit; then `views` is to be reset."""
        group = Group(epoch, power=any(item.power for item in batch))
        fresh: dict[str, int] = {}
        pos = self.views.pos
        for item in batch:
            item.envelopes = []
            for run, seq, at, kind, body, event in item.rows:
                pos += 1
                envelope = Envelope(pos, run, seq, at, event)
                group.events.append((pos, self.ids.get(run) or self._number(run, fresh), seq, at, kind, body))
                try:
                    self.views.apply(envelope)
                except Exception as error:
                    name = ev.name_of(event)
                    raise Unfit(f"The event {name} does not fit run {run}: {type(error).__name__}({error}).") from error
                item.envelopes.append(envelope)
                if isinstance(event, ev.FrameCaptured):
                    group.blobs.append((event.sha,))
                elif isinstance(event, ev.ToolFinished) and event.blob:
                    group.blobs.append((event.blob,))
                elif isinstance(event, ev.ChangeTaken | ev.ApprovalEdited) and event.change:
                    group.blobs.append((event.change.diff,))
        self.collect(group, fresh)
        return group

    def _number(self, run: str, fresh: dict[str, int]) -> int:
        """A local number for a new stream, and for its root if that is new too."""
        root = root_of(run)
        for uid in dict.fromkeys((root, run)):
            if uid not in self.ids:
                self.ids[uid] = fresh[uid] = len(self.ids) + 1
        self.loaded.add(root)
        return self.ids[run]

    def collect(self, group: Group, fresh: dict[str, int]) -> None:
        """The last state of each changed row; new streams without a row get a bare entry."""
        ids = self.ids
        for (table, key), row in self.views.take_dirty().items():
            body = _encode_row(row) if row is not None else b""
            match row:
                case RunRow():
                    fresh.pop(key, None)
                    group.runs.append((ids[key], key, ids[root_of(key)], row.ended, body))
                case ApprovalRow():
                    live = row.open or row.state in ("approved", "executing")
                    group.approvals.append((key, ids[root_of(row.run)], live, body))
                case BudgetRow():
                    kind, _, run = key.partition(":")
                    group.budgets.append((key, ids[run] if kind in ("run", "round") else None, body))
                case HoldRow():
                    group.holds.append((key, ids[root_of(row.run)], body))
                case FrameRow():
                    group.frames.append((ids[key], body))
                case EndpointRow() | RuleRow() | TrustRow() | LoopRow() | SpecRow():
                    group.named.append((table, key, body))
                case RoundRow():
                    group.rounds.append((row.loop, row.number, row.live, body))
                case SlotRow():
                    group.slots.append((row.loop, row.at, body))
                case None if table == "hold":
                    group.settled.append((key,))
                case None:
                    raise Unfit(f"The fold dropped {table} {key}; only holds may go.")
        group.runs += [(number, uid, ids[root_of(uid)], 0, None) for uid, number in fresh.items()]
        group.runs.sort()
