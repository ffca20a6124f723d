"""Pane 6: the newest picture of the selected run's browser, and beside it the page in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.safetext import clip as safe_clip
from ...domain.safetext import safe
from ...domain.views import FrameRow
from ..lines import Line, Span, blank, fit, wrap
from . import empty
from .words import age

if TYPE_CHECKING:
    from ..model import Model

TEXT = 500
LEAST = 56
"""Below this width there are only words."""
SNAPSHOT = 20_000
"""Characters of the page's text that are drawn at most."""


def frame(m: Model) -> FrameRow | None:
    """The selected run's frame, else the newest one."""
    frames = m.world.views.frames
    return frames.get(m.runs.current) or max(frames.values(), key=lambda each: each.at, default=None)


def right(m: Model) -> str:
    shown = frame(m)
    return f"frame {safe_clip(shown.sha[:8], 8)} {age(m.now() - shown.at)} old" if shown else ""


def picture_size(shown: FrameRow, width: int, height: int) -> tuple[int, int]:
    """Cells of the picture in a pane of this size, (0, 0) where there is no room; a cell is two square pixels high."""
    if width < LEAST or height < 3 or shown.width < 1 or shown.height < 1:
        return 0, 0
    wide = width * 5 // 8
    high = max(1, round(wide * shown.height / shown.width / 2))
    if high > height:
        high = height
        wide = min(wide, max(1, round(high * 2 * shown.width / shown.height)))
    return wide, high


def body(m: Model, width: int, height: int) -> list[Line]:
    shown = frame(m)
    if shown is None:
        return empty.lines(m, 6, width, height)
    wide, high = (0, 0) if m.browser_text else picture_size(shown, width, height)
    gap = 2 if wide else 1
    words = _words(m, shown, max(1, width - wide - gap))
    words = words[m.browser_top if m.browser_text else 0 :]
    picture = m.pictures.get((shown.sha, wide, high))
    out: list[Line] = []
    for y in range(height):
        left: Line = ()
        if wide:
            left = fit(picture[y], wide) if picture and y < len(picture) and y < high else blank(wide)
            if not picture and y == high // 2:
                left = fit((Span("  the picture is on its way".center(wide), "dim"),), wide)
        text = words[y] if y < len(words) else ()
        out.append(fit((*left, Span(" " * gap), *text), width))
    return out


def _words(m: Model, shown: FrameRow, width: int) -> list[Line]:
    run = m.world.views.runs.get(shown.run)
    facts = [
        ("url", shown.url),
        ("title", shown.title),
        ("last", f"{shown.caption}  {age(m.now() - shown.at)} ago"),
        ("run", f"{shown.run} {run.title if run else ''}"),
    ]
    out: list[Line] = []
    for label, value in facts:
        rows = wrap(safe_clip(value, TEXT), max(1, width - 6))[:3]
        out += [(Span(f"{label:<6s}" if i == 0 else " " * 6, "dim"), Span(part)) for i, part in enumerate(rows)]
    out.append(())
    for line in safe(shown.snapshot[:SNAPSHOT], newlines=True).split("\n"):
        out.append((Span(line.rstrip(), "dim"),))
    return out
