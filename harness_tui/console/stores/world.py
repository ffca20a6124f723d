"""What the engine said: views, the ring of trace rows, flow and counts. Batches are folded here and nowhere else."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable

import msgspec

from ...domain.codec import WireEvent
from ...domain.costs import today
from ...domain.events import NUMBER_OF, Envelope, Flow, LoopAdded, ModelRequested, RoundStarted, root_of
from ...domain.fold import Views
from ...domain.loop.fold import HANDLERS as LOOP_EVENTS
from ...domain.trace import line
from ...domain.views import ApprovalRow, BudgetRow, RunRow
from ...domain.views import Row as ViewRow
from ...port.snapshot import Batch, EngineInfo, Snapshot
from .dags import Dags
from .filter import Filter
from .ring import Ring, Row

TAIL = 300
"""Rows of one run kept at hand for its tail."""
RUNS_AT_HAND = 500
ASKED = NUMBER_OF[ModelRequested]


class World:
    """Everything shown is read from here.

    Attributes:
        matched: numbers of the ring's rows that pass the trace's filter.
        more_loops: registered ones that did not fit into the snapshot.
        dags: the graphs that were looked at, job by job.
        flow: newest flow item of a root run that has said nothing since.
        unreadable: events of a newer engine this console does not know; counted, never guessed.
        restarted: us, when another engine process answered than the one before; 0 = never.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.views = Views()
        self.dags = Dags()
        self.engine: EngineInfo | None = None
        self.ring = Ring()
        self.matched: deque[int] = deque()
        self.filter = Filter()
        self.flow: dict[str, Flow] = {}
        self.seen_pos = 0
        self.more_loops = 0
        self.unreadable = 0
        self.restarted = 0
        self._tails: dict[str, deque[int]] = {}
        self._flow_rows: dict[str, dict[tuple[str, str], Row]] = {}
        self._second, self._count, self._rate = 0, 0, 0

    # -- in ------------------------------------------------------------------------------------------------------

    def attach(self, snapshot: Snapshot) -> None:
        """Take a snapshot; the ring keeps what it has and is continued."""
        if self.engine and (self.engine.pid, self.engine.started) != (snapshot.engine.pid, snapshot.engine.started):
            self.restarted = self.now()
        self.engine, self.more_loops = snapshot.engine, snapshot.more_loops
        self.views = Views()
        self.dags.attached()
        rows: list[ViewRow] = [
            *snapshot.runs,
            *snapshot.approvals,
            *snapshot.budgets,
            *snapshot.holds,
            *snapshot.frames,
            *snapshot.loops,
            *snapshot.rounds,
        ]
        self.views.load(map(_own, rows), snapshot.pos)
        missed = bool(self.seen_pos and snapshot.trace and snapshot.trace[0].pos > self.seen_pos + 1)
        if missed:
            text = "events between were not received; `runs show` and `trace` have them all"
            self._add(Row(0, snapshot.at, "", "", "note", "engine", text))
        for wire in snapshot.trace:
            self._event(wire)
        self.seen_pos = max(self.seen_pos, snapshot.pos)

    def fold(self, batch: Batch) -> None:
        """Fold one batch: state events in order, then the newest flow, unless an event has overtaken it."""
        newest = {wire.run: wire.kind for wire in batch.events}
        for wire in batch.events:
            self._event(wire)
        for item in batch.flow:
            if newest.get(item.run, ASKED) == ASKED:
                self._flow(item)
        self._counted(len(batch.events) + len(batch.flow) + batch.dropped)

    def _event(self, wire: WireEvent) -> None:
        if wire.pos <= self.seen_pos:
            return
        try:
            envelope = wire.open()
        except (KeyError, msgspec.MsgspecError):
            self.unreadable += 1
            return
        if self._has_rows(envelope):
            self.views.apply(envelope)
        self.dags.fold(envelope)
        self.seen_pos = wire.pos
        root = root_of(wire.run)
        self.flow.pop(root, None)
        drawn = line(envelope)
        if drawn:
            self._settle(root)
            self._add(Row(0, drawn.at, drawn.run, drawn.stream, drawn.state, drawn.kind, drawn.text, envelope))

    def _has_rows(self, e: Envelope) -> bool:
        """False for an event of a loop or round that is not here: the snapshot is bounded, and the fold needs rows."""
        if type(e.event) not in LOOP_EVENTS or isinstance(e.event, LoopAdded):
            return True
        loop = root_of(e.run)
        return loop in self.views.loops and (
            e.run == loop or e.run in self.views.rounds or isinstance(e.event, RoundStarted)
        )

    def _flow(self, item: Flow) -> None:
        root = root_of(item.run)
        self.flow[root] = item
        rows = self._flow_rows.setdefault(root, {})
        row = rows.get((item.run, item.key))
        if row is not None and self.ring.get(row.seq) is row:
            row.at, row.text, row.alike = self.now(), said(item), row.alike + 1
            return
        kind = "model" if item.key == "model" else "step"
        rows[item.run, item.key] = self._add(Row(0, self.now(), root, item.run, "run", kind, said(item), flow=item.key))

    def _settle(self, root: str) -> None:
        """What a run said meanwhile is over: its newest row makes room for the event, the others turn grey."""
        for row in reversed(self._flow_rows.pop(root, {}).values()):
            if self.ring.get(row.seq) is not row:
                continue
            row.state = "note"
            if row.seq == self.ring.next - 1:
                self.ring.take_back()
                for seen in (self.matched, self._tails.get(row.run, self.matched)):
                    if seen and seen[-1] == row.seq:
                        seen.pop()

    def _add(self, row: Row) -> Row:
        self.ring.add(row)
        if self.passes(row):
            self.matched.append(row.seq)
        while self.matched and self.matched[0] < self.ring.first:
            self.matched.popleft()
        if row.run:
            tail = self._tails.get(row.run)
            if tail is None:
                tail = self._tails[row.run] = deque(maxlen=TAIL)
                if len(self._tails) > RUNS_AT_HAND:
                    del self._tails[next(iter(self._tails))]
            tail.append(row.seq)
        return row

    def _counted(self, count: int) -> None:
        second = self.now() // 1_000_000
        if second != self._second:
            self._rate = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        self._count += count

    # -- out -----------------------------------------------------------------------------------------------------

    def rate(self) -> int:
        """Events and flow items of the last whole second."""
        ago = self.now() // 1_000_000 - self._second
        return self._rate if ago <= 0 else self._count if ago == 1 else 0

    def passes(self, row: Row) -> bool:
        return not self.filter or self.filter.lets(row.kind, row.state, row.run, lambda: row.text)

    def refilter(self, source: str) -> None:
        """Use another filter for the trace and test every row once."""
        self.filter = Filter(source)
        rows = (self.ring.get(seq) for seq in range(self.ring.first, self.ring.next))
        self.matched = deque(row.seq for row in rows if row and self.passes(row))

    def tail(self, run: str) -> list[Row]:
        """The newest rows of a root run and its attempts, oldest first."""
        return [row for seq in self._tails.get(run, ()) if (row := self.ring.get(seq))]

    def roots(self) -> list[RunRow]:
        """Every run of an agent or a graph; of a graph's jobs those that wait for a person: the others are in 3."""
        return [row for row in self.views.runs.values() if row.kind != "attempt" and (not row.job or row.waits)]

    def attempts(self, run: str) -> list[RunRow]:
        return [row for row in self.views.runs.values() if row.parent == run]

    def waiting(self) -> list[ApprovalRow]:
        """Open requests, oldest first."""
        return sorted(
            (row for row in self.views.approvals.values() if row.open), key=lambda row: (row.requested, row.id)
        )

    def today(self, day: str) -> BudgetRow | None:
        """The budget of a day (ISO date): what was spent, or the limits it begins with; None when there is neither."""
        return today(self.views.budgets, day)

    def budgets(self, day: str) -> list[BudgetRow]:
        """Of `day`, all, then of loops, of what is open, of what has ended, newest first each; then of other days.

        What a graph's jobs spend is in the row of the graph; one of its own a job has once it is nearly spent.
        """
        scoped = [row for row in reversed(self.views.budgets.values()) if ":" in row.scope]
        current = self.today(day)
        loops = [row for row in scoped if row.scope.endswith(f":{day}") and not row.scope.startswith("day:")]
        rest = [
            row for row in scoped if row.scope.startswith(("run:", "round:")) and (row.warned or not self._of_job(row))
        ]
        rest.sort(key=lambda row: not self.live(row))
        known = {f"day:{day}", *(row.scope for row in loops)}
        days = [row for row in scoped if row.scope not in known and not row.scope.startswith(("run:", "round:"))]
        days.sort(key=lambda row: row.scope.partition(":")[2], reverse=True)
        return [*([current] if current else []), *loops, *rest, *days]

    def _of_job(self, budget: BudgetRow) -> bool:
        run = self.views.runs.get(budget.scope.partition(":")[2])
        return run is not None and bool(run.job)

    def near(self) -> list[BudgetRow]:
        """Budgets of open runs of which the operator was told that four fifths are spent."""
        return [row for row in self.views.budgets.values() if row.warned and self.live(row)]

    def live(self, budget: BudgetRow) -> bool:
        """Whether it is the budget of an open run, or of a round that runs."""
        kind, _, of = budget.scope.partition(":")
        if kind == "round":
            return of in self.views.rounds and not self.views.rounds[of].ended
        run = self.views.runs.get(of)
        return run is not None and run.open

    def event(self, row: Row) -> Envelope | None:
        return row.envelope


def _own(row: ViewRow) -> ViewRow:
    """A copy to fold into: rows change in place, and a snapshot of an engine in this process may share its rows."""
    mine = copy.copy(row)
    for name in mine.__struct_fields__:
        value = getattr(mine, name)
        if isinstance(value, list | dict):
            setattr(mine, name, value.copy())
    return mine


def said(item: Flow) -> str:
    """A flow item in words. Deltas are sampled on the way, so only how much was said is true, not the text."""
    return f"answers, {item.count:,} chars" if item.key == "model" else item.text
