"""The gate: what may happen unattended. It says yes only at L3, and only when nothing at all speaks against it.

Every condition that is not met is named, so that one reading of a card tells what the loop lacks. What a gate does not
know it takes for the worse: no checker, no verdict, no acceptance that was asked for, no enforced sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from ..events import Gated, Verdict
from ..rules import Rule, Subject, allows, path_matches, touches
from ..task import Level
from .spec import LoopSpec

TOOL = "loop:"
"""Prefix of what the operator's rules know an action as: `loop:apply-patch`."""
NAMED = 3
"""Paths named in one reason; the rest is counted."""


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a round proposes, as a gate sees it.

    Attributes:
        kind: of the action, the word an allow-list names.
        verdict: the checker's, "" = none.
        accepted: whether the acceptance command passed; None = it was not run.
        files: paths the change touches, relative to the workspace, both names of a moved file.
        flags: what no gate may let pass, a few words each: a protected name, a submodule, a link out of the tree.
        sandboxed: enough is enforced on children of this round for L3; `missing` names what is not.
    """

    kind: str
    verdict: Verdict = ""
    accepted: bool | None = None
    files: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    flags: tuple[str, ...] = ()
    sandboxed: bool = False
    missing: str = ""


Decide = Callable[[LoopSpec, Level, Proposal], Gated]
"""A whole gate: `decide` with the operator's rules, and with the gate's own function where it is one."""
Asked = Callable[[Proposal], str]
"""A gate that is code: why the proposal must not go on by itself, or ""."""


def decide(
    spec: LoopSpec, level: Level, proposal: Proposal, *, rules: Sequence[Rule] = (), asked: Asked | None = None
) -> Gated:
    """report (L1, always), escalate (L2, always), or at L3 proceed if every condition is met. Never raises by itself.

    Args:
        level: where the loop stood when the round began.
        rules: the operator's rules that are in force. One that denies or asks about `loop:KIND`, or about a path of
            the change, holds at every gate; with `use = "rules"` allow rules take the place of kinds and paths.
        asked: what `use = "module:function"` stands for; asked last, only about what nothing else speaks against.
    """
    doubts = unverified(spec, proposal)
    verified = not doubts
    if level == "L1":
        return Gated("report", "L1 reports", verified)
    if level != "L3":
        why = "at L2 a person decides on every change" if level == "L2" else f'there is no level "{level}"'
        return Gated("escalate", "; ".join([why, *doubts]), verified)
    against = [*doubts, *_world(proposal), *_files(spec, proposal), *_gate(spec, proposal, rules)]
    if not against and ":" in spec.gate.use:
        refusal = asked(proposal) if asked else "the gate's function was not loaded"
        against = [refusal] if refusal else []
    if against:
        return Gated("escalate", "; ".join(against), verified)
    return Gated("proceed", f"{spec.gate.use}: {proposal.kind}, verified, {size(proposal)}", verified)


def unverified(spec: LoopSpec, proposal: Proposal) -> list[str]:
    """Why it is not verified; [] = it is. Without a checker nothing ever is."""
    doubts = []
    if spec.checker is None:
        doubts.append("not verified: the loop has no checker")
    elif proposal.verdict != "clean":
        doubts.append(f"not verified: {f'the verdict is {proposal.verdict}' if proposal.verdict else 'no verdict'}")
    if spec.accept and proposal.accepted is not True:
        doubts.append(f"acceptance {'failed' if proposal.accepted is False else 'was not run'}")
    return doubts


def listed(pattern: str, path: str) -> bool:
    """`rules.path_matches`, but a name that begins with a dot is matched only where the pattern spells the dot."""
    parts = path.split("/")
    row = [True] + [False] * len(parts)
    for each in pattern.split("/"):
        if each == "**":
            for end, part in enumerate(parts):
                row[end + 1] |= row[end] and not part.startswith(".")
        else:
            row = [False] + [
                row[end] and fnmatchcase(part, each) and (each.startswith(".") or not part.startswith("."))
                for end, part in enumerate(parts)
            ]
    return row[-1]


def size(proposal: Proposal) -> str:
    """`2 files +10 -3`, or `no files`."""
    if not proposal.files:
        return "no files"
    return f"{len(proposal.files)} file{'s'[: len(proposal.files) > 1]} +{proposal.added} -{proposal.removed}"


def _world(proposal: Proposal) -> Iterator[str]:
    if not proposal.sandboxed or proposal.missing:
        yield f"no enforced sandbox{': ' if proposal.missing else ''}{proposal.missing}"
    yield from proposal.flags


def _files(spec: LoopSpec, proposal: Proposal) -> Iterator[str]:
    """What holds of a change at every gate."""
    gate, files, lines = spec.gate, proposal.files, proposal.added + proposal.removed
    if spec.changes and not files:
        yield "the change names no file"
    if odd := [path for path in files if not _plain(path)]:
        yield f"{_some(odd)} {_are(odd)} no path inside the workspace"
    if own := [path for path in files if ".git" in path.lower().split("/")]:
        yield f"{_some(own)} {_are(own)} git's own"
    if denied := [path for path in files if any(path_matches(each, path) for each in gate.deny_paths)]:
        yield f"{_some(denied)} {_are(denied)} in deny_paths"
    if len(files) > gate.max_files:
        yield f"{len(files)} files, more than max_files = {gate.max_files}"
    if lines > gate.max_lines:
        yield f"{lines} changed lines, more than max_lines = {gate.max_lines}"
    if min(proposal.added, proposal.removed) < 0:
        yield "its lines could not be counted"


def _gate(spec: LoopSpec, proposal: Proposal, rules: Sequence[Rule]) -> Iterator[str]:
    gate, files = spec.gate, proposal.files
    subject = Subject(TOOL + proposal.kind, paths=files)
    if heard := [each for each in rules if each.decision != "allow" and touches(each, subject)]:
        yield from (f"rule {each.id} {'denies' if each.decision == 'deny' else 'asks about'} it" for each in heard)
    if gate.use == "escalate":
        yield "no gate is set: every change escalates"
        return
    if gate.use == "rules":
        # A rule for any tool was not written with unattended loops in mind, and nobody counts uses here.
        ours = [each for each in rules if each.tool.startswith(TOOL) and not each.uses and not each.action]
        if not allows(ours, subject):
            yield f"no rule allows all of {subject.tool}"
    elif gate.use != "allowlist" and ":" not in gate.use:
        yield f'there is no gate "{gate.use}"'
    # What is written holds at every gate; only of an allow-list it is a gap when nothing is.
    if proposal.kind not in gate.kinds and (gate.kinds or gate.use == "allowlist"):
        yield f'the kind "{proposal.kind}" is not listed'
    if gate.paths or gate.use == "allowlist":
        off = [path for path in files if not any(listed(each, path) for each in gate.paths)]
        if off:
            yield f"{_some(off)} {_are(off)} not in paths"


def _plain(path: str) -> bool:
    return not any(part in ("", ".", "..") for part in path.split("/")) and "\0" not in path


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(path[:200] for path in paths[:NAMED]) + more


def _are(paths: Sequence[str]) -> str:
    return "is" if len(paths) == 1 else "are"
