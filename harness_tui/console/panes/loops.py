"""Pane 7: recurring loops. There are none yet; the pane says so and what does run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lines import Line
from . import empty

if TYPE_CHECKING:
    from ..model import Model


def right(m: Model) -> str:
    return ""


def body(m: Model, width: int, height: int) -> list[Line]:
    return empty.lines(m, 7, width, height)
