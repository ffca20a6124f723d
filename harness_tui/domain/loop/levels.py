"""Levels are earned: what must be on record for the next one, what costs one, what a changed loop keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import asdict, replace

from ..events import DrillRun, Gated, LevelSet
from ..rules import path_matches
from ..task import LEVELS, Level
from . import gate
from .gate import Decide, Proposal
from .rows import LoopRow, RoundRow
from .spec import LoopSpec, digest

_DAY = 86_400 * 1_000_000

Signal = Literal["executor_failed", "denied_at_l3", "budget_breach", "checker_disagreement", "rolled_back"]
"""What costs a level. checker_disagreement: the checker did not call clean what a listed kind did unattended."""


class Line(NamedTuple):
    """One demand: what is on record of it, and whether that is enough."""

    text: str
    met: bool


def after(level: str) -> Level | None:
    """The next level up; None = there is none."""
    return LEVELS[LEVELS.index(level) + 1] if level in LEVELS[:-1] else None


def before(level: str) -> Level | None:
    """The next level down; None = there is none."""
    return LEVELS[LEVELS.index(level) - 1] if level in LEVELS[1:] else None


# -- up ---------------------------------------------------------------------------------------------------------------


def evidence(spec: LoopSpec, row: LoopRow, now: int) -> list[Line]:
    """`[promote]` against what is on record since the level was set (now: us).

    At L1 nothing is proposed or decided on, so only rounds, bad ends and days count.
    """
    need, since = spec.promote, row.since
    lost = since.failed + since.exhausted
    ended = f"{since.rounds - lost} of {need.rounds} rounds that ended well"
    lines = [
        Line(ended + (f" ({lost} failed or ran out of budget)" if lost else ""), since.rounds - lost >= need.rounds)
    ]
    if row.level != "L1":
        share = since.verified / since.proposals if since.proposals else 0.0
        said = f"{since.verified} of {since.proposals} proposals verified, {need.verified:.0%} asked"
        lines.append(Line(said, share >= need.verified))
        lines.append(
            Line(f"{since.approved} of {need.approved} changes approved as they were", since.approved >= need.approved)
        )
    bad = _bad(row)
    total = sum(bad.values())
    named = ", ".join(f"{count} {word}" for word, count in bad.items() if count)
    lines.append(Line(f"{total} bad, {need.max_bad} allowed{f': {named}' if named else ''}", total <= need.max_bad))
    days = max(0, now - row.level_since) / _DAY
    lines.append(Line(f"{days:.1f} of {need.days:g} days at {row.level}", days >= need.days))
    return lines


def may_promote(spec: LoopSpec, row: LoopRow, to: Level, now: int) -> list[Line]:
    """Everything `to` asks for; the loop may be promoted when all of it is met (`missing` is "")."""
    if row.state == "removed":
        return [Line(f"{row.name} was removed", False)]
    step = after(row.level)
    if to != step:
        said = f"the next level is {step}" if step else "there is no level above it"
        return [Line(f"{row.name} is at {row.level}, and {said}", False)]
    lines = evidence(spec, row, now)
    if to == "L2":
        # A report that nobody keeps leaves nothing to decide on.
        decides = spec.action.do != "report" or bool(spec.action.path)
        return [*lines, Line(f"an action to decide on ({spec.action.do})", decides)]
    drilled = bool(row.drilled) and row.drilled == digest(spec)
    return [
        *lines,
        Line(f"a gate that can say yes ({spec.gate.use})", spec.gate.use != "escalate"),
        Line(f"a checker ({'yes' if spec.checker else 'none'})", spec.checker is not None),
        Line(f"a drill of exactly this loop ({'passed' if drilled else 'not passed'})", drilled),
    ]


def missing(lines: Sequence[Line]) -> str:
    """What is not met, as one phrase; "" = nothing."""
    return "; ".join(line.text for line in lines if not line.met)


def _bad(row: LoopRow) -> dict[str, int]:
    since = row.since
    return {
        "denied": since.denied,
        "edited": since.edited,
        "pushed back": since.pushed_back,
        "failed to be carried out": since.failures,
        "rolled back": since.rolled_back,
    }


# -- down -------------------------------------------------------------------------------------------------------------

_SAID: dict[Signal, str] = {
    "executor_failed": "what was decided could not be carried out",
    "denied_at_l3": "a change of an unattended loop was denied",
    "budget_breach": "an unattended round ran out of its budget",
    "checker_disagreement": "the checker did not call a listed change clean",
    "rolled_back": "what a round had done was taken back",
}
_ANY_LEVEL: tuple[Signal, ...] = ("executor_failed", "rolled_back")
"""Signals that cost a level at L2 as well; the others are what L2 is for."""


def signal(spec: LoopSpec, round: RoundRow) -> Signal | None:
    """The worst that a round's row tells against its loop; None = nothing."""
    unattended = round.level == "L3"
    if round.rolled_back:
        return "rolled_back"
    if round.decided == "failed" or (round.gate == "proceed" and round.outcome == "failed"):
        return "executor_failed"
    if unattended and round.decided == "denied":
        return "denied_at_l3"
    if unattended and round.verdict in ("concerns", "failed") and spec.action.kind in spec.gate.kinds:
        return "checker_disagreement"
    if unattended and round.outcome == "exhausted":
        return "budget_breach"
    return None


def demotion(row: LoopRow, signal: Signal, round: str = "") -> LevelSet | None:
    """One step down, with the sentence that says why; None when the loop's level does not hang on this signal.

    Args:
        round: id of the round that gave it, for the sentence.
    """
    lower = before(row.level)
    if lower is None or (row.level == "L2" and signal not in _ANY_LEVEL):
        return None
    where = f" in round {round.partition('/')[2] or round}" if round else ""
    score = ", ".join(f"{count} {word}" for word, count in asdict(row.since).items() if count)
    return LevelSet(
        lower, "harness", f"from {row.level} to {lower}: {_SAID[signal]}{where}.", (score,) if score else ()
    )


# -- added again ------------------------------------------------------------------------------------------------------

_HARMLESS = frozenset(
    (
        "schedule",
        "zone",
        "overlap",
        "missed",
        "missed_limit",
        "pause_after",
        "budget",
        "approval_life",
        "promote",
        "pattern",
    )
)
"""What a loop may change and still be the loop its record speaks of: when and how often it runs, not what it does."""
_NAMES = {
    "accept": "acceptance",
    "gate": "gate or allow-list",
    "models": "models",
    "maker": "maker",
    "checker": "checker",
}


def differing(old: LoopSpec, new: LoopSpec) -> list[str]:
    """What makes of it another loop than its record speaks of: names of fields, but for those that are harmless."""
    names = (name for name in LoopSpec.__struct_fields__ if name not in _HARMLESS)
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def readded(old: LoopSpec, new: LoopSpec, row: LoopRow) -> tuple[Level, str]:
    """The level after `loop add` of an existing loop, and why it is not what it was ("" = it is).

    Prompts, tools, models, allow-list, gate, action, acceptance or workspace changed: the record is that of another
    loop, so it begins anew where its file says, L2 at most. A changed `level` in the file is followed, too.
    """
    stood: Level = row.level if row.level in LEVELS else "L1"
    begins: Level = "L1" if new.level == "L1" else "L2"
    if row.state == "removed":
        return begins, "" if begins == stood else f"it was removed at {stood} and begins anew"
    changed = differing(old, new)
    if not changed or begins == stood:
        return stood, ""
    told = [_NAMES.get(name, name) for name in changed]
    return begins, f"from {stood} to {begins}: changed {', '.join(told)}; what is on record no longer speaks for it"


# -- the drill --------------------------------------------------------------------------------------------------------

_MOST = 10_000
"""A limit of files above this is none, and is not drilled."""


def drill(spec: LoopSpec, decide: Decide = gate.decide) -> DrillRun:
    """Put deliberately bad proposals before the gate at L3, one thing wrong in each, and a good one that must pass.

    No model, no effect: the gate alone is asked. A gate that stops everything proves nothing, so it fails as well.

    Args:
        decide: the loop's whole gate, with the rules in force and its function.
    """
    path = _sample(spec)
    if spec.changes and not path:
        text = "no path could be made up that paths allows and deny_paths does not: write one without [ ] into paths"
        return DrillRun(False, (f"wrong: {text}",), digest(spec))
    files = (path,) if spec.changes else ()
    good = Proposal(spec.action.kind, "clean", True if spec.accept else None, files, len(files), 0, sandboxed=True)
    checks = [
        _check(decide(spec, "L3", good), "proceed", f"a good proposal ({', '.join(files) or spec.action.kind})"),
        _check(decide(spec, "L2", good), "escalate", "the same at L2"),
        _check(decide(spec, "L1", good), "report", "the same at L1"),
        *(_check(decide(other, "L3", bad), "escalate", name) for name, other, bad in _bad_ones(spec, good)),
    ]
    return DrillRun(all(check.met for check in checks), tuple(check.text for check in checks), digest(spec))


def _check(gated: Gated, wanted: str, name: str) -> Line:
    met = gated.decision == wanted
    said = f"{name}: {gated.decision}{f' ({gated.reason})' if gated.reason else ''}"
    return Line(said if met else f"wrong: {said}, should {wanted}", met)


def _bad_ones(spec: LoopSpec, good: Proposal) -> Iterator[tuple[str, LoopSpec, Proposal]]:
    """Name, spec and proposal. Where the list itself names what no list can, the spec is one that does."""
    yield "no verdict", spec, replace(good, verdict="")
    yield "a verdict of concerns", spec, replace(good, verdict="concerns")
    yield "a verdict of failed", spec, replace(good, verdict="failed")
    yield "no checker", replace(spec, checker=None), good
    if spec.accept:
        yield "acceptance failed", spec, replace(good, accepted=False)
        yield "acceptance not run", spec, replace(good, accepted=None)
    yield "no enforced sandbox", spec, replace(good, sandboxed=False)
    yield "a sandbox that does not hold all", spec, replace(good, missing="network")
    yield "a protected name", spec, replace(good, flags=(".envrc is protected",))
    if spec.gate.kinds or spec.gate.use == "allowlist":
        yield "a kind that is not listed", spec, replace(good, kind=f"not-{spec.action.kind}")
    if spec.changes:
        yield from _bad_files(spec, good)


def _bad_files(spec: LoopSpec, good: Proposal) -> Iterator[tuple[str, LoopSpec, Proposal]]:
    limits, path = spec.gate, good.files[0]
    if limits.paths or limits.use == "allowlist":
        yield "a path off the list", spec, replace(good, files=(path, _elsewhere(limits.paths)))
    denied = replace(spec, gate=replace(limits, deny_paths=(*limits.deny_paths, path)))
    yield "a denied path", denied, good
    hook = ".git/hooks/post-commit"
    yield (
        "a hook, though listed",
        replace(spec, gate=replace(limits, paths=(*limits.paths, hook))),
        replace(good, files=(hook,)),
    )
    out = f"../{path}"
    yield "a path outside", replace(spec, gate=replace(limits, paths=(*limits.paths, out))), replace(good, files=(out,))
    yield "a change without files", spec, replace(good, files=(), added=0)
    many = (path,) * (min(limits.max_files, _MOST) + 1)
    yield f"{len(many)} files", spec, replace(good, files=many)
    yield "too many lines", spec, replace(good, added=limits.max_lines, removed=1)


def _elsewhere(patterns: Sequence[str]) -> str:
    """A path that no pattern lists; a hidden one if they list all the others."""
    made = ("drill-elsewhere", "drill/else/where", ".drill-elsewhere", "drill/.else/where")
    return next((path for path in made if not any(gate.listed(each, path) for each in patterns)), made[-1])


def _sample(spec: LoopSpec) -> str:
    """A path the lists let through; "" = none was found."""
    for pattern in spec.gate.paths or ("README.md",):
        for parts in (0, 1):
            path = "/".join(
                _part(each) for each in pattern.split("/") for each in ([each] if each != "**" else ["drill"] * parts)
            )
            path = path or "drill"
            if gate.listed(pattern, path) and not any(path_matches(each, path) for each in spec.gate.deny_paths):
                return path
    return ""


def _part(pattern: str) -> str:
    return pattern.replace("*", "drill").replace("?", "x")
