"""The planner: an agent that reads how every job stands and answers with a change of the plan, or a function that does.

Nothing here changes a plan: what a planner wants is a `Patch`, and whether that may be is judged elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..agent.spill import DIGITS, PREFIX
from ..domain import events as ev
from ..domain.dag.patch import Patch
from ..domain.dag.state import DagState, JobState
from ..domain.errors import HarnessError, UsageError
from ..domain.events import Envelope
from ..domain.messages import ToolCall
from ..domain.money import dollars
from ..domain.task import PLAN_TOOLS, RunSpec, TaskFile
from ..domain.views import RunRow
from . import calls, prompts, work
from .handover import plain
from .kit import DagKit

if TYPE_CHECKING:
    from .answers import Answers

TOOL = PLAN_TOOLS[0]
JOB = "@planner"
"""What its run is called beside those of jobs; no job can be."""
BOARD = 32 * 1024
"""Bytes of the list of jobs in the prompt; the whole is kept beside it."""
GLANCE = 400
"""Characters of one answer or error in that list."""
LONGEST = 256 * 1024
"""Characters of an answer that are read at all, from its end; and how often an object may seem to begin in them."""
STARTS = 1000
DEADLINE = 600.0
"""Seconds a planning function has."""


class Standing(msgspec.Struct, frozen=True):
    """One job, as a planner sees it. answer: its value, None while there is none."""

    id: str
    kind: str
    state: str
    deps: tuple[str, ...] = ()
    answer: Any = None
    error: str = ""
    attempts: int = 0
    by: str = ""


class Situation(msgspec.Struct, frozen=True):
    """What a planning function is called with.

    Attributes:
        jobs: by id, in the plan's order.
        asked: who wanted a plan: "drain" (nothing was left to do), or an operator.
        replans: how often the plan may still be changed, this time not counted.
        tokens, usd: what the run may still spend; None = no limit.
        refused: why the last change of the plan was not to be, or "".
    """

    run: str
    goal: str
    jobs: dict[str, Standing]
    asked: str = "drain"
    replans: int = 0
    tokens: int | None = None
    usd: float | None = None
    refused: str = ""


# -- a function ------------------------------------------------------------------------------------------------------


async def call(s: DagState, kit: DagKit, answers: Answers) -> Patch:
    """Ask a planning function: it gets a `Situation` and returns a patch as a dict, a `Patch`, or None = nothing more.

    Raises HarnessError: it failed, or what it returned is no patch.
    """
    planner = s.spec.planner
    if planner is None or not planner.call:
        raise UsageError(f"{s.uid} has no planning function.")
    room = kit.room(s.uid, s.spec)
    jobs = {}
    for ident, job in s.jobs.items():
        value = (await answers.of(job)).value if job.good and job.state == "succeeded" else None
        jobs[ident] = Standing(
            ident, job.spec.kind or "", job.state, job.spec.deps, value, job.error, job.attempts, job.by
        )
    usd = None if room.usd is None else room.usd / 1_000_000_000
    left = s.spec.max_replans - s.replans
    asked = s.planner_by or "drain"
    situation = Situation(s.uid, s.spec.goal, jobs, asked, left, room.tokens, usd, _refused(s))
    said = await calls.ask(planner.call, situation, kit, DEADLINE)
    if said is None:
        return Patch(done=True)
    return said if isinstance(said, Patch) else _patch(said, f"what {planner.call} returned")


def _refused(s: DagState) -> str:
    if s.refused is None:
        return ""
    return f"refused{f' by {s.refused.by}' if s.refused.by else ''}: {s.refused.reason}"


# -- an agent --------------------------------------------------------------------------------------------------------


async def run_spec(s: DagState, kit: DagKit, answers: Answers) -> RunSpec:
    """The planner as a run: it reads, at L1, and answers with a plan. Raises UsageError for a model there is not."""
    planner = s.spec.planner
    if planner is None:
        raise UsageError(f"{s.uid} has no planner.")
    lines = [await _line(job, answers) for job in s.jobs.values()]
    whole = "\n".join(lines)
    given, board = {}, whole
    if len(whole.encode()) > BOARD:
        blob = await kit.blobs.put(plain(whole, kit).encode(), kind="output")
        given = {blob[:DIGITS]: blob}
        board = _short(s, lines, f'read_file path="{PREFIX}{blob[:DIGITS]}"')
    model, roles = work.models(s.spec, planner.model)
    return RunSpec(
        task=TaskFile(
            prompt=prompts.planner(s.spec, planner.prompt, prompts.fenced(board), _left(s, kit)),
            tools=(*(tool for tool in planner.tools if tool not in PLAN_TOOLS), *PLAN_TOOLS),
            level="L1",
            sandbox=s.spec.sandbox,
            budget=work.budget(s.spec, planner.budget),
        ),
        model=model,
        roles=roles,
        title=f"planner {s.replans}",
        workspace=s.spec.workspace,
        attempts=1,
        approval_life=s.spec.approval_life,
        in_process=s.spec.in_process,
        dag=s.uid,
        job=f"{JOB}#{s.replans}",
        given=given,
    )


async def _line(job: JobState, answers: Answers) -> str:
    """`fetch-a (prompt, succeeded, by operator) after b, c: what it answered`, all on one line."""
    spec = job.spec
    after = f" after {', '.join(map(prompts.name, spec.deps[:8]))}" if spec.deps else ""
    more = f" and {len(spec.deps) - 8} more" if len(spec.deps) > 8 else ""
    said = job.error
    if job.state == "succeeded":
        try:
            said = (await answers.of(job)).text
        except HarnessError as error:
            said = f"(its answer cannot be read: {error})"
    told = f": {_glance(said)}" if said else ""
    return f"{prompts.name(spec.id)} ({spec.kind}, {job.state}, by {prompts.name(job.by)}){after}{more}{told}"


def _glance(text: str) -> str:
    line = " ".join(text[: 2 * GLANCE].split())
    return line if len(line) <= GLANCE and len(text) <= 2 * GLANCE else f"{line[: GLANCE - 3]}..."


def _short(s: DagState, lines: Sequence[str], how: str) -> str:
    """The jobs that went wrong, then the newest, as many as fit."""
    counts: dict[str, int] = {}
    for job in s.jobs.values():
        counts[job.state] = counts.get(job.state, 0) + 1
    head = f"{len(lines)} jobs: {', '.join(f'{count} {state}' for state, count in counts.items())}; all of them: {how}"
    bad = [job.state in ("dead_lettered", "cancelled") for job in s.jobs.values()]
    ranked = sorted(range(len(lines)), key=lambda at: (not bad[at], -at))
    taken, left = [], BOARD - len(head)
    for at in ranked:
        left -= len(lines[at].encode()) + 1
        if left < 0:
            break
        taken.append(at)
    return "\n".join([head, *(lines[at] for at in sorted(taken))])


def _left(s: DagState, kit: DagKit) -> str:
    room = kit.room(s.uid, s.spec)
    left = s.spec.max_replans - s.replans
    parts = [f"After this one the plan can be changed {left} more time{'' if left == 1 else 's'}."]
    if refused := _refused(s):
        parts.append(f"Your last change was {refused}. Do not ask for the same again.")
    if room.tokens is not None:
        parts.append(f"{max(0, room.tokens):,} tokens are left to spend.")
    if room.usd is not None:
        parts.append(f"{dollars(max(0, room.usd))} are left to spend.")
    kinds = sorted({job.spec.kind or "" for job in s.jobs.values()})
    tools = {tool for job in s.jobs.values() for tool in job.spec.tools or s.spec.tools}
    tools |= {job.spec.tool for job in s.jobs.values() if job.spec.tool}
    parts.append(f"The plan has jobs of these kinds: {', '.join(kinds) or 'none'}.")
    parts.append(f"Its tools: {', '.join(sorted(tools)) or 'none'}; level {s.spec.level}.")
    return " ".join(parts)


# -- its answer ------------------------------------------------------------------------------------------------------


def read(row: RunRow, events: Iterable[Envelope]) -> Patch:
    """What a planner's run wants: its last call of `plan` that made sense, else the JSON object its answer ends with.

    Raises HarnessError, a sentence for people, when it wants nothing that can be read.
    """
    if row.state != "succeeded":
        raise HarnessError(f"The planner did not end well: {row.error or row.reason or row.state}")
    given, wrong = _given(events)
    if given is not None:
        return given
    found = _last_object(row.claim)
    if found is None:
        raise HarnessError(wrong or "The planner answered no plan: neither a call of `plan` nor a JSON object.")
    return _patch(found, "the planner's answer")


def _given(events: Iterable[Envelope]) -> tuple[Patch | None, str]:
    """(the newest plan that was noted, what was wrong with the newest that was not)."""
    asked: list[ToolCall] = []
    patch: Patch | None = None
    wrong = ""
    for envelope in events:
        x = envelope.event
        if isinstance(x, ev.ModelAnswered):
            asked = [part for part in x.parts if isinstance(part, ToolCall)]
        elif isinstance(x, ev.ToolFinished | ev.ToolRefused) and x.tool == TOOL:
            # `c2.1` is the first call of the second turn.
            at = int(x.call.rpartition(".")[2]) - 1
            if isinstance(x, ev.ToolFinished) and x.ok and 0 <= at < len(asked):
                patch, wrong = _patch(asked[at].arguments, "the planner's plan"), ""
            else:
                wrong = f"The planner's plan was refused: {x.text}"
    return patch, wrong


def _patch(found: Any, whose: str) -> Patch:
    try:
        return msgspec.convert(found, Patch)
    except msgspec.ValidationError as error:
        raise HarnessError(f"It cannot be read what is to change: {whose} is no plan: {error}.") from None


def _last_object(answer: str) -> Any:
    """The JSON object an answer ends with, bare or in a fence; None when there is none."""
    text = answer.strip()[-LONGEST:].removesuffix("```").rstrip()
    if not text.endswith("}"):
        return None
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(STARTS):
        if at < 0:
            break
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if end == len(text):
                return found
        at = text.find("{", end)
    return None
