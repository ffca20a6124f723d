"""The approval queue as one operator sees it: its order, the item under the cursor, and what of it has been seen.

The item under the cursor is never replaced: arriving requests go to the end, and an item somebody else decides stays
until the operator moves.
"""

from __future__ import annotations

import msgspec

from ...domain.views import ApprovalRow
from ..arming import Subject
from .world import World


class Queue:
    """Order and cursor.

    Attributes:
        order: ids, in order of arrival.
        current: id under the cursor, or "".
        sent: id of a decision that is on its way to the engine, or "".
        top: first wrapped row of the card on screen.
        marks: ids marked for a batch, in the order they were marked; `batch`: they are on the card together.
        results: what was said of each item of the batch when it was sent; `done` the ids that were decided.
        drafts: edited texts that were not taken, by what they were about; offered again.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.current = ""
        self.sent = ""
        self.top = 0
        self.marks: list[str] = []
        self.batch = False
        self.results: dict[str, str] = {}
        self.done: set[str] = set()
        self.drafts: dict[Subject, str] = {}
        self._digest = ""
        self._kept: ApprovalRow | None = None
        self._seen: dict[Subject, set[int]] = {}
        self._rows: dict[Subject, set[tuple[int, int, int]]] = {}

    def update(self, world: World) -> None:
        """Follow the views: new requests at the end, decided ones out, but for the one under the cursor."""
        waiting = {row.id: row for row in world.waiting()}
        self.order = [ident for ident in self.order if ident in waiting or ident == self.current]
        self.drafts = {each: text for each, text in self.drafts.items() if self._holds(waiting, each)}
        if not self.batch:
            self.marks = [ident for ident in self.marks if ident in waiting]
        self.order += [ident for ident in waiting if ident not in self.order]
        if not self.current and self.order:
            self.current = self.order[0]
        row = world.views.approvals.get(self.current)
        if row is not None:
            self._kept = row
        elif self._kept is not None and self._kept.open and self._kept.id == self.current:
            self._kept = msgspec.structs.replace(
                self._kept, state="withdrawn", reason="decided while the link was lost"
            )
        edited = self._kept is not None and self._kept.digest != self._digest
        self._digest = self._kept.digest if self._kept else ""
        gone = self.sent != self.current or self._kept is None or not self._kept.open or edited
        if self.sent and not self.batch and gone:
            self.sent = ""

    @staticmethod
    def _holds(waiting: dict[str, ApprovalRow], subject: Subject) -> bool:
        row = waiting.get(subject.item)
        return row is not None and row.digest == subject.digest

    def row(self) -> ApprovalRow | None:
        """The item under the cursor, as it is or as it last was."""
        return self._kept if self._kept and self._kept.id == self.current else None

    def subject(self) -> Subject | None:
        """What a decision would be about: None unless the item under the cursor is open."""
        row = self.row()
        return Subject(row.id, row.digest) if row and row.open and row.id != self.sent else None

    def move(self, by: int, world: World) -> None:
        """Put the cursor on another item; one that is decided leaves the list then."""
        if not self.order:
            return
        index = self.order.index(self.current) if self.current in self.order else 0
        target = max(0, min(len(self.order) - 1, index + by))
        row = self.row()
        if target == index:
            if row is None or row.open:
                return
            target = index - 1 if index else 0
            self.order.remove(self.current)
            self.current = self.order[min(target, len(self.order) - 1)] if self.order else ""
        else:
            self.current = self.order[target]
        self.top, self.sent = 0, ""
        self.update(world)

    # -- several together --------------------------------------------------------------------------------------------

    def mark(self, ident: str) -> bool:
        """Put an item into the batch, or take it out; whether it is in."""
        if ident in self.marks:
            self.marks.remove(ident)
            return False
        self.marks.append(ident)
        return True

    def open_batch(self) -> None:
        self.batch, self.top, self.sent = True, 0, ""
        self.results, self.done = {}, set()

    def close_batch(self) -> None:
        """Back to one item; those that were decided are marked no more."""
        self.batch, self.top, self.sent = False, 0, ""
        self.marks = [ident for ident in self.marks if ident not in self.done]

    # -- what has been seen --------------------------------------------------------------------------------------

    def show(self, subject: Subject, rows: list[tuple[int, int, int]], width: int) -> None:
        """Rows of the card the terminal has shown: (source line, wrapped row, of how many) at this width.

        A source line is seen when every row of it was shown at one width.
        """
        shown = self._rows.setdefault(subject, set())
        shown.update((line, row, width) for line, row, _ in rows)
        seen = self._seen.setdefault(subject, set())
        for line, _, count in rows:
            if all((line, row, width) in shown for row in range(count)):
                seen.add(line)

    def unseen(self, subject: Subject, lines: int) -> int:
        """How many of the card's source lines have not been seen at this digest."""
        return lines - sum(1 for line in self._seen.get(subject, ()) if line < lines)

    def forget(self, subject: Subject) -> None:
        """Its card is laid out of other lines now."""
        self._seen.pop(subject, None)
        self._rows.pop(subject, None)
