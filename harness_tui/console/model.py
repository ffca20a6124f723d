"""The whole state of one console, without a terminal: events and keys go in, lines and intents come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from ..domain.events import Flow
from ..domain.safetext import clip as safe_clip
from ..domain.safetext import safe
from ..domain.views import ApprovalRow
from ..port.snapshot import Batch, Snapshot
from . import decide, keys, loop_keys, prompts
from .arming import Arming, Subject
from .glyphs import ASCII, UNICODE
from .intents import FetchFrame, FetchPaper, Intent, LayPaper
from .lines import Line, Span, blank, fit, width_of
from .notice import Notices
from .panes import approvals, batch, browser, budgets, card, chrome, frame, graph, loops, overlays, runs, trace, words
from .panes.overlays import Overlay
from .place import STAGES, Rect, arrangement, place
from .stores.filter import Filter
from .stores.loops import Loops
from .stores.papers import Paper, Papers, Sheets
from .stores.prompt import Prompt
from .stores.queue import Queue
from .stores.selection import RunOrder, Selection
from .stores.world import World, said

LinkState = Literal["starting", "live", "lost", "stalled"]
_BODIES = {1: trace, 2: runs, 3: graph, 4: approvals, 5: budgets, 6: browser, 7: loops}
PICTURES = 6
LEAST_CARD = 40
"""Cells below which a card cannot be read well enough to decide."""


@dataclass(frozen=True, slots=True)
class Link:
    """The shell's word on the link. since, retry_at: us wall; late: seconds that drawing lags."""

    state: LinkState = "starting"
    since: int = 0
    tries: int = 0
    retry_at: int = 0
    late: float = 0.0
    text: str = ""


class Model:
    """One console.

    Args:
        now: wall clock, us since the epoch (ages, expiry).
        ssh: shown data is paced and described for a slow link.
        title: what the terminal title says after the program's name, for example `~/site`.
        by: who decides, as the journal keeps it: `uid@tty`.

    Moments called `at` are monotonic seconds (of a key: when it arrived); `due` answers on the same clock.
    """

    def __init__(
        self, *, ascii: bool, now: Callable[[], int], ssh: bool = False, title: str = "", by: str = "operator"
    ) -> None:
        self.now, self.ssh, self.title, self.by = now, ssh, title, by
        self.glyphs = ASCII if ascii else UNICODE
        self.width, self.height = 80, 24
        self.world = World(now)
        self.link = Link(since=now())
        self.focus, self.stage, self.zoom = 2, 1, False
        self.blurred = False
        self.overlay: Overlay | None = None
        self.prompt: Prompt | None = None
        self.history: list[str] = []
        self.filters: dict[int, Filter] = {}
        self.said: tuple[str, bool] | None = None
        """A sentence in the hint line, and whether it is a bad one."""
        self.run_order, self.runs, self.budgets = RunOrder(), Selection(), Selection()
        self.trace = trace.TraceView()
        self.queue, self.arming, self.papers = Queue(), Arming(), Papers()
        self.editing = False
        """The operator's editor has the terminal."""
        self.loops, self.notices = Loops(), Notices()
        self.node = ""
        self.browser_text, self.browser_top = False, 0
        self.pictures: dict[tuple[str, int, int], list[Line]] = {}
        self._asked: tuple[str, int, int] | None = None
        self._acked = -1
        self._card: tuple[tuple[object, ...], list[card.CardRow], dict[Subject, int]] = ((), [], {})
        self._papers = 0
        self.theme_name = ""
        self.sync()

    # -- facts in ------------------------------------------------------------------------------------------------

    def attach(self, snapshot: Snapshot) -> None:
        """Start from a snapshot, or after `gap`/a lost link once more: cursor and scope stay, keys disarm."""
        self.world.attach(snapshot)
        self.loops.attached()
        self.notices.attached(loop_keys.waiting(self))
        self.queue.sent = ""
        for subject in self.papers.retry():
            self.queue.forget(subject)
        self._papers += 1
        if not self.run_order.ids:
            self.run_order.sort(self.world.roots())
        self.sync()
        self.arming.rearm()

    def fold(self, batch: Batch) -> None:
        """Take one batch. Call for every batch; draw afterwards, once per frame."""
        self.world.fold(batch)
        if batch.events:
            self.sync()

    def set_link(
        self, state: LinkState, *, since: int = 0, tries: int = 0, retry_at: int = 0, late: float = 0.0, text: str = ""
    ) -> None:
        """Say how the link is; a changed state disarms."""
        changed = state != self.link.state
        since = since or (self.now() if changed else self.link.since)
        self.link = Link(state, since, tries, retry_at, late, safe_clip(text, 200))
        if changed:
            self.queue.sent = ""
            self.sync()
            self.arming.rearm()

    def notice(self, text: str, *, bad: bool = False) -> None:
        """One sentence for the operator in the hint line (made safe here), until the next key."""
        self.said = (safe_clip(text, 1000), bad)
        if bad:
            self.queue.sent = ""
            self.sync()

    def set_frame(self, sha: str, width: int, height: int, picture: list[Line]) -> None:
        """Cells of a picture asked for by `wants_frame`; tokens are `#rrggbb/#rrggbb`, or theme tokens."""
        self.pictures[sha, width, height] = picture
        while len(self.pictures) > PICTURES:
            del self.pictures[next(iter(self.pictures))]

    # -- keys in -------------------------------------------------------------------------------------------------

    @property
    def typing(self) -> bool:
        """A prompt is open: printable characters go to `text`, everything else to `key`."""
        return self.prompt is not None

    def key(self, key: str, at: float) -> list[Intent]:
        """A key by its Textual name."""
        out = self.tick(at)
        alone = self.arming.key(at)
        prompts.disturb(self, at)
        self.said = None
        out += prompts.press(self, key, at, alone) if self.prompt else keys.press(self, key, at, alone)
        self.sync()
        return out + loop_keys.missing(self)

    def text(self, s: str, at: float) -> list[Intent]:
        """Printable characters while `typing`."""
        out = self.tick(at)
        self._typed(s, at)
        return out

    def paste(self, s: str, at: float) -> None:
        """A bracketed paste: goes into an open prompt, else nowhere; it never decides."""
        self._typed(s, at)

    def _typed(self, s: str, at: float) -> None:
        self.arming.key(at)
        self.arming.cancel()
        prompts.disturb(self, at)
        if self.prompt:
            self.prompt.type(s)
            prompts.changed(self)
        self.sync()

    def focus_in(self, at: float) -> None:
        self.blurred = False
        self.sync()
        self.arming.rearm()

    def focus_out(self, at: float) -> None:
        self.blurred = True
        self.sync()

    def resized(self, width: int, height: int, at: float) -> None:
        self.width, self.height = width, height
        self.sync()
        self.arming.rearm()

    def tick(self, at: float) -> list[Intent]:
        """Call when `due` has passed; behind keys that already wait to be handled, never before them."""
        out = [*prompts.tick(self, at), *loop_keys.tick(self, at)]
        press = self.arming.tick(at)
        if press:
            out += decide.perform(self, press)
            self.sync()
        return out

    def due(self) -> float | None:
        """Next moment something changes by time alone (arming, `a a`, an isolated key confirmed), or None."""
        return min((at for at in (self.arming.due(), prompts.due(self)) if at is not None), default=None)

    @property
    def wants_ack(self) -> int | None:
        """Stamp to be acknowledged, or None.

        Read it before `lines`; after that frame is written ask the terminal (`CSI 6n`), and when it answers call
        `acknowledged(at, stamp)`. A stale stamp is ignored.
        """
        if self.arming.subject is None or self.arming.blocks or self.arming.stamp == self._acked:
            return None
        return self.arming.stamp

    def acknowledged(self, at: float, stamp: int) -> None:
        """The terminal has shown the frame of `stamp`."""
        subject = self.arming.subject
        if stamp == self._acked or not self.arming.acknowledged(at, stamp):
            return
        self._acked = stamp
        if subject and not self.arming.blocks:
            form = self.card_form()
            shown: dict[Subject, list[tuple[int, int, int]]] = {}
            for row in self.card_rows(form.width)[self.queue.top : self.queue.top + form.rows]:
                sources = (row.source,) if row.also is None else (row.source, row.also)
                shown.setdefault(row.of, []).extend((source, row.part, row.parts) for source in sources)
            for item, rows in shown.items():
                self.queue.show(item, rows, form.width)

    # -- what follows from what ------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Bring lists, cursors and arming in line with the facts and the screen."""
        self.queue.update(self.world)
        if self.focus == 2:
            self.run_order.append(self.world.roots())
        else:
            self.run_order.sort(self.world.roots())
        self.runs.update(ident for ident in self.run_order.ids if self._shows(ident))
        self.loops.update(self.world)
        self.budgets.update(row.scope for row in self.world.budgets(self.today))
        form = self.card_form()
        count = len(self.card_rows(form.width)) if form.rows else 0
        self.queue.top = max(0, min(self.queue.top, count - form.rows))
        self.arming.watch(self.subject(), self._blocks(form), (form, self.queue.top))

    def _shows(self, ident: str) -> bool:
        row = self.world.views.runs.get(ident)
        wanted = self.filters.get(2)
        if row is None or not wanted:
            return row is not None
        return wanted.lets(row.kind, words.state_word(row), row.id, lambda: f"{row.title} {row.last}")

    def _blocks(self, form: approvals.Shape) -> frozenset[str]:
        """Reasons why no key may decide now."""
        reasons = {
            "blur": self.blurred,
            "link": self.link.state in ("lost", "starting"),
            "prompt": self.prompt is not None,
            "overlay": self.overlay is not None,
            "pane": self.focus != 4,
            "small": form.rows < 1 or form.width < LEAST_CARD,
            "editor": self.editing,
            "paper": any(not self._whole(row, form.width) for row in self.items() if row.open),
        }
        return frozenset(name for name, holds in reasons.items() if holds)

    def inner(self, pane: int) -> tuple[int, int]:
        """(width, height) of a pane without its rule, (0, 0) when it is not on screen."""
        rect = self._base(self.width, self.height).get(f"pane{pane}")
        return (rect.width, max(0, rect.height - self.ruled(self.width, self.height))) if rect else (0, 0)

    def ruled(self, width: int, height: int) -> bool:
        """Whether panes have a rule: where more than one shows."""
        return arrangement(width, height, self.zoom) in ("middle", "wide")

    def card_form(self) -> approvals.Shape:
        return approvals.shape(self, *self.inner(4))

    def items(self) -> list[ApprovalRow]:
        """What the card shows: the item under the cursor, or all of the batch that are known."""
        if self.queue.batch:
            known = self.world.views.approvals
            return [known[ident] for ident in self.queue.marks if ident in known]
        row = self.queue.row()
        return [row] if row else []

    def batch_open(self) -> list[ApprovalRow]:
        """What of the batch is still to be decided."""
        return [row for row in self.items() if not batch.bars(row) and row.id not in self.queue.done]

    def subject(self) -> Subject | None:
        """What a decision would be about now."""
        if not self.queue.batch:
            return self.queue.subject()
        return None if self.queue.sent else batch.subject(self.batch_open())

    def card_rows(self, width: int) -> list[card.CardRow]:
        """The payload of what the card shows, laid out once per width."""
        return self._laid(width)[0]

    def _laid(self, width: int) -> tuple[list[card.CardRow], dict[Subject, int]]:
        """The card, and how many source lines of each item it has."""
        items = self.items()
        shown = [(row.id, row.digest, row.state, row.resolution, self.queue.results.get(row.id)) for row in items]
        key = (width, self.queue.batch, self._papers, *shown)
        if self._card[0] != key:
            rows: list[card.CardRow] = []
            if self.queue.batch:
                rows = batch.rows(self, items, width)
            elif items:
                rows = card.rows(self, items[0], width)
            lines: dict[Subject, int] = {}
            for row in rows:
                lines[row.of] = max(lines.get(row.of, 0), row.source + 1, (row.also or 0) + 1)
            self._card = (key, rows, lines)
        return self._card[1:]

    def unseen(self) -> int:
        """Source lines of what is to be decided that have not been on screen."""
        if self.subject() is None:
            return 0
        lines = self._laid(max(1, self.card_form().width))[1]
        return sum(self.queue.unseen(item, count) for item, count in lines.items())

    # -- what a card shows beyond its rows -------------------------------------------------------------------------

    def _whole(self, row: ApprovalRow, width: int) -> bool:
        """Whether nothing of its card is missing."""
        paper = self.papers.get(row)
        return paper is not None and not paper.error and self.papers.sheets(row, width, self.glyphs.vrule) is not None

    def wants_papers(self) -> list[Intent]:
        """What is to be fetched or laid out for the card on screen; each is asked for once."""
        if self.focus != 4 and not self.inner(4)[0]:
            return []
        form, out = self.card_form(), list[Intent]()
        for row in self.items():
            if self.papers.missing(row):
                out.append(FetchPaper(msgspec.structs.replace(row)))
            elif paper := self.papers.unlaid(row, form.width):
                out.append(LayPaper(decide.subject_of(row), paper, form.width, self.glyphs.vrule))
        return out

    def take_paper(self, subject: Subject, paper: Paper) -> None:
        """What `FetchPaper` came to. The card has other lines now, none of them seen."""
        self.papers.put(subject, paper)
        self.papers.keep({decide.subject_of(row) for row in self.items()})
        self.queue.forget(subject)
        self._papers += 1
        self.sync()

    def take_sheets(self, subject: Subject, width: int, paper: Paper, sheets: Sheets) -> None:
        """What `LayPaper` came to."""
        self.papers.put_sheets(subject, width, paper, sheets)
        self._papers += 1
        self.sync()

    def batch_said(self, ident: str, text: str, *, bad: bool) -> None:
        """What the engine answered to one decision of a batch."""
        self.queue.results[ident] = text
        if not bad:
            self.queue.done.add(ident)
        self.sync()

    def batch_over(self) -> None:
        """All of a batch were answered; what was refused may be tried again, armed anew."""
        if self.queue.sent == batch.NAME:
            self.queue.sent = ""
        self.sync()
        self.arming.rearm()

    # -- words the panes share -----------------------------------------------------------------------------------

    @property
    def offset(self) -> int:
        """Seconds the engine host's clock is ahead of UTC; times are shown in its zone."""
        return self.world.engine.utc_offset_s if self.world.engine else 0

    @property
    def today(self) -> str:
        """The engine host's date."""
        return words.day(self.now(), self.offset)

    def clock(self, us: int, *, seconds: bool = True) -> str:
        return words.clock(us, self.offset, seconds=seconds)

    def flow_text(self, item: Flow) -> str:
        return said(item)

    @property
    def shown_filter(self) -> str:
        return safe(self.world.filter.source)

    def shown_filter_of(self, pane: int) -> str:
        return safe(self.filters[pane].source) if pane in self.filters else ""

    def show(self, pane: int) -> None:
        """Put the focus on a pane."""
        if self.focus == 2 and pane != 2:
            self.run_order.sort(self.world.roots())
        self.focus = pane
        self.overlay = None
        if pane in STAGES:
            self.stage = pane

    # -- lines out -----------------------------------------------------------------------------------------------

    def _base(self, width: int, height: int) -> dict[str, Rect]:
        return place(width, height, self.focus, self.zoom, self.stage)

    def places(self, width: int, height: int) -> dict[str, Rect]:
        """tabs, pane1..pane7, vrule, status, hint; then what lies over them: overlay, prompt. Draw in this order."""
        out = self._base(width, height)
        pane = out.get(f"pane{self.focus}")
        if self.overlay and pane:
            if pane.width < 60 or pane.height < 12:
                top = 1 if "tabs" in out else 0
                pane = Rect(0, top, width, out["status"].y - top)
            out["overlay"] = pane
        if self.prompt and out:
            out["prompt"] = out.get("hint") or Rect(0, max(0, out["status"].y - 1), width, 1)
        return out

    def lines(self, pane: str, width: int, height: int) -> list[Line]:
        """Exactly `height` lines, each exactly `width` cells."""
        if width < 1 or height < 1:
            return []
        drawn = self._drawn(pane, width, height)[:height]
        drawn += [blank(width)] * (height - len(drawn))
        return [line if width_of(line) == width else fit(line, width) for line in drawn]

    def _drawn(self, pane: str, width: int, height: int) -> list[Line]:
        match pane:
            case "tabs":
                return [chrome.tabs(self, width)]
            case "status":
                return [chrome.status(self, width)]
            case "hint":
                return [chrome.hint(self, width)]
            case "prompt":
                return [chrome.prompt(self, width)]
            case "vrule":
                return [(Span(self.glyphs.vrule, "rule"),)] * height
            case "overlay":
                return overlays.draw(self, self.overlay, width, height) if self.overlay else []
        number = int(pane.removeprefix("pane"))
        module = _BODIES[number]
        body: Callable[[Model, int, int], list[Line]] = module.body
        if not self.ruled(self.width, self.height):
            return body(self, width, height)
        head = frame.rule(self, number, module.right(self), width)
        return [head, *body(self, width, height - 1)] if height > 1 else [head]

    def wants_frame(self) -> FetchFrame | None:
        """The picture the screen shows room for and does not have; asked once per (sha, size)."""
        width, height = self.inner(6)
        shown = browser.frame(self)
        if shown is None or self.blurred or self.browser_text:
            return None
        key = (shown.sha, *browser.picture_size(shown, width, height))
        if not key[1] or key in self.pictures or key == self._asked:
            return None
        self._asked = key
        return FetchFrame(*key)

    @property
    def title_text(self) -> str:
        """For OSC 2: `(4) harness-tui ~/site`, safe."""
        count = len(self.world.waiting())
        return (f"({count}) " if count else "") + f"harness-tui {safe_clip(self.title, 60)}".rstrip()
