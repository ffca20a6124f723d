"""The whole state of one console, without a terminal: events and keys go in, lines and intents come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..domain.events import Flow
from ..domain.safetext import clip as safe_clip
from ..domain.safetext import safe
from ..port.snapshot import Batch, Snapshot
from . import dag_wants, decide, keys, loop_keys, prompts
from .arming import Arming
from .cards import Cards
from .glyphs import ASCII, UNICODE
from .intents import FetchFrame, Intent
from .lines import Line, Span, blank, fit, width_of
from .notice import Notices
from .panes import approvals, browser, budgets, card, chrome, frame, graph, loops, overlays, runs, trace, words
from .panes.overlays import Overlay
from .place import STAGES, Rect, arrangement, place
from .stores.dags import Dags
from .stores.filter import Filter
from .stores.loops import Loops
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
        self.queue, self.arming = Queue(), Arming()
        self.cards = Cards(self)
        self.loops, self.notices = Loops(), Notices()
        self.node = ""
        self.browser_text, self.browser_top = False, 0
        self.pictures: dict[tuple[str, int, int], list[Line]] = {}
        self._asked: tuple[str, int, int] | None = None
        self._acked = -1
        self.theme_name = ""
        self.sync()

    # -- facts in ------------------------------------------------------------------------------------------------

    def attach(self, snapshot: Snapshot) -> None:
        """Start from a snapshot, or after `gap`/a lost link once more: cursor and scope stay, keys disarm."""
        self.world.attach(snapshot)
        self.loops.attached()
        self.notices.attached(loop_keys.waiting(self))
        self.queue.sent = ""
        if not self.run_order.ids:
            self.run_order.sort(self.world.roots())
        self.cards.attached()
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
        return out + loop_keys.missing(self) + (dag_wants.missing(self) if self.focus == 3 else [])

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
        out = [*prompts.tick(self, at), *loop_keys.tick(self, at), *dag_wants.missing(self)]
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
            self.cards.shown(form)

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
        self.arming.watch(self.cards.subject(), self._blocks(form), (form, self.queue.top))

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
            "editor": self.cards.editing,
            "paper": not self.cards.whole(form.width),
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

    def card_rows(self, width: int) -> list[card.CardRow]:
        """The payload of what the card shows."""
        return self.cards.rows(width)

    def unseen(self) -> int:
        """Source lines of what is to be decided that have not been on screen."""
        return self.cards.unseen()

    @property
    def dags(self) -> Dags:
        """Graphs, job by job."""
        return self.world.dags

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
