"""Decisions: which key means what for the item under the cursor, and the command it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.safetext import clip as safe_clip
from ..domain.views import ApprovalRow
from ..port.commands import Decide, Resolve
from . import editing
from .arming import Press, Subject
from .intents import Intent, Send, SendBatch
from .panes import batch
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model

_ACTION = {"a": "approve", "d": "deny", "D": "deny_reason", "e": "edit"}
PUSHED_BACK = ("change", "gate")
"""What can be had done otherwise: a maker, or the job a gate looks back at, is told why."""
FIXED = ("gate", "plan")
"""What cannot be edited: it is a question, or the plan of somebody who is asked again."""
_DOUBT = {"h": "happened", "n": "did_not", "r": "again"}
UNREAD = frozenset({"deny", "deny_reason", "push_back", "edit"})
"""Decided without having seen everything: none of them lets anything run."""


def subject_of(row: ApprovalRow) -> Subject:
    return Subject(row.id, row.digest)


def meaning(row: ApprovalRow | None, key: str) -> str:
    """What a key would decide about this item, or "": an item in doubt is never approved or denied."""
    if row is None or not row.open:
        return ""
    if row.kind == "in_doubt":
        return _DOUBT.get(key, "")
    if key == "b" and row.kind in PUSHED_BACK:
        return "push_back"
    if key == "e" and row.kind in FIXED:
        return ""
    action = _ACTION.get(key, "")
    return "approve_high" if action == "approve" and row.risk not in ("low", "med") else action


def key(m: Model, name: str) -> str:
    """What a key would decide on this screen, or ""."""
    if m.focus != 4 or m.overlay is not None:
        return ""
    if m.queue.batch:
        return "approve_batch" if name == "a" and m.cards.batch_open() else ""
    return meaning(m.queue.row(), name)


def perform(m: Model, press: Press) -> list[Intent]:
    """Turn a decision that stood the tests of time into a command; what lets something run needs everything seen."""
    if press.subject != m.cards.subject():
        return []
    unseen = m.unseen()
    if unseen and press.action not in UNREAD:
        m.notice(f"{unseen} of its lines were not on screen yet: space shows the next page.")
        return []
    if m.queue.batch:
        return _approve_all(m) if press.action == "approve_batch" else []
    row = m.queue.row()
    if row is None or not row.open or subject_of(row) != press.subject:
        return []
    match press.action:
        case "deny_reason":
            m.prompt = Prompt("deny", f"deny {safe_clip(row.id, 20)} because: ", subject=press.subject)
        case "push_back":
            label = f"push {safe_clip(row.id, 20)} back, to be done otherwise: "
            m.prompt = Prompt("push_back", label, subject=press.subject)
        case "edit":
            return editing.open_text(m, row)
        case "deny":
            return deny(m, press.subject, "")
        case "approve" | "approve_high":
            m.queue.sent = row.id
            return [Send(Decide(approval=row.id, digest=row.digest, decision="approved", by=m.by))]
        case "happened" | "did_not" | "again":
            m.queue.sent = row.id
            return [Send(Resolve(approval=row.id, digest=row.digest, resolution=press.action, by=m.by))]
    return []


def deny(m: Model, subject: Subject, reason: str) -> list[Intent]:
    m.queue.sent = subject.item
    return [Send(Decide(approval=subject.item, digest=subject.digest, decision="denied", by=m.by, reason=reason))]


def push_back(m: Model, subject: Subject, feedback: str) -> list[Intent]:
    m.queue.sent = subject.item
    return [
        Send(Decide(approval=subject.item, digest=subject.digest, decision="pushed_back", by=m.by, reason=feedback))
    ]


def reachable(m: Model, subject: Subject | None) -> bool:
    """Whether what a prompt was opened about still stands as it did, and a decision would arrive."""
    row = m.queue.row()
    still = row is not None and row.open and subject_of(row) == subject and not m.queue.batch
    return still and not m.blurred and m.link.state not in ("lost", "starting")


# -- several together -------------------------------------------------------------------------------------------------


def _approve_all(m: Model) -> list[Intent]:
    rows = m.cards.batch_open()
    if not rows or any(batch.bars(row) for row in rows):
        return []
    m.queue.sent = batch.NAME
    m.queue.results = {}
    return [SendBatch(tuple(Decide(row.id, row.digest, "approved", m.by) for row in rows))]


def mark(m: Model) -> None:
    """Put the item under the cursor into the batch, or take it out; say why it cannot be in one."""
    row = m.queue.row()
    if m.queue.batch:
        m.notice("esc leaves the batch; m marks items in the list.")
    elif row is None:
        m.notice("There is no item under the cursor to mark.")
    elif why := batch.bars(row):
        m.notice(f"{row.id} cannot be in a batch: {why}. It is decided on its own.")
    else:
        count = "in" if m.queue.mark(row.id) else "out"
        m.notice(f"{row.id} is {count}: {len(m.queue.marks)} marked. M shows them together.")


def show_batch(m: Model) -> None:
    """All marked items on one card, or back to one."""
    if m.queue.batch:
        m.queue.close_batch()
    elif m.queue.marks:
        m.queue.open_batch()
    else:
        m.notice("Nothing is marked: m marks an item for a batch.")


def useless(m: Model, key: str) -> str:
    """Why a deciding key means nothing here, in words an operator may wonder about; else ""."""
    row = m.queue.row()
    if m.queue.batch:
        return "a approves the whole batch; esc leaves it, for every other decision."
    if row is None or not row.open:
        return ""
    if row.kind == "in_doubt":
        return "" if key in _DOUBT else "It is in doubt: h it happened, n it did not, r r run it again."
    if key == "e":
        return "This is not edited here: D denies it and says why."
    return "b is for the change of a loop and for a gate; d denies this, D says why." if key == "b" else ""
