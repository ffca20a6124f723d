"""Where the panes are: one pure function from the terminal's size to rectangles."""

from __future__ import annotations

from typing import NamedTuple

PANES = (1, 2, 3, 4, 5, 6, 7)
STAGES = (1, 3, 6)
"""Panes that share the stage of the middle arrangement; the last focused one shows."""


class Rect(NamedTuple):
    x: int
    y: int
    width: int
    height: int


def arrangement(width: int, height: int, zoom: bool = False) -> str:
    """`tiny` (below 60x16) and `single`: one pane; `middle`: Runs on top, stage and Approvals; `wide`: all seven."""
    if width < 60 or height < 16:
        return "tiny"
    if zoom or width < 100 or height < 30:
        return "single"
    return "wide" if width >= 160 and height >= 45 else "middle"


def place(width: int, height: int, focus: int, zoom: bool = False, stage: int = 1) -> dict[str, Rect]:
    """Rectangles by name: tabs, pane1..pane7, vrule, status, hint. Only what is visible is in it; nothing overlaps."""
    if width < 1 or height < 1:
        return {}
    kind = arrangement(width, height, zoom)
    tabs = 1 if height >= 3 else 0
    hint = 1 if height >= 20 else 0
    body = Rect(0, tabs, width, height - tabs - hint - 1)
    out: dict[str, Rect] = {}
    if tabs:
        out["tabs"] = Rect(0, 0, width, 1)
    if body.height > 0:
        out.update(_body(kind, body, focus, stage))
    out["status"] = Rect(0, height - 1 - hint, width, 1)
    if hint:
        out["hint"] = Rect(0, height - 1, width, 1)
    return out


def _body(kind: str, body: Rect, focus: int, stage: int) -> dict[str, Rect]:
    if kind == "middle":
        return _middle(body, focus if focus in STAGES else stage)
    if kind == "wide":
        return _wide(body)
    return {f"pane{focus}": body}


def _columns(body: Rect) -> tuple[int, int, int]:
    """(width of the left column, x of the right one, its width); one cell between them is the rule."""
    left = (body.width - 1) // 2
    return left, left + 1, body.width - left - 1


def _middle(body: Rect, stage: int) -> dict[str, Rect]:
    left, x, right = _columns(body)
    top = max(6, min(13, body.height * 3 // 10))
    foot = max(4, min(9, body.height // 5))
    middle = body.height - top - foot
    y = body.y + top
    return {
        "pane2": Rect(0, body.y, body.width, top),
        f"pane{stage}": Rect(0, y, left, middle),
        "pane4": Rect(x, y, right, middle),
        "pane7": Rect(0, y + middle, left, foot),
        "pane5": Rect(x, y + middle, right, foot),
        "vrule": Rect(left, y, 1, middle + foot),
    }


def _wide(body: Rect) -> dict[str, Rect]:
    left, x, right = _columns(body)
    out = _stack({2: 25, 1: 40, 7: 18, 5: 17}, 0, body.y, left, body.height)
    out.update(_stack({4: 36, 3: 24, 6: 40}, x, body.y, right, body.height))
    out["vrule"] = Rect(left, body.y, 1, body.height)
    return out


def _stack(shares: dict[int, int], x: int, y: int, width: int, height: int) -> dict[str, Rect]:
    """Panes above each other, heights by share; the largest share takes the rounding."""
    heights = {pane: height * share // 100 for pane, share in shares.items()}
    biggest = max(shares, key=lambda pane: shares[pane])
    heights[biggest] += height - sum(heights.values())
    out: dict[str, Rect] = {}
    for pane, rows in heights.items():
        out[f"pane{pane}"] = Rect(x, y, width, rows)
        y += rows
    return out
