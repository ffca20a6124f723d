"""Two answers every front end can give of a row: why does it not run, and can it do harm. Plain (unsafe) text."""

from __future__ import annotations

from .dag import why as dags
from .events import Fact, RunStarted
from .fold import Views
from .messages import RISKS
from .money import dollars
from .views import ApprovalRow, RunRow

_SECOND = 1_000_000
_LEVELS = {
    "L1": "L1 reads only; nothing can change",
    "L2": "L2 asks for each consequential action",
    "L3": "L3 acts on listed kinds, verified, inside an enforced sandbox",
}
_RISKS = {
    "low": "low: idempotent, inside the sandbox",
    "med": "med: destructive, with an undo the harness can name",
    "high": "HIGH: no undo, a network write, in doubt, or outside an enforced sandbox",
}


def why(views: Views, ident: str, now: int) -> list[Fact]:
    """Why a run or an approval does not move on, and what comes next. Empty when the id is unknown."""
    if ident in views.approvals:
        return _why_approval(views.approvals[ident], now)
    row = views.runs.get(ident)
    return _why_run(views, row, now) if row else []


def may(views: Views, ident: str, now: int) -> list[Fact]:
    """What a run may do without asking, what it has done, and what is left to spend. Empty when the id is unknown."""
    if ident in views.approvals:
        request = views.approvals[ident]
        own = [Fact("request", _RISKS.get(request.risk, request.risk)), Fact("class", request.risk_class)]
        return [*own, *may(views, request.run, now)]
    row = views.runs.get(ident)
    if row is None:
        return []
    by_word = {
        word: [risk for risk in RISKS if row.may.get(risk, "asks") == word] for word in ("acts", "asks", "cannot")
    }
    facts = [Fact("level", _LEVELS.get(row.level, row.level))]
    facts += [Fact(word, ", ".join(risks) or "-") for word, risks in by_word.items()]
    facts.append(Fact("sandbox", "each job's own" if row.kind == "dag" else enforced(row)))
    facts += [Fact("note", note) for note in row.notes]
    facts.append(Fact("left", _left(views, row)))
    did = ", ".join(f"{row.acted.get(risk, 0)} {risk}" for risk in RISKS)
    return [*facts, Fact("did", did)]


def enforced(of: RunRow | RunStarted) -> str:
    """What is enforced on a run's children beside what was asked; the same words of its row and of its first event."""
    held = ", ".join(of.enforced)
    if of.sandbox == "none" and of.sandbox_asked in ("", "none"):
        return "none: what it runs, it runs as you"
    if of.sandbox_asked in ("", of.sandbox) or (of.sandbox_asked == "auto" and of.sandbox != "none"):
        said = f"{of.sandbox}: {held or 'nothing is enforced'}"
    else:
        said = f"asked {of.sandbox_asked}, enforced {of.sandbox}" + (f" ({held})" if held else "")
    return said + "".join(f"{'; ' if i or held else ': '}{note}" for i, note in enumerate(of.sandbox_notes))


def _left(views: Views, row: RunRow) -> str:
    budget = views.budgets.get(f"run:{row.parent or row.id}")
    if budget is None or not budget.limit:
        return "no token limit"
    left = max(0, budget.limit - budget.spent - budget.held)
    money = ""
    if budget.usd_limit is not None:
        over = max(0, budget.usd_limit - budget.usd - budget.usd_held)
        money = f", {dollars(over)} of {dollars(budget.usd_limit)}"
    return f"{left:,} of {budget.limit:,} tok{money}"


def _span(us: int) -> str:
    seconds = max(0, us) // _SECOND
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _in(row: RunRow, now: int) -> str:
    return f"in {_span(row.retry_at - now)}" if row.retry_at > now else "now"


def _why_approval(row: ApprovalRow, now: int) -> list[Fact]:
    facts = [Fact("risk", _RISKS.get(row.risk, row.risk))]
    if row.kind == "in_doubt":
        facts.append(Fact("asked", "it started and no result is on record; only you can say what became of it"))
    elif row.kind in ("gate", "plan"):
        facts.append(Fact("asked", row.why))
    else:
        facts.append(Fact("asked", f"policy asks for {row.risk_class} calls of {row.tool} at this run's level"))
    if row.open:
        facts.append(Fact("waits", f"for you, since {_span(now - row.requested)}; run {row.run} is parked meanwhile"))
        life = "never" if not row.expires else f"in {_span(row.expires - now)}; then the run is told nobody decided"
        facts.append(Fact("expires", life))
    else:
        who = f" by {row.by}" if row.by else ""
        facts.append(
            Fact(
                "decided",
                f"{(row.resolution or row.state).replace('_', ' ')}{who}" + (f": {row.reason}" if row.reason else ""),
            )
        )
    return facts


def _why_run(views: Views, row: RunRow, now: int) -> list[Fact]:
    if row.kind == "dag" and row.open:
        return [Fact(label, sentence) for label, sentence in dags.of_row(row)]
    request = views.approvals.get(row.waits)
    match row.state:
        case "waiting" | "in_doubt" if row.waits:
            summary = f": {request.summary}" if request else ""
            since = f", since {_span(now - request.requested)}" if request else ""
            what = "your word on an effect without a result" if row.state == "in_doubt" else "your decision"
            return [
                Fact("waits", f"for {what}{since}"),
                Fact("on", f"{row.waits}{summary}"),
                Fact("next", "4 decides it"),
            ]
        case "waiting" if row.retry_at:
            return [Fact("failed", row.last), Fact("waits", f"until the model may be asked again: {_in(row, now)}")]
        case "waiting":
            return [Fact("waits", row.last or "for its turn"), Fact("since", _span(now - row.started))]
        case "retrying":
            return [Fact("failed", row.last), Fact("next", f"the model is asked again {_in(row, now)}")]
        case "running":
            return [
                Fact(
                    "runs", f"since {_span(now - row.started)}, attempt {max(1, row.attempts)}, turn {row.iterations}"
                ),
                Fact("last", row.last),
            ]
        case _:
            return _why_ended(row)


def _why_ended(row: RunRow) -> list[Fact]:
    verified = {True: "yes", False: "no", None: "nothing was verified"}[row.verified]
    facts = [
        Fact(
            "ended",
            f"{row.state}" + (f", stopped by {row.stopped_by}" if row.stopped_by else "") + f", exit {row.exit}",
        )
    ]
    facts.append(Fact("verified", verified))
    if row.reason:
        facts.append(Fact("reason", row.reason))
    if row.error:
        facts.append(Fact("error", row.error))
    if row.claim:
        facts.append(Fact("claim", f'the model says: "{row.claim}"'))
    return facts
