"""What a card shows beyond its row: a change's diff, and what an edit made of what was asked for.

It is fetched and, where it is long, laid out away from the screen; until it is there, its item cannot be decided.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...domain.views import ApprovalRow
from ..arming import Subject
from ..panes.diff import Item, Laid
from ..panes.diff import lay as rows_of

KEPT = 16
"""Papers kept besides those on the screen."""
SHORT = 1500
"""Lines that are laid out while the screen waits; more are laid out in a thread."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Everything of one item at one digest.

    Attributes:
        text: of a change: its diff as it is stored, to be edited (may hold lone surrogates for bytes that are no text).
        diff: the same, line by line.
        edits: of an edited item: what was asked for (`-`) and what waits now (`+`).
        note: why `edits` is not the whole of it.
        error: why the item cannot be shown, so that no key decides it.
    """

    text: str = ""
    diff: tuple[Item, ...] = ()
    edits: tuple[Item, ...] = ()
    note: str = ""
    error: str = ""

    @property
    def lines(self) -> int:
        return len(self.diff) + len(self.edits)


@dataclass(frozen=True, slots=True)
class Sheets:
    """A paper in rows of one width."""

    diff: list[Laid]
    edits: list[Laid]


def lay(paper: Paper, width: int, rule: str) -> Sheets:
    """Pure, so that a thread can do it."""
    return Sheets(rows_of(paper.diff, width, rule), rows_of(paper.edits, width, rule))


class Papers:
    """Papers by what a decision would be about: another digest is another paper."""

    def __init__(self) -> None:
        self._papers: dict[Subject, Paper | None] = {}
        self._sheets: dict[tuple[Subject, int], Sheets | None] = {}

    def needed(self, row: ApprovalRow) -> bool:
        change = row.kind == "change" and row.change is not None
        return row.open and (change or row.kind == "plan" or bool(row.edited))

    def get(self, row: ApprovalRow) -> Paper | None:
        """The paper; an empty one when it needs none, None while it is on the way."""
        if not self.needed(row):
            return self._papers.get(Subject(row.id, row.digest)) or Paper()
        return self._papers.get(Subject(row.id, row.digest))

    def sheets(self, row: ApprovalRow, width: int, rule: str) -> Sheets | None:
        """The paper in rows; None while it is on the way or being laid out."""
        paper, key = self.get(row), (Subject(row.id, row.digest), width)
        if paper is not None and paper.lines <= SHORT and self._sheets.get(key) is None:
            self._sheets[key] = lay(paper, width, rule)
        return self._sheets.get(key) if paper is not None else None

    def missing(self, row: ApprovalRow) -> bool:
        """Whether it is to be fetched now; said once."""
        subject = Subject(row.id, row.digest)
        if not self.needed(row) or subject in self._papers:
            return False
        self._papers[subject] = None
        return True

    def unlaid(self, row: ApprovalRow, width: int) -> Paper | None:
        """The paper that is to be laid out now at this width; said once."""
        paper, key = self.get(row), (Subject(row.id, row.digest), width)
        if paper is None or paper.lines <= SHORT or key in self._sheets:
            return None
        self._sheets[key] = None
        return paper

    def put(self, subject: Subject, paper: Paper) -> None:
        self._papers[subject] = paper
        self._forget_sheets({subject})

    def put_sheets(self, subject: Subject, width: int, paper: Paper, sheets: Sheets) -> None:
        """Take rows laid out elsewhere, unless the paper has been replaced meanwhile."""
        if self._papers.get(subject) is paper:
            self._sheets[subject, width] = sheets

    def retry(self) -> set[Subject]:
        """Forget what could not be had, or only in part: it is fetched again. Returns what that was."""
        again = {each for each, paper in self._papers.items() if paper is None or paper.error or paper.note}
        for subject in again:
            del self._papers[subject]
        self._forget_sheets(again)
        return again

    def keep(self, wanted: set[Subject]) -> None:
        """Let go of the oldest that nobody looks at."""
        others = [each for each in self._papers if each not in wanted]
        gone = set(others[: max(0, len(others) - KEPT)])
        for subject in gone:
            del self._papers[subject]
        self._forget_sheets(gone)

    def _forget_sheets(self, gone: set[Subject]) -> None:
        for key in [key for key in self._sheets if key[0] in gone]:
            del self._sheets[key]
