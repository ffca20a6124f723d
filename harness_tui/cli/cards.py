"""A request as a shell shows it: everything that will run, what was asked for before an edit, and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from ..clients.read import ReadClient
    from ..domain.views import ApprovalRow


def find(source: ReadClient, approval: str) -> ApprovalRow:
    """The request of that id, decided or not. Raises UsageError."""
    from ..domain.errors import UsageError

    row = next((row for row in source.approvals(all=True) if row.id == approval), None)
    if row is None:
        raise UsageError(f"There is no approval {approval}.", "List them with: harness-tui approvals list --all")
    return row


def asked_first(source: ReadClient, row: ApprovalRow) -> dict[str, Any] | None:
    """The arguments a call was asked for with, before anybody edited it; None for what is no call."""
    from ..domain.events import ApprovalRequested

    after = 0
    while row.kind == "action" and (found := source.events(row.run, after)):
        for envelope in found:
            if isinstance(envelope.event, ApprovalRequested) and envelope.event.id == row.id:
                return envelope.event.arguments
        after = found[-1].pos
    return None


def diff(source: ReadClient, row: ApprovalRow) -> str:
    """The whole diff of a loop's change or of a graph's plan, "" for anything else.

    Raises HarnessError when it is not what was asked with.
    """
    import hashlib

    from ..domain.errors import HarnessError

    sha = row.change.diff if row.change else row.paper
    if not sha:
        return ""
    data = source.blob(sha)
    if hashlib.sha256(data).hexdigest() != sha:
        raise HarnessError(
            f"The diff of {row.id} is not the one it was asked with.", "Deny it; whoever wants it asks again."
        )
    return data.decode(errors="backslashreplace")


def show(row: ApprovalRow, first: dict[str, Any] | None = None, diff: str = "") -> None:
    """The whole card with its diff, and who decided."""
    from ..domain.editing import changes

    output.say(f"{row.id}  {row.run}  {row.state}  risk {row.risk}  {row.summary}")
    for fact in row.facts:
        output.say(f"  {fact.label:<11} {fact.value}")
    if row.edited:
        output.say(f"  {'edited':<12}by {row.edited}")
    for name, before, _ in changes(first, row.arguments) if first is not None else ():
        output.say(f"  {'original':<12}{name}: {before}")
    for line in diff.splitlines():
        output.say(f"    {line}")
    output.say(f"  {'digest':<12}{row.digest}")
    output.say(f"  {'expires':<12}{output.clock(row.expires)}")
    if row.by:
        output.say(f"  {'decided':<12}{row.resolution or row.state} by {row.by} at {output.clock(row.decided)}")
