"""What the card of pane 4 shows and what of it was read: one item, or a batch, with what had to be fetched for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..domain.views import ApprovalRow
from .arming import Subject
from .intents import FetchPaper, Intent, LayPaper
from .panes import approvals, batch, card
from .stores.papers import Paper, Papers, Sheets

if TYPE_CHECKING:
    from .model import Model


class Cards:
    """The card of one console.

    Attributes:
        editing: the operator's editor has the terminal.
    """

    def __init__(self, model: Model) -> None:
        self._m, self._queue = model, model.queue
        self.papers = Papers()
        self.editing = False
        self._version = 0
        self._card: tuple[tuple[object, ...], list[card.CardRow], dict[Subject, int]] = ((), [], {})

    # -- what is to be decided -----------------------------------------------------------------------------------

    def items(self) -> list[ApprovalRow]:
        """The item under the cursor, or all of the batch that are known."""
        if self._queue.batch:
            known = self._m.world.views.approvals
            return [known[ident] for ident in self._queue.marks if ident in known]
        row = self._queue.row()
        return [row] if row else []

    def batch_open(self) -> list[ApprovalRow]:
        """What of the batch is still to be decided."""
        return [row for row in self.items() if not batch.bars(row) and row.id not in self._queue.done]

    def subject(self) -> Subject | None:
        """What a decision would be about now."""
        if not self._queue.batch:
            return self._queue.subject()
        return None if self._queue.sent else batch.subject(self.batch_open())

    # -- its rows ------------------------------------------------------------------------------------------------

    def rows(self, width: int) -> list[card.CardRow]:
        """The payload, laid out once per width."""
        return self._laid(width)[0]

    def _laid(self, width: int) -> tuple[list[card.CardRow], dict[Subject, int]]:
        """The card, and how many source lines of each item it has."""
        items, said = self.items(), self._queue.results
        states = [(row.id, row.digest, row.state, row.resolution, said.get(row.id)) for row in items]
        key = (width, self._queue.batch, self._version, *states)
        if self._card[0] != key:
            rows: list[card.CardRow] = []
            if self._queue.batch:
                rows = batch.rows(self._m, items, width)
            elif items:
                rows = card.rows(self._m, items[0], width)
            lines: dict[Subject, int] = {}
            for row in rows:
                lines[row.of] = max(lines.get(row.of, 0), row.source + 1, (row.also or 0) + 1)
            self._card = (key, rows, lines)
        return self._card[1:]

    def shown(self, form: approvals.Shape) -> None:
        """The terminal has shown the part of the card that is on screen."""
        shown: dict[Subject, list[tuple[int, int, int]]] = {}
        for row in self.rows(form.width)[self._queue.top : self._queue.top + form.rows]:
            sources = (row.source,) if row.also is None else (row.source, row.also)
            shown.setdefault(row.of, []).extend((source, row.part, row.parts) for source in sources)
        for item, rows in shown.items():
            self._queue.show(item, rows, form.width)

    def unseen(self) -> int:
        """Source lines of what is to be decided that have not been on screen."""
        if self.subject() is None:
            return 0
        lines = self._laid(max(1, self._m.card_form().width))[1]
        return sum(self._queue.unseen(item, count) for item, count in lines.items())

    # -- what had to be fetched ----------------------------------------------------------------------------------

    def whole(self, width: int) -> bool:
        """Whether nothing that can be decided is missing from the card."""
        return all(self._whole(row, width) for row in self.items() if row.open)

    def _whole(self, row: ApprovalRow, width: int) -> bool:
        paper = self.papers.get(row)
        if paper is None or paper.error:
            return False
        return self.papers.sheets(row, width, self._m.glyphs.vrule) is not None

    def wants(self) -> list[Intent]:
        """What is to be fetched or laid out for the card on screen; each is asked for once."""
        if not self._m.inner(4)[0]:
            return []
        width, rule, out = self._m.card_form().width, self._m.glyphs.vrule, list[Intent]()
        for row in self.items():
            if self.papers.missing(row):
                out.append(FetchPaper(msgspec.structs.replace(row)))
            elif paper := self.papers.unlaid(row, width):
                out.append(LayPaper(Subject(row.id, row.digest), paper, width, rule))
        return out

    def take_paper(self, subject: Subject, paper: Paper) -> None:
        """What `FetchPaper` came to. The card has other lines now, none of them seen."""
        self.papers.put(subject, paper)
        self.papers.keep({Subject(row.id, row.digest) for row in self.items()})
        self._changed({subject})

    def take_sheets(self, subject: Subject, width: int, paper: Paper, sheets: Sheets) -> None:
        """What `LayPaper` came to."""
        self.papers.put_sheets(subject, width, paper, sheets)
        self._changed(set())

    def attached(self) -> None:
        """A new link: what could not be had is asked for again."""
        self._changed(self.papers.retry())

    def _changed(self, laid_anew: set[Subject]) -> None:
        for subject in laid_anew:
            self._queue.forget(subject)
        self._version += 1
        self._m.sync()

    # -- a batch on its way --------------------------------------------------------------------------------------

    def batch_said(self, ident: str, text: str, *, bad: bool) -> None:
        """What the engine answered to one decision of a batch."""
        self._queue.results[ident] = text
        if not bad:
            self._queue.done.add(ident)
        self._m.sync()

    def batch_over(self) -> None:
        """All of a batch were answered; what was refused may be tried again, armed anew."""
        if self._queue.sent == batch.NAME:
            self._queue.sent = ""
        self._m.sync()
        self._m.arming.rearm()
