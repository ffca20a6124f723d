"""A job's attempt as an agent run, and what such a run came to.

A `prompt` is a model at work; `tool`, `command` and `verify` are runs whose one call the plan has decided on. Either is
a run like any other: its approvals, its sandbox, its budget and what a crash leaves in doubt are its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..domain import events as ev
from ..domain.dag.spec import DagSpec, Job, Limits
from ..domain.dag.state import DagState, JobState
from ..domain.errors import UsageError
from ..domain.events import Envelope
from ..domain.money import dollars
from ..domain.task import (
    DEFAULT_TOKENS,
    Budget,
    Guardrails,
    ModelSpec,
    Options,
    RunSpec,
    Script,
    TaskFile,
)
from ..domain.views import RunRow
from ..models.script import API
from . import prompts
from .handover import EACH, hand_over
from .kit import Answer, DagKit

MAIN = "main"
LONGEST = 600.0
"""Seconds a command may take: what the shell tool allows at most."""
TAIL = 400
"""Characters of a command's output that its error keeps, from the end."""


class Outcome(msgspec.Struct, frozen=True):
    """What an attempt's run came to.

    Attributes:
        error: one sentence, "" = it succeeded.
        value, text: what it answered: the agent's last word, or all that its one call said (of a command beginning
            with how it ended, `exit 0`).
        blob: SHA-256 of the whole text where `text` is its head and tail only, else "".
        final: another try cannot help.
        exhausted: what of the graph's or the day's ran out, a sentence, or "".
    """

    error: str = ""
    value: Any = None
    text: str = ""
    blob: str = ""
    final: bool = False
    exhausted: str = ""


async def run_spec(
    s: DagState, job: JobState, given: Sequence[Answer], kit: DagKit, *, prior: Answer | None = None
) -> RunSpec:
    """The next attempt of a job as a run of its own.

    Args:
        given: answers of its dependencies, in their order.
        prior: its own last answer, where it was sent back.

    Raises UsageError for a model that the run does not have.
    """
    spec = job.spec
    script = script_of(spec, s.digest)
    if script:
        return _run(s, job, prompts.script(s.uid, script.tool), script=script)
    handed = await hand_over(given, kit)
    told = prompts.job(s.spec, job, handed.text, _head(prior.text) if prior else "")
    return _run(s, job, told, given=handed.given)


def script_of(job: Job, digest: str) -> Script | None:
    """The one call of a job that is none of a model's, or None.

    Args:
        digest: of the plan that holds. An operator has approved it: a change that widens holds only once one did, and
            one that does not has no call that was not there before.
    """
    if job.kind == "tool" and job.tool:
        return Script(job.tool, job.arguments, digest)
    argv = job.command if job.kind == "command" else job.verify if job.kind == "verify" else None
    if argv is None:
        return None
    timeout = min(job.deadline or LONGEST, LONGEST)
    return Script("shell_exec", {"command": shlex.join(argv), "timeout": timeout}, digest)


def _run(
    s: DagState, job: JobState, prompt: str, *, script: Script | None = None, given: dict[str, str] | None = None
) -> RunSpec:
    spec, whole = job.spec, s.spec
    tools = (script.tool,) if script else whole.tools if spec.tools is None else spec.tools
    roles: dict[str, ModelSpec] = {}
    if script:
        # It asks no model, so it neither reads a key nor keeps room in a budget for an answer.
        model = ModelSpec(API, script.tool, options=Options(max_tokens=1))
    else:
        model, roles = models(whole, spec.model)
    return RunSpec(
        task=TaskFile(
            prompt=prompt,
            tools=tools,
            level=spec.level or whole.level,
            sandbox=spec.sandbox or whole.sandbox,
            budget=Budget(0) if script else budget(whole, spec.budget),
            guardrails=Guardrails() if script else Guardrails(max_iterations=spec.max_iterations),
        ),
        model=model,
        roles=roles,
        title=spec.title or spec.id,
        workspace=whole.workspace,
        attempts=1,
        approval_life=whole.approval_life,
        in_process=whole.in_process,
        dag=s.uid,
        job=f"{spec.id}#{job.attempts}",
        script=script,
        given=given or {},
    )


def models(spec: DagSpec, named: str) -> tuple[ModelSpec, dict[str, ModelSpec]]:
    """(the model, those of roles) of a run. Raises UsageError for one the graph's run does not have."""
    wanted = named or MAIN
    found = spec.models.get(wanted)
    if found is None:
        raise UsageError(f"This run has no model {wanted}.", f"Name it in config.toml: [models.{wanted}]")
    return found, {role: model for role, model in spec.models.items() if role not in (MAIN, wanted)}


def budget(spec: DagSpec, limits: Limits) -> Budget:
    """What one attempt may spend; undeclared, what any run may, but never more than the graph's own limit."""
    usual = min(DEFAULT_TOKENS, spec.budget.tokens or DEFAULT_TOKENS)
    return Budget(limits.tokens or usual, limits.usd)


# -- what came of it ------------------------------------------------------------------------------------------------


def outcome(job: JobState, row: RunRow, events: Sequence[Envelope]) -> Outcome:
    """What an ended run of a job came to.

    Args:
        events: all of the run and its attempts.
    """
    if job.spec.kind != "prompt" and (last := _last_call(events)):
        if isinstance(last, ev.ToolFinished) and last.ok and row.state != "cancelled":
            # It is done, whatever ended the run afterwards: to do it again would be once too often.
            return Outcome(value=last.text, text=last.text, blob=last.blob)
        said = _failed(last.text)
    elif row.state == "succeeded":
        return Outcome(value=row.claim, text=row.claim)
    else:
        said = row.error or row.reason
    if row.state == "cancelled" or row.stopped_by in ("denied", "expired"):
        return Outcome(row.reason or said or row.state, final=True)
    if row.stopped_by == "budget":
        return Outcome(row.error or row.reason, final=True, exhausted=_exhausted(job, row, events))
    code = f" (exit {row.exit})" if row.exit > 1 else ""
    return Outcome((said or "it failed") + code)


def _last_call(events: Iterable[Envelope]) -> ev.ToolFinished | ev.ToolRefused | None:
    """How the newest call of a run ended."""
    found = None
    for envelope in events:
        if isinstance(envelope.event, ev.ToolFinished | ev.ToolRefused):
            found = envelope.event
    return found


def _failed(text: str) -> str:
    """How it ended, and the last it said."""
    first, _, rest = text.strip().partition("\n")
    if not rest:
        return first[: 2 * TAIL]
    rest = rest.strip()
    return f"{first[:TAIL]}: {rest if len(rest) <= TAIL else f'...{rest[-TAIL:]}'}"


def _exhausted(job: JobState, row: RunRow, events: Iterable[Envelope]) -> str:
    """What ran out, if it was the graph's run or the day; an attempt's own limit is its own affair.

    Where the job declares none, and its attempt has less than any run has, that is the graph's limit.
    """
    dag = row.parent
    given = not job.spec.budget.tokens and 0 < row.budget_tokens < DEFAULT_TOKENS
    of_graph = {f"run:{dag}"} | ({f"run:{row.id}"} if given else set())
    for envelope in events:
        x = envelope.event
        if not isinstance(x, ev.BudgetExhausted) or x.unit == "price":
            continue
        if x.scope not in of_graph and not x.scope.startswith("day:"):
            continue
        whose = dag if x.scope in of_graph else "the day"
        if x.unit == "usd":
            asked, left, limit = (dollars(each) for each in (x.asked, max(0, x.limit - x.spent), x.limit))
        else:
            asked, left, limit = (f"{each:,} tokens" for each in (x.asked, max(0, x.limit - x.spent), x.limit))
        return f"{whose} has nothing left to spend: the next model call may need {asked}, {left} of {limit} are left"
    return ""


def _head(text: str) -> str:
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= EACH:
        return text
    return f"{raw[:EACH].decode(errors='ignore')}\n[cut: {len(raw) - EACH} more bytes]"
