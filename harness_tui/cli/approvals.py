"""`harness-tui approvals`: the queue, from a shell. A decision names the digest of what was shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from . import cards, output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..clients.read import ReadClient
    from ..domain.editing import Edit
    from ..domain.views import ApprovalRow
    from ..port.commands import Decide

JUDGED = 60.0
"""Seconds an edit may take: its world may have to be built, and a sandbox tried, to judge it."""

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
    from . import result

    with reading(Paths.default()) as source:
        row = cards.find(source, approval)
        first = cards.asked_first(source, row) if row.edited else None
        diff = cards.diff(source, row)
    if output_format is not Format.text:
        more = {"diff": diff} if row.change or row.paper else {}
        output.emit({**result.of_shown_approval(row), "edited": row.edited or None, "original": first, **more})
        return
    cards.show(row, first, diff)
    if row.open:
        from .follow import how_to_decide

        output.tell(f"decide with: {how_to_decide(row.kind, row.id, row.digest)}")


@approvals.command()
@click.argument("idents", metavar="ID...", nargs=-1, required=True)
@click.option("--digest", "digests", multiple=True, required=True, help="Digest of what was shown; one for each ID.")
@reason_option
@format_option
def approve(idents: tuple[str, ...], digests: tuple[str, ...], reason: str, output_format: Format) -> None:
    """Let exactly what the digest names run, once.

    Several at once: a digest for each, in the same order. None of them may be of high risk or in doubt.
    """
    from ..port.commands import Decide
    from . import link

    if len(idents) != len(digests) or len(set(idents)) != len(idents):
        raise click.UsageError("Give each ID once, and a --digest for each, in the same order.")
    words = [
        Decide(each, digest, "approved", link.operator(), reason) for each, digest in zip(idents, digests, strict=True)
    ]
    if len(words) == 1:
        link.send(words[0], output_format)
    else:
        _batch(words, output_format)


def _batch(words: list[Decide], output_format: Format) -> None:
    """Show every item in full, then decide all in order; one that is refused by then does not stop the others."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain.errors import ApprovalError, UsageError

    told: list[dict[str, Any]] = []
    with reading(Paths.default()) as source:
        rows = [cards.find(source, word.approval) for word in words]
        for row, word in zip(rows, words, strict=True):
            _check_fit(row, word.digest)
        if output_format is Format.text:
            for row in rows:
                cards.show(row, cards.asked_first(source, row) if row.edited else None, cards.diff(source, row))
        for word in words:
            try:
                told.append({"id": word.approval, "text": source.send(word).text, "exit": 0})
            except (ApprovalError, UsageError) as error:
                told.append({"id": word.approval, "text": str(error), "exit": error.exit_code})
            if output_format is Format.text:
                output.tell(told[-1]["text"])
    code = next((each["exit"] for each in told if each["exit"]), 0)
    if output_format is not Format.text:
        output.finish({"decided": told, "exit": code}, code)
    if code:
        raise click.exceptions.Exit(code)


def _check_fit(row: ApprovalRow, digest: str) -> None:
    """What keeps an item out of a batch keeps all of it from being decided. Raises ApprovalError."""
    from ..domain.approval import names
    from ..domain.errors import ApprovalError

    word = row.resolution.replace("_", " ") or row.state
    why = ""
    if not row.open:
        why = f"it is {word}"
    elif row.kind == "in_doubt":
        why = "it is in doubt"
    elif row.risk == "high":
        why = "it is of high risk, and such is approved by itself"
    elif not names(row.digest, digest):
        why = f"it shows digest {row.digest[:12]}, not {digest[:12]}"
    if why:
        said = f"Nothing was approved: {row.id} cannot be part of a batch: {why}."
        raise ApprovalError(said, f"Look at it: harness-tui approvals show {row.id}")


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


@approvals.command()
@click.argument("approval", metavar="ID")
@digest_option
@click.option("--reason", required=True, help="What is to be done differently.")
@format_option
def pushback(approval: str, digest: str, reason: str, output_format: Format) -> None:
    """Send a loop's change back to its maker, or a graph on to the job a gate goes back to, with the reason."""
    from ..port.commands import Decide
    from . import link

    if not reason.strip():
        raise click.UsageError("Say in --reason what is to be done differently.")
    link.send(Decide(approval, digest, "pushed_back", link.operator(), reason), output_format)


@approvals.command()
@click.argument("approval", metavar="ID")
@digest_option
@click.option("--arguments", "given", help="The call's arguments, whole, as JSON.")
@click.option("--editor", is_flag=True, help="Open $VISUAL or $EDITOR; what a terminal does without --arguments.")
@format_option
def edit(approval: str, digest: str, given: str | None, editor: bool, output_format: Format) -> None:
    """Put something else in the place of what is asked for. It waits on, to be approved under its new digest."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain import editing as text
    from ..domain.approval import names
    from ..domain.errors import ApprovalError
    from .editing import Draft

    if given is not None and editor:
        raise click.UsageError("Give --arguments or --editor, not both.")
    if given is None and not editor and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("Give --arguments JSON, or --editor: there is no terminal for an editor here.")
    with reading(Paths.default()) as source:
        row = cards.find(source, approval)
        if not names(row.digest, digest):
            said = f"Refused: {row.id} now shows digest {row.digest[:12]}, the edit names {digest[:12]}."
            raise ApprovalError(said, f"Look again: harness-tui approvals show {row.id}")
        if not row.open:
            raise ApprovalError(f"{row.id} no longer waits: it is {row.resolution or row.state}.")
        diff = _diff(source, row)
    if given is not None:
        if row.kind == "change":
            raise click.UsageError(f"{row.id} is a change of files, not a call: edit its diff with --editor.")
        _put(row, text.from_text(row, given), output_format)
        return
    with Draft(text.as_text(row, diff), text.suffix(row)) as draft:
        _put(row, text.from_text(row, draft.edited(), diff), output_format)


def _diff(source: ReadClient, row: ApprovalRow) -> str:
    from ..domain.errors import UsageError

    if row.change is None:
        return ""
    try:
        return source.blob(row.change.diff).decode()
    except UnicodeDecodeError:
        where = f"It is on the branch {row.change.branch}: deny it, and change the files there."
        raise UsageError(f"The diff of {row.id} is not UTF-8 text and cannot be edited as such.", where) from None


def _put(row: ApprovalRow, made: Edit | None, output_format: Format) -> None:
    """Send an edit, and show what waits now."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..port.commands import EditApproval
    from . import link
    from .follow import how_to_decide

    if made is None:
        said, digest = f"{row.id} stays as it is: nothing was changed, and nothing was sent.", row.digest
    else:
        word = EditApproval(row.id, row.digest, link.operator(), made.arguments, made.diff)
        with reading(Paths.default(), timeout=JUDGED) as source:
            reply = source.send(word)
            now = cards.find(source, row.id)
            first = cards.asked_first(source, now)
        said, digest = reply.text, reply.digest or now.digest
        if output_format is Format.text and now.digest == digest:  # nobody edited it again meanwhile
            cards.show(now, first)
    if output_format is Format.text:
        output.tell(said)
        output.tell(f"approve with: {how_to_decide(row.kind, row.id, digest)}")
    else:
        output.emit({"id": row.id, "text": said, "digest": digest, "exit": 0})
