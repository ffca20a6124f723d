"""`harness-tui approvals`: the queue, from a shell. A decision names the digest of what was shown."""

from __future__ import annotations

import click

from . import output
from .output import Format, format_option

digest_option = click.option("--digest", required=True, help="Digest of what was shown: 12 hex digits or more.")
reason_option = click.option("--reason", default="", help="Why, for the record.")


@click.group()
def approvals() -> None:
    """List, show and decide what waits for a person."""


@approvals.command("list")
@click.option("--all", "everything", is_flag=True, help="Decided ones too.")
@format_option
def list_approvals(everything: bool, output_format: Format) -> None:
    """List open requests, oldest first."""
    from ..clients.read import reading
    from ..config.paths import Paths

    with reading(Paths.default()) as journal:
        rows = journal.approvals(all=everything)
    if output_format is not Format.text:
        from . import result

        output.emit([result.of_approval(row) for row in rows])
        return
    if not rows:
        output.tell("Nothing waits for a decision.")
        return
    heads = ("ID", "RUN", "RISK", "STATE", "REQUESTED", "DIGEST", "SUMMARY")
    output.table(
        heads,
        ((r.id, r.run, r.risk, r.state, output.clock(r.requested), r.digest[:16], r.summary) for r in rows),
    )


@approvals.command()
@click.argument("approval", metavar="ID")
@format_option
def show(approval: str, output_format: Format) -> None:
    """Show one request: everything that will run."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain.errors import UsageError
    from . import result

    with reading(Paths.default()) as journal:
        row = next((row for row in journal.approvals(all=True) if row.id == approval), None)
    if row is None:
        raise UsageError(f"There is no approval {approval}.", "List them with: harness-tui approvals list --all")
    if output_format is not Format.text:
        output.emit(result.of_shown_approval(row))
        return
    output.say(f"{row.id}  {row.run}  {row.state}  risk {row.risk}  {row.summary}")
    for fact in row.facts:
        output.say(f"  {fact.label:<12}{fact.value}")
    output.say(f"  {'digest':<12}{row.digest}")
    output.say(f"  {'expires':<12}{output.clock(row.expires)}")
    if row.by:
        output.say(f"  {'decided':<12}{row.resolution or row.state} by {row.by} at {output.clock(row.decided)}")
    if row.open:
        from .follow import how_to_decide

        output.tell(f"decide with: {how_to_decide(row.kind, row.id, row.digest)}")


@approvals.command()
@click.argument("approval", metavar="ID")
@digest_option
@reason_option
@format_option
def approve(approval: str, digest: str, reason: str, output_format: Format) -> None:
    """Let exactly what the digest names run, once."""
    from ..port.commands import Decide
    from . import link

    link.send(Decide(approval, digest, "approved", link.operator(), reason), output_format)


@approvals.command()
@click.argument("approval", metavar="ID")
@digest_option
@reason_option
@format_option
def deny(approval: str, digest: str, reason: str, output_format: Format) -> None:
    """Refuse it; the agent is told, with the reason."""
    from ..port.commands import Decide
    from . import link

    link.send(Decide(approval, digest, "denied", link.operator(), reason), output_format)


@approvals.command()
@click.argument("approval", metavar="ID")
@digest_option
@click.option("--happened", is_flag=True, help="The effect took place.")
@click.option("--did-not", is_flag=True, help="It did not take place.")
@click.option("--again", is_flag=True, help="Run it again, whatever took place.")
@reason_option
@format_option
def resolve(
    approval: str, digest: str, happened: bool, did_not: bool, again: bool, reason: str, output_format: Format
) -> None:
    """Say what became of an effect a crash left in doubt."""
    from ..domain.errors import UsageError
    from ..port.commands import Resolve
    from . import link

    if happened + did_not + again != 1:
        raise UsageError("Give exactly one of --happened, --did-not and --again.")
    word = Resolve(
        approval,
        digest,
        "happened" if happened else "did_not" if did_not else "again",
        link.operator(),
        reason,
    )
    link.send(word, output_format)
