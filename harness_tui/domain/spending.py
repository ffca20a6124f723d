"""How model calls fold into rows: what is held, what was spent, by whom, and what was learned of an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import events as ev
from .events import Envelope, root_of
from .messages import Mark, Usage
from .money import weakest
from .views import EndpointRow, HoldRow, RunRow, Share

if TYPE_CHECKING:
    from .fold import Views

MINUTE = 60_000_000
LONG_WAIT = MINUTE
"""A wait for a model that is shown as waiting (`until 14:20`) rather than as another try, in us."""


def _model_requested(v: Views, e: Envelope, x: ev.ModelRequested) -> None:
    # Logs of the first version name no scopes: then there were these two.
    scopes = x.scopes or (f"run:{root_of(e.run)}", f"day:{x.day}")
    hold = HoldRow(e.run, x.call, x.hold, x.day, x.hold_usd, scopes)
    v.holds[f"{e.run}:{x.call}"] = hold
    v.touch("hold", f"{e.run}:{x.call}", hold)
    for scope in scopes:
        budget = v.budget(scope)
        budget.held += x.hold
        budget.usd_held += x.hold_usd or 0
    own = v.runs.get(e.run)
    further = bool(own and own.iterations < x.iteration)
    for row in v.both(e.run):
        row.state, row.retry_at, row.last = "running", 0, "asks the model"
        row.iterations += further


def _model_consulted(v: Views, e: Envelope, x: ev.ModelConsulted) -> None:
    for scope in x.scopes:
        _spent(v, e, scope, x.usage.total, x.usd or 0, x.mark)
    for row in v.above(e.run):
        row.usage = row.usage + x.usage
        _paid(row, x.model, x.usage.total, x.usd, x.mark)


def _settle(v: Views, e: Envelope, call: str, spent: int, usd: int | None, mark: Mark) -> None:
    hold = v.holds.pop(f"{e.run}:{call}", None)
    v.touch("hold", f"{e.run}:{call}", None)
    if hold is None:
        return
    known = (hold.usd or 0) if usd is None else usd
    for scope in hold.scopes:
        row = v.budget(scope)
        row.held -= hold.tokens
        row.usd_held -= hold.usd or 0
        _spent(v, e, scope, spent, known, mark)


def _spent(v: Views, e: Envelope, scope: str, tokens: int, usd: int, mark: Mark) -> None:
    row = v.budget(scope)
    row.spent += tokens
    row.usd += usd
    row.mark = weakest((row.mark, mark))
    _book(row.pace, e.at, tokens, usd)


def _book(settled: list[tuple[int, int, int]], at: int, spent: int, usd: int) -> None:
    """Add to the running minute, or begin the next; rows are written with every commit, so they stay small."""
    if settled and at - settled[-1][0] < MINUTE:
        began, tokens, nano = settled[-1]
        settled[-1] = (began, tokens + spent, nano + usd)
        return
    settled.append((at, spent, usd))
    del settled[:-16]


def _model_answered(v: Views, e: Envelope, x: ev.ModelAnswered) -> None:
    _settle(v, e, x.call, x.usage.total, x.usd, x.mark)
    for row in v.above(e.run):
        row.usage = row.usage + x.usage
        _paid(row, x.model or row.model, x.usage.total, x.usd, x.mark)
        row.last = "model answered"
    for name, parameter in ((d.endpoint, d.parameter) for d in x.dropped):
        learned = v.endpoints.setdefault(name, EndpointRow(name))
        learned.dropped = sorted({*learned.dropped, parameter})
        v.touch("endpoint", name, learned)


def _paid(row: RunRow, model: str, tokens: int, usd: int | None, mark: Mark) -> None:
    row.usd += usd or 0
    row.mark = weakest((row.mark, mark))
    share = row.models.setdefault(model, Share())
    share.calls, share.tokens, share.usd = share.calls + 1, share.tokens + tokens, share.usd + (usd or 0)
    share.mark = weakest((share.mark, mark))


def _model_failed(v: Views, e: Envelope, x: ev.ModelFailed) -> None:
    mark: Mark = "unknown" if x.spent and x.usd is None else "estimated" if x.spent else "reported"
    _settle(v, e, x.call, x.spent, x.usd if x.spent else 0, mark)
    for row in v.above(e.run):
        row.usage = row.usage + Usage(input=x.spent)
        if x.spent:
            _paid(row, row.model, x.spent, x.usd, mark)
        row.last = x.error
        if x.retry_at and row.kind != "dag":
            row.state, row.retry_at = "waiting" if x.retry_at - e.at >= LONG_WAIT else "retrying", x.retry_at


def _budget_warned(v: Views, e: Envelope, x: ev.BudgetWarned) -> None:
    v.budget(x.scope).warned = True


def _budget_set(v: Views, e: Envelope, x: ev.BudgetSet) -> None:
    """The limits of a kind hold for its newest scope too: a day's limit set at noon is this day's."""
    scopes = [x.scope]
    if ":" not in x.scope:
        scopes += sorted(scope for scope in v.budgets if scope.startswith(f"{x.scope}:"))[-1:]
    for scope in scopes:
        row = v.budget(scope)
        row.limit, row.usd_limit, row.by, row.warned = x.tokens, x.usd, x.by, False
    kind, _, run = x.scope.partition(":")
    if kind == "run" and run in v.runs:
        v.runs[run].budget_tokens = x.tokens
        v.touch("run", run, v.runs[run])


HANDLERS: dict[type[ev.Event], Callable[[Views, Envelope, Any], None]] = {
    ev.ModelRequested: _model_requested,
    ev.ModelAnswered: _model_answered,
    ev.ModelConsulted: _model_consulted,
    ev.ModelFailed: _model_failed,
    ev.BudgetWarned: _budget_warned,
    ev.BudgetSet: _budget_set,
}
