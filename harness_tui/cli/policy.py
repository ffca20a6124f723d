"""`harness-tui policy`: what a call would come to, and the operator's rules that say so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option
from .run import SANDBOXES
from .trust import distrust, trust, trusted

if TYPE_CHECKING:
    from ..domain.rules import Rule
    from ..domain.views import RuleRow


@click.group()
def policy() -> None:
    """Ask what a call would come to; list, add and revoke rules; trust workspaces."""


for verb in (trust, distrust, trusted):
    policy.add_command(verb)


# -- asking ----------------------------------------------------------------------------------------------------------


@policy.command()
@click.option("--tool", "name", required=True, metavar="NAME", help="The tool that would be called.")
@click.option("--args", "arguments", default="{}", metavar="JSON", help="Its arguments, one JSON object.")
@click.option("--level", type=click.Choice(["L1", "L2", "L3"]), help="The run's level (default: the task's, else L2).")
@click.option("--sandbox", type=click.Choice(SANDBOXES), help="Where the run's commands would be.")
@click.option("--workspace", type=click.Path(path_type=Path), help="Where it would run (default: here).")
@click.option("--allow-host", multiple=True, metavar="HOST[:PORT]", help="As for `run`.")
@click.option("--browser-url", default="", metavar="URL", help="As for `run`.")
@click.option("--task", type=click.Path(path_type=Path), metavar="FILE", help="The task file of the run.")
@format_option
def check(
    name: str,
    arguments: str,
    level: str | None,
    sandbox: str | None,
    workspace: Path | None,
    allow_host: tuple[str, ...],
    browser_url: str,
    task: Path | None,
    output_format: Format,
) -> None:
    """Say whether a call would run, ask or be refused, and why, without doing it.

    Exit 0: it would run. 4: it would ask, or be refused.
    """
    from ..domain.messages import ToolCall
    from .rehearse import call_arguments, known_tool, rehearsal, spec_of

    given = call_arguments(arguments)
    with rehearsal() as trial:
        spec = spec_of(name, workspace, task, level, sandbox, allow_host, browser_url)
        known_tool(name, spec, trial)
        judged = trial.judge(spec, ToolCall("check", name, given))
    proposal = judged.proposal
    document = {
        "decision": judged.verdict,
        "reason": judged.reason,
        "rule": judged.rule,
        "level": spec.task.level,
        "risk": proposal.risk if proposal else None,
        "risk_class": proposal.risk_class if proposal else None,
        "summary": proposal.summary if proposal else None,
    }
    code = 0 if judged.verdict == "allow" else 4
    if output_format is not Format.text:
        output.finish(document, code)
    output.say(f"{judged.verdict}: {judged.reason} ({judged.rule})")
    raise click.exceptions.Exit(code)


# -- rules -----------------------------------------------------------------------------------------------------------


@policy.command("list")
@click.option("--all", "everything", is_flag=True, help="Revoked, expired and used-up rules too.")
@format_option
def list_rules(everything: bool, output_format: Format) -> None:
    """List the rules in force, oldest first."""
    from ..clients.offline import Archive
    from ..config.paths import Paths

    with Archive(Paths.default()) as journal:
        rows, _ = journal.governance()
    shown = [row for row in rows.values() if everything or state_of(row) == "in force"]
    shown.sort(key=lambda row: int(row.id.rpartition("-")[2]))
    if output_format is not Format.text:
        output.emit([_document(row) for row in shown])
    elif shown:
        heads = ("ID", "DECISION", "RULE", "USED", "STATE", "EXPIRES", "BY")
        output.table(heads, ([*_cells(row)] for row in shown))
    else:
        output.tell("No rule is in force: levels alone decide. Add some: harness-tui policy add FILE")


@policy.command()
@click.argument("rule", metavar="ID")
@format_option
def revoke(rule: str, output_format: Format) -> None:
    """Take a rule out of force, for good."""
    from ..port.commands import RevokeRule
    from . import link

    link.send(RevokeRule(rule, link.operator()), output_format)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@format_option
def replay(file: Path, output_format: Format) -> None:
    """Hold the rules of a file against the calls of earlier runs; add nothing."""
    from .rehearse import load, rehearsal, replayed, tell_replay

    with rehearsal() as trial:
        document = replayed(trial, load(trial, file))
    tell_replay(document) if output_format is Format.text else output.emit(document)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only replay them.")
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
@format_option
def add(file: Path, dry_run: bool, yes: bool, output_format: Format) -> None:
    """Put the rules of a file in force, after showing what they would have done to earlier calls."""
    from .rehearse import load, rehearsal, replayed, tell_replay

    with rehearsal() as trial:
        rules = load(trial, file)
        document = replayed(trial, rules)
    if output_format is Format.text:
        tell_replay(document)
    if not dry_run:
        _confirm("Add this rule?" if len(rules) == 1 else f"Add these {len(rules)} rules?", yes)
        document = {**_send(rules), "replay": document}
    if output_format is not Format.text:
        output.emit(document)
    else:
        for ident in document.get("rules", ()):
            output.tell(f"{ident} is in force.")


@policy.command()
@click.argument("approval", metavar="APPROVAL")
@click.option("--uses", type=click.IntRange(1), help="Allow it so many times.")
@click.option("--expires", default="", metavar="7d|DATE", help="Allow it until then.")
@click.option("--workspace", type=click.Path(path_type=Path), help="Allow it there only (default: where it was asked).")
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
@format_option
def allow(
    approval: str, uses: int | None, expires: str, workspace: Path | None, yes: bool, output_format: Format
) -> None:
    """Always allow what an approval showed: this very call, as long as its card would be the same."""
    from .rehearse import always, rehearsal

    with rehearsal() as trial:
        rule = always(trial, approval, uses or 0, expires, workspace)
    if output_format is Format.text:
        output.tell(f"{told(rule)}, {rule.reason}")
    _confirm("Always allow exactly this?", yes)
    document = _send([rule])
    if output_format is not Format.text:
        output.emit(document)
    else:
        output.tell(f"{document['rules'][0]} is in force.")


def _confirm(question: str, yes: bool) -> None:
    import sys

    from ..domain.errors import UsageError

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("There is no terminal to ask at.", "Give --yes to do it, or --dry-run to only look.")
    if not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)


def _send(rules: list[Rule]) -> dict[str, Any]:
    """Each rule is one command; one that is refused ends it, and what was added before stays. Answers their ids."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..port.commands import AddRule
    from . import link

    with reading(Paths.default()) as source:
        return {"rules": [source.send(AddRule(rule, link.operator())).id for rule in rules], "exit": 0}


def state_of(row: RuleRow) -> str:
    """in force | expired | used up | revoked."""
    if row.revoked:
        return "revoked"
    if row.rule.expires and row.rule.expires <= time.time_ns() // 1000:
        return "expired"
    return "used up" if row.rule.uses and row.used >= row.rule.uses else "in force"


def told(rule: Rule) -> str:
    """A rule in one line: `shell_exec: git push ... in /srv/site`."""
    parts = [" ".join(rule.command), rule.path, rule.host, f"action {rule.action[:12]}" if rule.action else ""]
    scope = [f"in {rule.workspace}" if rule.workspace else "", f"for {rule.run}" if rule.run else ""]
    return " ".join(filter(None, [f"{rule.tool}:", " and ".join(filter(None, parts)) or "any call", *scope]))


def _cells(row: RuleRow) -> tuple[str, ...]:
    rule = row.rule
    used = f"{row.used}/{rule.uses}" if rule.uses else str(row.used)
    return row.id, rule.decision, told(rule), used, state_of(row), output.clock(rule.expires), rule.by


def _document(row: RuleRow) -> dict[str, Any]:
    import msgspec

    written = msgspec.to_builtins(row.rule)
    stamps = {"expires": output.stamp(row.rule.expires), "added": output.stamp(row.added)}
    return {"id": row.id, "state": state_of(row), "used": row.used, **written, **stamps}
