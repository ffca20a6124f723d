"""Editing what waits: out as text, back as a command. Until the engine says otherwise the item stays what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..domain import editing as texts
from ..domain.errors import UsageError
from ..domain.safetext import clip as safe_clip
from ..domain.views import ApprovalRow
from ..port.commands import EditApproval
from .arming import Subject
from .intents import EditText, Intent, SendEdit

if TYPE_CHECKING:
    from .model import Model

KEPT = " Your text is kept: e opens it again."


def open_text(m: Model, row: ApprovalRow) -> list[Intent]:
    """Give the item to the operator's editor; what was refused before comes first."""
    subject = Subject(row.id, row.digest)
    paper = m.cards.papers.get(row)
    text = paper.text if paper else ""
    if any("\ud800" <= char <= "\udfff" for char in text):
        m.notice(f"{row.id} has bytes that are no text: push it back (b), or change its branch by hand.", bad=True)
        return []
    try:
        given = m.queue.drafts.get(subject) or texts.as_text(row, text)
    except UsageError as error:
        m.notice(str(error), bad=True)
        return []
    m.cards.editing = True
    return [EditText(subject, given, texts.suffix(row))]


def back(m: Model, subject: Subject, text: str | None, problem: str = "") -> list[Intent]:
    """The editor has ended: send what was made of it, or say why not. Keys are armed anew.

    Args:
        text: what is in the file; None when it cannot be read.
        problem: why it is not to be taken; the text is kept all the same.
    """
    m.cards.editing = False
    m.sync()
    m.arming.rearm()
    if text is not None:
        m.queue.drafts[subject] = text
    if problem:
        m.notice(problem + (KEPT if text is not None else ""), bad=True)
        return []
    row = _still(m, subject)
    if row is None or text is None:
        m.notice("Nothing was sent: it was decided or changed while you edited.", bad=True)
        return []
    paper = m.cards.papers.get(row)
    try:
        edit = texts.from_text(row, text, paper.text if paper else "")
    except UsageError as error:
        m.notice(f"{error}{KEPT}", bad=True)
        return []
    if edit is None:
        m.queue.drafts.pop(subject, None)
        m.notice(f"{row.id} is unchanged: nothing was sent.")
        return []
    return _send(m, row, edit)


def assign(m: Model, subject: Subject | None, words: str) -> list[Intent]:
    """`:edit key=value`: one argument of the call under the cursor."""
    row = m.queue.row()
    if m.focus != 4 or row is None or not row.open:
        m.notice("4 Approvals: :edit key=value changes one argument of the call under the cursor.", bad=True)
        return []
    name, equals, value = words.partition("=")
    name = name.strip()
    if row.kind in ("gate", "plan"):
        m.notice(f"{row.id} is decided, not edited.", bad=True)
    elif row.kind != "action":
        m.notice(f"{row.id} has no arguments: e opens it in your editor.", bad=True)
    elif not equals or not name:
        known = ", ".join(row.arguments) or "none"
        m.notice(f":edit key=value changes one argument; {row.id} has: {known}.", bad=True)
    elif name not in row.arguments:
        known = ", ".join(row.arguments) or "none"
        m.notice(f"{row.id} has no argument {name!r}; it has: {known}. e opens all of them.", bad=True)
    elif subject != Subject(row.id, row.digest) or m.queue.sent or m.blurred or m.link.state in ("lost", "starting"):
        m.notice("Nothing was sent: the item or the link changed while you typed.", bad=True)
    else:
        try:
            edit = texts.assigned(row, name, value.strip())
        except UsageError as error:
            m.notice(str(error), bad=True)
            return []
        if edit is not None:
            return _send(m, row, edit)
        m.notice(f"{row.id} is unchanged: nothing was sent.")
    return []


def _still(m: Model, subject: Subject) -> ApprovalRow | None:
    """The item, if it still waits as it did."""
    row = m.world.views.approvals.get(subject.item)
    return row if row is not None and row.open and row.digest == subject.digest else None


def _send(m: Model, row: ApprovalRow, edit: texts.Edit) -> list[Intent]:
    if row.id == m.queue.current and not m.queue.batch:
        m.queue.sent = row.id
    return [SendEdit(EditApproval(row.id, row.digest, m.by, edit.arguments, edit.diff))]


def complete(m: Model, text: str) -> str:
    """What the tab key makes of `edit KEY`: the argument's name, then its value as it is, to be changed."""
    row = m.queue.row()
    word = text.removeprefix("edit ").lstrip()
    if row is None or "\n" in word:
        return text
    name, equals, value = word.partition("=")
    if equals and not value and name in row.arguments:
        now = row.arguments[name]
        return f"edit {name}={now if isinstance(now, str) else msgspec.json.encode(now).decode()}"
    fits = sorted(each for each in row.arguments if each.startswith(word))
    if len(fits) > 1:
        m.said = (safe_clip("  ".join(fits), 200), False)
    return f"edit {fits[0]}=" if len(fits) == 1 else text
