"""`harness-tui approvals`: the queue, from a shell. A decision names the digest of what was shown."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .output import Format, FormatOption

app = typer.Typer(help="List, show and decide what waits for a person.", no_args_is_help=True, rich_markup_mode=None)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A request's id, such as A-1.", show_default=False)]
DigestOption = Annotated[
    str, typer.Option("--digest", help="Digest of what was shown: 12 hex digits or more.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


@app.command("list")
def list_approvals(
    everything: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    output_format: FormatOption = Format.text,
) -> None:
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


@app.command("show")
def show(approval: IdArgument, output_format: FormatOption = Format.text) -> None:
    """Show one request: everything that will run, and the command that decides it."""
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


@app.command("approve")
def approve(
    approval: IdArgument, digest: DigestOption, reason: ReasonOption = "", output_format: FormatOption = Format.text
) -> None:
    """Let exactly what the digest names run, once."""
    from ..port.commands import Decide
    from . import link

    link.send(Decide(approval, digest, "approved", link.operator(), reason), output_format)


@app.command("deny")
def deny(
    approval: IdArgument, digest: DigestOption, reason: ReasonOption = "", output_format: FormatOption = Format.text
) -> None:
    """Refuse it; the agent is told, with the reason."""
    from ..port.commands import Decide
    from . import link

    link.send(Decide(approval, digest, "denied", link.operator(), reason), output_format)


@app.command("resolve")
def resolve(
    approval: IdArgument,
    digest: DigestOption,
    happened: Annotated[bool, typer.Option("--happened", help="The effect took place.")] = False,
    did_not: Annotated[bool, typer.Option("--did-not", help="It did not take place.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Run it again, whatever took place.")] = False,
    reason: ReasonOption = "",
    output_format: FormatOption = Format.text,
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
