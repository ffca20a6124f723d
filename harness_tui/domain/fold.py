"""The fold: one pure function from events to rows. Engine, journal, console and offline reader all use this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import events as ev
from . import governance, spending
from .dag import fold as dags
from .events import Envelope, root_of
from .loop import fold as loops
from .loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from .money import from_usd
from .views import (
    ApprovalRow,
    BudgetRow,
    EndpointRow,
    FrameRow,
    HoldRow,
    Row,
    RuleRow,
    RunRow,
    TrustRow,
)

Key = tuple[str, str]
"""(table, id): `("run", "r17")`, `("approval", "A-3")`, `("budget", "day:2026-11-21")`, `("hold", "r17/1:c3")`."""


class Views:
    """All rows, and which of them changed since `take_dirty`. Rows are owned by this object and changed in place."""

    def __init__(self) -> None:
        self.pos = 0
        self.runs: dict[str, RunRow] = {}
        self.approvals: dict[str, ApprovalRow] = {}
        self.budgets: dict[str, BudgetRow] = {}
        self.holds: dict[str, HoldRow] = {}
        self.frames: dict[str, FrameRow] = {}
        self.endpoints: dict[str, EndpointRow] = {}
        self.rules: dict[str, RuleRow] = {}
        self.trusted: dict[str, TrustRow] = {}
        self.loops: dict[str, LoopRow] = {}
        self.specs: dict[str, SpecRow] = {}
        self.rounds: dict[str, RoundRow] = {}
        self._executing: dict[tuple[str, str], ApprovalRow] = {}
        self._dirty: dict[Key, Row | None] = {}
        self.track = False
        """Record dirty rows (the journal does, a console need not)."""

    def load(self, rows: Iterable[Row], pos: int) -> None:
        """Start from stored rows instead of from the first event."""
        self.pos = pos
        for row in rows:
            match row:
                case RunRow():
                    self.runs[row.id] = row
                case ApprovalRow():
                    self.approvals[row.id] = row
                    if row.state == "executing":
                        self._executing[row.stream, row.call] = row
                case BudgetRow():
                    self.budgets[row.scope] = row
                case HoldRow():
                    self.holds[f"{row.run}:{row.call}"] = row
                case EndpointRow():
                    self.endpoints[row.id] = row
                case RuleRow():
                    self.rules[row.id] = row
                case TrustRow():
                    self.trusted[row.path] = row
                case FrameRow():
                    self.frames[row.run] = row
                case LoopRow():
                    self.loops[row.id] = row
                case SpecRow():
                    self.specs[row.id] = row
                case RoundRow():
                    self.rounds[row.id] = row
                case SlotRow():
                    pass  # the newest of a loop are in its row; the others are read from the table

    def apply(self, envelope: Envelope) -> None:
        """Fold one event. Events at or below `pos` are known already and ignored."""
        if envelope.pos <= self.pos:
            return
        self.pos = envelope.pos
        handler = _HANDLERS.get(type(envelope.event))
        if handler:
            handler(self, envelope, envelope.event)

    def take_dirty(self) -> dict[Key, Row | None]:
        """Rows changed since the last call; None = the row is gone."""
        dirty, self._dirty = self._dirty, {}
        return dirty

    # -- used by the handlers below ------------------------------------------------------------------------------

    def execute(self, request: ApprovalRow, stream: str, call: str) -> None:
        """The request is spent on a call, perhaps of a later attempt than the one that asked."""
        request.state, request.stream, request.call = "executing", stream, call
        self._executing[stream, call] = request
        self.touch("approval", request.id, request)

    def executed(self, stream: str, call: str, state: str) -> None:
        request = self._executing.pop((stream, call), None)
        if request:
            request.state = state
            self.touch("approval", request.id, request)

    def touch(self, table: str, key: str, row: Row | None) -> None:
        if self.track:
            self._dirty[table, key] = row

    def both(self, uid: str) -> list[RunRow]:
        """The run's row and, for an attempt, its root's: sums are kept on both."""
        root = root_of(uid)
        rows = [row for key in ((uid,) if uid == root else (uid, root)) if (row := self.runs.get(key))]
        for row in rows:
            self.touch("run", row.id, row)
        return rows

    def above(self, uid: str) -> list[RunRow]:
        """The rows `both` gives, and that of the graph whose job the run is: what is spent counts there too."""
        rows = self.both(uid)
        graph = self.runs.get(rows[-1].parent) if rows and rows[-1].job else None
        if graph:
            self.touch("run", graph.id, graph)
            rows.append(graph)
        return rows

    def budget(self, scope: str) -> BudgetRow:
        row = self.budgets.get(scope)
        if row is None:
            limits = self.budgets.get(scope.partition(":")[0]) or BudgetRow("")
            row = self.budgets[scope] = BudgetRow(scope, limits.limit, usd_limit=limits.usd_limit, by=limits.by)
        self.touch("budget", scope, row)
        return row


def _run_started(v: Views, e: Envelope, x: ev.RunStarted) -> None:
    spec = x.spec
    row = RunRow(
        id=e.run,
        parent=spec.parent or spec.dag,
        job=spec.job,
        title=spec.title or spec.task.prompt[:80],
        workspace=spec.workspace,
        started=e.at,
        level=spec.task.level,
        model=spec.model.model,
        api=spec.model.api,
        sandbox=x.sandbox,
        sandbox_asked=x.sandbox_asked,
        sandbox_notes=x.sandbox_notes,
        enforced=x.enforced,
        sandboxed=x.sandboxed,
        may=x.may,
        budget_tokens=spec.task.budget.tokens,
        stage=spec.stage,
        last="started",
    )
    v.runs[row.id] = row
    v.touch("run", row.id, row)
    budget = v.budget(f"run:{e.run}")
    budget.limit = spec.task.budget.tokens
    budget.usd_limit = None if spec.task.budget.usd is None else from_usd(spec.task.budget.usd)


def _attempt_started(v: Views, e: Envelope, x: ev.AttemptStarted) -> None:
    root = v.runs.get(x.parent)
    row = RunRow(id=e.run, kind="attempt", parent=x.parent, title=f"attempt {x.number}", started=e.at)
    if root:
        row.level, row.model, row.api, row.workspace = root.level, root.model, root.api, root.workspace
        row.may, row.sandbox, row.sandbox_asked = root.may, root.sandbox, root.sandbox_asked
        row.enforced, row.sandbox_notes, row.sandboxed = root.enforced, root.sandbox_notes, root.sandboxed
        root.attempts, root.state, root.waits = x.number, "running", ""
        root.last = f"attempt {x.number}"
        v.touch("run", root.id, root)
    v.runs[row.id] = row
    v.touch("run", row.id, row)


def _run_finished(v: Views, e: Envelope, x: ev.RunFinished) -> None:
    row = v.runs.get(e.run)
    if row is None:  # a console's snapshot is bounded: an old run may be missing
        return
    row.state, row.ended, row.waits, row.retry_at = x.state, e.at, "", 0
    row.verified, row.reason, row.claim = x.verified, x.reason, x.claim
    row.stopped_by, row.exit, row.error = x.stopped_by, x.exit, x.error
    row.last = x.reason or x.error or x.state
    v.touch("run", row.id, row)


def _attempt_finished(v: Views, e: Envelope, x: ev.AttemptFinished) -> None:
    row = v.runs.get(e.run)
    if row is None:
        return
    row.state = "failed" if x.state == "interrupted" else x.state
    row.ended, row.reason, row.exit, row.last, row.waits = e.at, x.reason, x.exit, x.reason or x.state, ""
    v.touch("run", row.id, row)


def _cancel_requested(v: Views, e: Envelope, x: ev.CancelRequested) -> None:
    for row in v.both(e.run):
        row.last = f"cancel asked by {x.by}"


def _environment_opened(v: Views, e: Envelope, x: ev.EnvironmentOpened) -> None:
    for row in v.both(e.run):
        row.notes = list(dict.fromkeys([*row.notes, *x.notes]))


def _tool_started(v: Views, e: Envelope, x: ev.ToolStarted) -> None:
    for row in v.both(e.run):
        row.state, row.waits, row.last = "running", "", x.summary
        row.acted[x.risk] = row.acted.get(x.risk, 0) + 1
    _newest_tool(v, e.run, x.tool)
    request = v.approvals.get(x.approval)
    if request:
        v.execute(request, e.run, x.call)
    if x.rule:
        governance.count_uses(v, x.rule)


def _tool_finished(v: Views, e: Envelope, x: ev.ToolFinished) -> None:
    for row in v.both(e.run):
        row.last = f"{x.tool}: {x.text[:120]}"
    v.executed(e.run, x.call, "done" if x.ok else "failed")


def _tool_refused(v: Views, e: Envelope, x: ev.ToolRefused) -> None:
    for row in v.both(e.run):
        row.last = f"{x.tool}: {x.text[:120]}"


def _approval_requested(v: Views, e: Envelope, x: ev.ApprovalRequested) -> None:
    request = ApprovalRow(
        id=x.id,
        run=e.run if e.run in v.rounds else root_of(e.run),
        stream=e.run,
        call=x.call,
        tool=x.tool,
        risk=x.risk,
        risk_class=x.risk_class,
        state="in_doubt" if x.kind == "in_doubt" else "requested",
        kind=x.kind,
        summary=x.summary,
        facts=list(x.facts),
        digest=x.digest,
        action=x.action,
        requested=e.at,
        expires=x.expires,
        selector=x.selector,
        arguments=x.arguments,
        change=x.change,
        why=x.why,
        paper=x.paper,
    )
    if x.kind == "in_doubt":
        v.executed(e.run, x.call, "in_doubt")
    v.approvals[x.id] = request
    v.touch("approval", x.id, request)
    for row in v.both(e.run):
        row.waits = x.id
        if row.kind != "dag":  # its other jobs go on
            row.state = "in_doubt" if x.kind == "in_doubt" else "waiting"
        row.last = f"waits for {x.id}"
    loops.asked(v, e, request)


def _decided(v: Views, e: Envelope, approval: str, state: str, by: str, reason: str) -> None:
    request = v.approvals.get(approval)
    if request is None:
        return
    request.state, request.by, request.decided, request.reason = state, by, e.at, reason
    v.touch("approval", approval, request)
    for row in v.both(e.run):
        if row.waits == approval:
            row.waits = ""
            row.state = "running" if row.kind != "dag" else row.state
        row.last = f"{approval} {state}" + (f" by {by}" if by else "")
    loops.decided(v, e, request)


def _approval_decided(v: Views, e: Envelope, x: ev.ApprovalDecided) -> None:
    _decided(v, e, x.id, x.decision, x.by, x.reason)


def _approval_edited(v: Views, e: Envelope, x: ev.ApprovalEdited) -> None:
    request = v.approvals.get(x.id)
    if request is None:
        return
    request.edited, request.summary, request.facts, request.risk = x.by, x.summary, list(x.facts), x.risk
    request.digest, request.action, request.arguments, request.change = x.digest, x.action, x.arguments, x.change
    request.risk_class = x.risk_class or request.risk_class
    v.touch("approval", x.id, request)


def _approval_expired(v: Views, e: Envelope, x: ev.ApprovalExpired) -> None:
    _decided(v, e, x.id, "expired", "", "nobody decided in time")


def _approval_withdrawn(v: Views, e: Envelope, x: ev.ApprovalWithdrawn) -> None:
    _decided(v, e, x.id, "withdrawn", "", x.reason)


def _approval_resolved(v: Views, e: Envelope, x: ev.ApprovalResolved) -> None:
    _decided(v, e, x.id, "in_doubt", x.by, x.reason)
    doubt = v.approvals.get(x.id)
    if doubt is None:
        return
    doubt.resolution = x.resolution
    for row in v.approvals.values():  # the request it came from is no longer in doubt either
        if (row.stream, row.call, row.kind, row.state) == (doubt.stream, doubt.call, "action", "in_doubt"):
            if x.resolution == "again":
                v.execute(row, row.stream, row.call)
            else:
                row.state = "done" if x.resolution == "happened" else "failed"
                v.touch("approval", row.id, row)


def _frame_captured(v: Views, e: Envelope, x: ev.FrameCaptured) -> None:
    root = root_of(e.run)
    frame = FrameRow(root, x.sha, x.url, x.title, x.caption, e.at, x.width, x.height, x.snapshot)
    v.frames[root] = frame
    v.touch("frame", root, frame)


def _login_handled(v: Views, e: Envelope, x: ev.LoginHandled) -> None:
    _newest_tool(v, e.run, "harness_auto_login")
    for row in v.both(e.run):
        row.last = f"harness_auto_login: {x.detail}"


def _attempt_ended(v: Views, e: Envelope, x: ev.AttemptEnded) -> None:
    row = v.runs[e.run]
    row.ended_tools = [*row.ended_tools, *x.tools]
    row.newest_tools = []
    v.touch("run", row.id, row)


def _newest_tool(v: Views, run: str, tool: str) -> None:
    root = v.runs.get(root_of(run))
    if root:
        root.newest_tools = [*root.newest_tools[-31:], tool]


def _loop_stopped(v: Views, e: Envelope, x: ev.LoopStopped) -> None:
    for row in v.both(e.run):
        row.stopped_by, row.claim, row.last = x.stopped_by, x.claim, x.reason or f"stopped by {x.stopped_by}"


def _verified(v: Views, e: Envelope, x: ev.Verified) -> None:
    for row in v.both(e.run):
        row.verified, row.reason, row.last = x.passed, x.reason, x.reason


_HANDLERS: dict[type[ev.Event], Callable[[Views, Envelope, Any], None]] = {
    ev.RunStarted: _run_started,
    ev.AttemptStarted: _attempt_started,
    ev.AttemptEnded: _attempt_ended,
    ev.RunFinished: _run_finished,
    ev.AttemptFinished: _attempt_finished,
    ev.CancelRequested: _cancel_requested,
    ev.EnvironmentOpened: _environment_opened,
    ev.ToolStarted: _tool_started,
    ev.ToolFinished: _tool_finished,
    ev.ToolRefused: _tool_refused,
    ev.ApprovalRequested: _approval_requested,
    ev.ApprovalDecided: _approval_decided,
    ev.ApprovalEdited: _approval_edited,
    ev.ApprovalExpired: _approval_expired,
    ev.ApprovalWithdrawn: _approval_withdrawn,
    ev.ApprovalResolved: _approval_resolved,
    ev.FrameCaptured: _frame_captured,
    ev.LoginHandled: _login_handled,
    ev.LoopStopped: _loop_stopped,
    ev.Verified: _verified,
    **spending.HANDLERS,
    **governance.HANDLERS,
    **loops.HANDLERS,
    **dags.HANDLERS,
}
