"""A round in words: what its request shows and binds, and the report it leaves. Pure, so that it can be told again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..approval import Proposal
from ..events import Change, Fact
from ..messages import Risk
from .round import RoundState

FILES = 40
"""Files of a change named one by one on a card; the diff has them all."""


def proposal(s: RoundState, change: Change | None = None) -> Proposal:
    """What will be done if somebody says yes. Raised again right before the effect, it has the same digest.

    Args:
        change: in the place of the round's own.
    """
    action, change = s.spec.action, change or s.change
    arguments = {
        "does": action.do,
        "text": "" if change else s.claim,
        "action": {name: value for name in _BINDS[action.do] if (value := getattr(action, name))},
        "change": [change.base, change.onto, change.branch, change.commit, change.tree, change.diff] if change else [],
    }
    return Proposal(
        tool=f"loop:{action.kind}",
        arguments=arguments,
        risk_class=_CLASS[action.do],
        risk=risk(s),
        summary=summary(s, change),
        facts=tuple(facts(s, change)),
    )


_BINDS = {
    "report": ("path",),
    "patch": (),
    "commit": ("branch",),
    "command": ("argv", "deadline"),
    "webhook": ("url",),
    "call": ("call", "deadline"),
}
_CLASS: dict[str, Risk] = {
    "report": "idempotent",
    "patch": "destructive",
    "commit": "destructive",
    "command": "destructive",
    "webhook": "network",
    "call": "destructive",
}


def risk(s: RoundState) -> Literal["low", "med", "high"]:
    """low: a report; med: a change of files, which has an undo; high: what nobody can take back."""
    return {"report": "low", "patch": "med", "commit": "med"}.get(s.spec.action.do, "high")  # type: ignore[return-value]


def summary(s: RoundState, change: Change | None) -> str:
    action = s.spec.action
    if change is None:
        return f"{action.kind}: {_does(s)}"
    more = "" if len(change.files) == 1 else f" and {len(change.files) - 1} more"
    return f"{action.kind}: {change.files[0] if change.files else 'nothing'}{more} +{change.added} -{change.removed}"


def facts(s: RoundState, change: Change | None) -> Iterator[Fact]:
    """The card, line by line."""
    spec, start = s.spec, s.start
    yield Fact("loop", f"{spec.name}, round {start.number}, at {start.level}")
    yield Fact("intent", spec.intent)
    yield Fact("does", _does(s))
    if change:
        yield Fact("base", f"{change.onto or 'a detached head'} {change.base[:12]}")
        yield Fact("branch", f"{change.branch} {change.commit[:12]}")
        for path in change.files[:FILES]:
            yield Fact("file", path)
        if len(change.files) > FILES:
            yield Fact("file", f"and {len(change.files) - FILES} more")
        yield Fact("lines", f"+{change.added} -{change.removed}")
        yield Fact("diff", change.diff)
        yield Fact("undo", undo(s))
    else:
        yield Fact("text", s.claim)
    yield Fact("checker", _verdict(s))
    if spec.accept:
        yield Fact("accept", _acceptance(s))
    for flag in s.taken.flags if s.taken else ():
        yield Fact("heed", flag)
    yield Fact("workspace", spec.workspace)


def undo(s: RoundState) -> str:
    return "git revert" if s.spec.action.do == "commit" else "git apply -R"


def _does(s: RoundState) -> str:
    action, change = s.spec.action, s.change
    match action.do:
        case "commit":
            return f"commit on {action.branch or (change.onto if change else '') or 'the branch it is based on'}"
        case "patch":
            return "apply the change to the workspace, uncommitted"
        case "command":
            return "run " + " ".join(action.argv)
        case "webhook":
            return f"POST the report to {action.url}"
        case "call":
            return f"call {action.call}"
        case _:
            return f"write the report to {action.path}" if action.path else "file the report"


def _verdict(s: RoundState) -> str:
    if s.spec.checker is None:
        return "none: nobody checks this loop"
    if s.verdict is None or not s.verdict.verdict:
        return f"no verdict: {s.verdict.note if s.verdict else 'not asked'}"
    return f"{s.verdict.verdict}{': ' if s.verdict.reasons else ''}{'; '.join(s.verdict.reasons)}"


def _acceptance(s: RoundState) -> str:
    done = s.acceptance
    if done is None:
        return "not run"
    said = " ".join(done.argv)
    return f"{said}: {done.note or f'exit {done.exit} in {done.seconds:.0f} s'}"


def report(s: RoundState, outcome: str, reason: str) -> str:
    """The round's report: what was asked, what came of it, what was said. Plain (unsafe) text."""
    start, spec = s.start, s.spec
    lines = [
        f"{spec.name}, round {start.number}: {outcome}{f' ({reason})' if reason else ''}",
        f"intent   {spec.intent}",
        f"level    {start.level}",
    ]
    maker, checker = s.workers.get("maker"), s.workers.get("checker")
    model = spec.models.get("maker")
    if maker:
        lines.append(f"maker    {maker.run}{f', {model.model} ({model.api})' if model else ''}")
    if checker:
        lines.append(f"checker  {checker.run}: {_verdict(s)}")
    if s.acceptance:
        lines.append(f"accept   {_acceptance(s)}")
    if s.change:
        lines.append(f"change   {s.change.branch} on {s.change.base[:12]}: {summary(s, s.change)}")
    if s.result:
        lines.append(f"done     {s.result.text}")
    return "\n".join([*lines, "", s.claim]).rstrip()
