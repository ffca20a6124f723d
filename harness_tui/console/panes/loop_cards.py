"""What a loop is told of under the list and on its cards: why it stands where it stands, and what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.loop import levels
from ...domain.loop.rows import LoopRow
from ...domain.loop.spec import LoopSpec
from ...domain.money import dollars, from_usd
from .words import age, moment

if TYPE_CHECKING:
    from ..model import Model

LEVELS = {
    "L1": "L1 reports only: its maker reads, nothing can change",
    "L2": "L2 asks for each change",
    "L3": "L3 carries out what its gate lets through, verified and sandboxed",
}
Labelled = list[tuple[str, str]]


def summary(m: Model, loop: LoopRow) -> Labelled:
    """The lines under the list, label and plain (unsafe) text."""
    out = [("why", _why(m, loop)), ("level", _level(m, loop))]
    if loop.source_state != "same":
        out.insert(0, ("changed", _source(loop)))
    return out


def _source(loop: LoopRow) -> str:
    what = "is gone" if loop.source_state == "missing" else "is not what was added"
    return f"{loop.source} {what}; what is pinned goes on until :loop add {loop.source}"


def _why(m: Model, loop: LoopRow) -> str:
    """One line: what it waits for, or when it goes on."""
    return "; ".join(filter(None, (_now(m, loop), _next(m, loop))))


def _now(m: Model, loop: LoopRow) -> str:
    if loop.state == "paused":
        until = f" until {moment(loop.paused_until, m.now(), m.offset)}" if loop.paused_until else ""
        by = "itself" if loop.paused_by == "harness" else loop.paused_by
        return f"paused by {by}{until}: {loop.paused_why or 'no reason given'}"
    if loop.running:
        row = m.world.views.rounds.get(loop.running)
        since = f", since {age(m.now() - row.started)}" if row else ""
        return f"round {loop.running.rpartition('/')[2]} runs{f' ({row.step})' if row else ''}{since}"
    if loop.waits:
        request = m.world.views.approvals.get(loop.waits[0])
        round_ = f"round {request.run.rpartition('/')[2]} " if request else ""
        since = f" since {m.clock(request.requested, seconds=False)}" if request else ""
        more = f" and {len(loop.waits) - 1} more" if len(loop.waits) > 1 else ""
        return f"{round_}waits for {loop.waits[0]}{more}{since}"
    if loop.last:
        reason = f": {loop.last_reason}" if loop.last_reason else ""
        return f"last {loop.last} {age(m.now() - loop.last_at)} ago{reason}"
    return "has not run yet"


def _next(m: Model, loop: LoopRow) -> str:
    if loop.state == "paused":
        return ""
    if not loop.schedule:
        return "runs by hand only (r)"
    known = m.loops.next_fire(loop)
    if known is None:
        return f"{loop.schedule} {loop.zone}"
    if known.trouble:
        return known.trouble
    if not known.at:
        return f'"{loop.schedule}" never fires again'
    return f"next slot {known.local} {loop.zone} ({loop.schedule})"


def _level(m: Model, loop: LoopRow) -> str:
    lines = _evidence(m, loop)
    said = LEVELS.get(loop.level, loop.level)
    if lines is None:
        return said
    lacks = "; ".join(line.text for line in lines if not line.met)
    return f"{said}. To {levels.after(loop.level)}: {lacks or 'nothing is missing, P promotes it'}"


def _evidence(m: Model, loop: LoopRow) -> list[levels.Line] | None:
    """What the next level asks for; None when there is none, or while the spec is not here."""
    held, step = m.world.views.specs.get(loop.id), levels.after(loop.level)
    return levels.may_promote(held.spec, loop, step, m.now()) if held and step else None


# -- the cards of `w` and `i` -----------------------------------------------------------------------------------------


def worked_out(m: Model, kind: str, loop: LoopRow) -> Labelled:
    """A card that is made away from the screen."""
    _, facts = m.loops.cards.get((kind, loop.id), ((), []))
    return facts or [("", m.loops.trouble.get(loop.id, "it is being worked out"))]


def may(m: Model, loop: LoopRow) -> Labelled:
    """What it may do without asking, by its level, its tools, its gate and its limits."""
    out = [("level", LEVELS.get(loop.level, loop.level)), ("set", f"by {loop.level_by}: {loop.level_why}")]
    held = m.world.views.specs.get(loop.id)
    if held is None:
        trouble = m.loops.trouble.get(loop.id, "its file is being fetched")
        return [*out, ("does", f"{loop.does}, as {loop.kind}"), ("more", trouble)]
    spec = held.spec
    out += [("maker", _tools(spec.maker.tools)), ("checker", _tools(spec.checker.tools) if spec.checker else "none")]
    out += [("does", _does(spec)), ("gate", _gate(loop, spec))]
    accept = " ".join(spec.accept.argv) if spec.accept else "no command is run; the checker alone verifies"
    sandbox = spec.maker.sandbox
    reach = "children may open connections" if sandbox.network else "no connections for children"
    out += [("accept", accept), ("sandbox", f"{sandbox.kind}; {reach}"), ("where", spec.workspace)]
    return [*out, ("limits", _limits(spec)), ("pauses", _pauses(spec))]


def _tools(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no tools"


def _does(spec: LoopSpec) -> str:
    action = spec.action
    how = {
        "report": f"writes its report to {action.path}" if action.path else "files its report in the journal",
        "patch": "applies the change to the workspace",
        "commit": f"puts the change on {action.branch or 'the branch it is based on'}",
        "command": f"runs {' '.join(action.argv)}",
        "webhook": f"sends the report to {action.url}",
        "call": f"calls {action.call}",
    }[action.do]
    return f"{how}, as {action.kind}"


def _gate(loop: LoopRow, spec: LoopSpec) -> str:
    gate = spec.gate
    if gate.use == "escalate":
        return "everything is asked"
    if gate.use != "allowlist":
        return f"{gate.use} decides at L3"
    paths = ", ".join(gate.paths) or "no path"
    but = f" but {', '.join(gate.deny_paths)}" if gate.deny_paths else ""
    sizes = f"{gate.max_files} files and {gate.max_lines} lines"
    asks = "" if loop.level == "L3" else f" (at L3; at {loop.level} {'it is asked' if loop.level == 'L2' else 'never'})"
    return f"{', '.join(gate.kinds) or 'no kind'} within {paths}{but}, at most {sizes}, goes through{asks}"


def _limits(spec: LoopSpec) -> str:
    caps = spec.budget
    a_round = [f"{caps.tokens:,} tok" if caps.tokens else "", _usd(caps.usd)]
    a_day = [f"{caps.day_tokens:,} tok" if caps.day_tokens else "", _usd(caps.day_usd)]
    words = [" and ".join(filter(None, each)) or "no limit" for each in (a_round, a_day)]
    return f"{words[0]} a round, {words[1]} a day"


def _usd(usd: float | None) -> str:
    return "" if usd is None else dollars(from_usd(usd))


def _pauses(spec: LoopSpec) -> str:
    after = f"itself after {spec.pause_after} failed rounds in a row; " if spec.pause_after else ""
    overlap = {"skip": "skipped", "queue": "queued, one at most", "cancel": "started, and that round is cancelled"}
    return f"{after}a slot that meets a running round is {overlap[spec.overlap]}"
