"""What `policy` asks of the code path of real calls: the judgement of one, rules held against examples and the past."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..clients.offline import Archive
from ..config.paths import Paths
from ..config.rulefile import load_rules, moment
from ..config.task_rules import problems
from ..config.taskfile import load_task
from ..domain.errors import HarnessError, UsageError
from ..domain.events import Envelope, RunStarted
from ..domain.messages import ToolCall
from ..domain.rules import RULE_ID, Example, Rule, Subject, failing, wrongs
from ..domain.safetext import clip
from ..domain.task import BROWSER_TOOLS, BUILT_IN_TOOLS, RunSpec, TaskFile
from ..domain.views import ApprovalRow, TrustRow
from ..engine.catalogue import plugins
from ..engine.rehearsal import NO_MODEL, Past, Rehearsal, Replayed, anywhere, past
from ..engine.rulebook import standing
from . import output

BATCH = 1000
MOST = 2000
"""Past calls that are looked at, the newest."""


@contextmanager
def rehearsal() -> Iterator[Rehearsal]:
    """With the rules on record, read beside a running engine as well."""
    paths = Paths.default()
    with Archive(paths) as journal:
        rows, trust = journal.governance()
    used = {ident: row.used for ident, row in rows.items()}
    with Rehearsal(paths, standing(rows), used, lambda path, digest: trusts(trust, path, digest)) as trial:
        yield trial


def trusts(rows: dict[str, TrustRow], path: str, digest: str) -> bool:
    return bool(digest) and path in rows and rows[path].digest == digest


# -- one call --------------------------------------------------------------------------------------------------------


def call_arguments(text: str) -> dict[str, Any]:
    """`--args`. Raises UsageError for what is no JSON object."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--args is not JSON: {error}.", 'Give one object: \'{"path": "README.md"}\'') from None
    if not isinstance(given, dict):
        raise UsageError("--args must be one JSON object.", 'Give one object: \'{"path": "README.md"}\'')
    return given


def spec_of(
    tool: str,
    workspace: Path | None,
    task: Path | None,
    level: str | None,
    sandbox: str | None,
    hosts: Sequence[str],
    browser_url: str,
) -> RunSpec:
    """The run the call would be in, as flags of `run` would make it. Raises UsageError."""
    folder = os.path.realpath(workspace or ".")
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {clip(folder, 200)}.", "Name one with --workspace.")
    base = load_task(task) if task else TaskFile("check", tools=(tool,))
    changed: dict[str, Any] = {"level": level or base.level, "start_url": browser_url or base.start_url}
    changed["allow_hosts"] = (*base.allow_hosts, *hosts)
    if sandbox:
        changed["sandbox"] = replace(base.sandbox, kind=sandbox)
    made = replace(base, **changed)
    for problem in problems(made, {*BUILT_IN_TOOLS, *made.tools}):
        raise UsageError(problem.text[:1].upper() + problem.text[1:] + ".")
    return RunSpec(made, NO_MODEL, workspace=folder)


def known_tool(name: str, spec: RunSpec, trial: Rehearsal) -> None:
    """Raises UsageError that names the nearest tool when there is no `name`."""
    if name in BUILT_IN_TOOLS:
        return
    known = tool_names(spec.workspace, trial)
    if name not in known:
        near = get_close_matches(name, sorted(known), 1, 0.0)
        raise UsageError(f'There is no tool "{clip(name, 60)}".', f'Did you mean "{near[0]}"?')


def tool_names(workspace: str, trial: Rehearsal) -> set[str]:
    return {*BUILT_IN_TOOLS, *(each.tool.spec.name for each in plugins(workspace, trial.trusts).tools)}


# -- rules -----------------------------------------------------------------------------------------------------------


def load(trial: Rehearsal, file: Path) -> list[Rule]:
    """The rules of a file, their examples weighed where the rule holds, else here. Raises UsageError."""

    def weigh(rule: Rule, example: Example) -> Subject:
        return trial.subject(anywhere(rule.workspace or os.getcwd()), example)

    def names(workspace: str) -> set[str]:
        return tool_names(workspace or os.getcwd(), trial)

    return load_rules(file, weigh, names, time.time_ns() // 1000)


def always(trial: Rehearsal, approval: str, uses: int, expires: str, workspace: Path | None) -> Rule:
    """A rule that allows what an approval showed and nothing else, with examples. Raises UsageError."""
    with Archive(Paths.default()) as journal:
        row = next((row for row in journal.approvals(all=True) if row.id == approval), None)
        if row is None:
            raise UsageError(f"There is no approval {approval}.", "List them with: harness-tui approvals list --all")
        started = next(iter(journal.events(row.run, limit=1)), None)
    if row.kind != "action" or started is None or not isinstance(started.event, RunStarted):
        raise UsageError(f"{row.id} is no request to act: there is nothing to allow.")
    spec = started.event.spec
    match, not_match = ((), ()) if row.tool in BROWSER_TOOLS else _examples(trial, spec, row)
    try:
        until = moment(expires, time.time_ns() // 1000)
    except ValueError as error:
        raise UsageError(f"--expires {error}.") from None
    rule = Rule(
        "allow",
        row.tool,
        action=row.action,
        workspace=os.path.realpath(workspace) if workspace else spec.workspace,
        expires=until,
        uses=uses,
        reason=f"as {row.id} showed it: {clip(row.summary, 200)}",
        match=match,
        not_match=not_match,
    )
    wrong = next(wrongs(rule), None) or failing(rule, lambda example: trial.subject(spec, example))
    if wrong:
        raise UsageError(f"No rule was made: {wrong.text}.")
    return rule


def _examples(trial: Rehearsal, spec: RunSpec, row: ApprovalRow) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The call itself, and a call that is a little more: what the rule must and must not allow."""
    this = Example(row.tool, row.arguments)
    weighed = trial.weigh(spec, ToolCall(row.call, this.tool, this.args))
    if weighed.refusal or not weighed.subject.understood:
        why = weighed.refusal or weighed.unsafe or "not all of it is understood for sure"
        raise UsageError(f"No rule can allow what {row.id} asks for: {why.rstrip('.')}.")
    if trial.subject(spec, this).action != row.action:
        raise UsageError(f"What would run now is not what {row.id} showed.", "Let it ask again, and allow that.")
    for name, value in row.arguments.items():
        other = Example(row.tool, {**row.arguments, name: f"{value} other"})
        if isinstance(value, str) and _is_call(trial, spec, other):
            return (this,), (other,)
    return (this,), ()


def _is_call(trial: Rehearsal, spec: RunSpec, example: Example) -> bool:
    try:
        trial.subject(spec, example)
    except HarnessError:
        return False
    return True


# -- the past --------------------------------------------------------------------------------------------------------


def replayed(trial: Rehearsal, rules: Sequence[Rule]) -> dict[str, Any]:
    """What the rules would have made of the calls of earlier runs."""
    new = [replace(rule, id=f"{RULE_ID}new-{number}") for number, rule in enumerate(rules, 1)]
    ids = {rule.id for rule in new}
    found = trial.replay(_past_calls(), new)
    decided = [each for each in found if ids & set(each.after.rule.split())]
    count = {word: sum(each.after.verdict == word for each in decided) for word in ("allow", "ask", "refuse")}
    return {
        "calls": len(found),
        **count,
        "changed": sum(each.before.verdict != each.after.verdict for each in decided),
        "unknown": sum(bool(each.error) for each in found),
        "requests": [_request(each) for each in decided],
    }


def _past_calls() -> list[Past]:
    events: list[Envelope] = []
    with Archive(Paths.default()) as journal:
        while more := journal.events("", events[-1].pos if events else 0, BATCH):
            events += more
    return past(events)[-MOST:]


def _request(each: Replayed) -> dict[str, Any]:
    proposal = each.after.proposal or each.before.proposal
    call = each.past.call
    summary = proposal.summary if proposal else f"{call.name} {output.encode(call.arguments)}"
    return {
        "run": each.past.stream,
        "tool": call.name,
        "summary": summary,
        "was": each.past.verdict,
        "before": each.before.verdict,
        "after": each.after.verdict,
        "rule": each.after.rule,
        "reason": each.after.reason,
    }


def tell_replay(document: dict[str, Any]) -> None:
    """One line for each call the rules speak of, then the sum."""
    for each in document["requests"]:
        change = each["after"] if each["before"] == each["after"] else f"{each['before']} -> {each['after']}"
        output.say(f"{each['run']}  {change} ({each['rule']})  {clip(each['summary'], 120)}")
    output.tell(
        f"Of {document['calls']} past calls these rules would have allowed {document['allow']}, asked about "
        f"{document['ask']} and refused {document['refuse']}; {document['changed']} came out otherwise without them."
        + (f" {document['unknown']} can no longer be weighed." if document["unknown"] else "")
    )
