"""Frames of the browser as cells: two pixels a cell with half blocks, decoded in a thread, only what can be seen."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any, Literal

from ..domain.errors import HarnessError
from .intents import FetchFrame
from .lines import Line, Span

Ink = Literal["true", "256", "none"]
"""Colours a picture may use: 24 bit, the 6x6x6 cube (a third of the bytes), or none (a grey ramp of characters)."""

RAMP = " .:-=+*#%@"
CUBE = (0, 95, 135, 175, 215, 255)
MAX_PIXELS = 40_000_000

Sink = Callable[[str, int, int, list[Line]], None]


def draw(jpeg: bytes, width: int, height: int, *, ink: Ink = "true", unicode: bool = True) -> list[Line]:
    """A picture in at most width x height cells, its own proportions kept.

    Raises ImportError without Pillow, OSError or ValueError for bytes that are no picture.
    """
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as source:
        if source.width * source.height > MAX_PIXELS:
            raise ValueError("picture too large")
        half = unicode and ink != "none"
        columns, rows = fitting(source.width, source.height, width, height)
        pixel_rows = rows * 2 if half else rows
        source.draft("RGB", (columns, pixel_rows))
        small = source.convert("RGB").resize((columns, pixel_rows), Image.Resampling.BOX)
    if ink == "none":
        return _ramp(small.convert("L"), columns, rows)
    if ink == "256":
        small = small.point([_nearest(value) for value in range(256)] * 3)
    return _half_blocks(small, columns, rows) if half else _spaces(small, columns, rows)


def fitting(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Cells (columns, rows) for a picture of width x height pixels; a cell is twice as high as wide."""
    scale = min(columns / width, rows * 2 / height)
    return max(1, min(columns, round(width * scale))), max(1, min(rows, round(height * scale / 2)))


def _nearest(value: int) -> int:
    return min(CUBE, key=lambda level: abs(level - value))


def _colours(image: Any, columns: int) -> list[list[str]]:
    raw = image.tobytes().hex()
    step = columns * 6
    return [[f"#{raw[i : i + 6]}" for i in range(at, at + step, 6)] for at in range(0, len(raw), step)]


def _half_blocks(image: Any, columns: int, rows: int) -> list[Line]:
    pixels = _colours(image, columns)
    lines: list[Line] = []
    for y in range(rows):
        pairs = zip(pixels[2 * y], pixels[2 * y + 1], strict=True)
        runs = ((token, sum(1 for _ in group)) for token, group in groupby(f"{top}/{low}" for top, low in pairs))
        lines.append(tuple(Span("▀" * length, token) for token, length in runs))
    return lines


def _spaces(image: Any, columns: int, rows: int) -> list[Line]:
    return [
        tuple(Span(" " * sum(1 for _ in group), f"#000000/{colour}") for colour, group in groupby(row))
        for row in _colours(image, columns)[:rows]
    ]


def _ramp(image: Any, columns: int, rows: int) -> list[Line]:
    raw = image.tobytes()
    text = "".join(RAMP[value * len(RAMP) // 256] for value in raw)
    return [(Span(text[y * columns : (y + 1) * columns]),) for y in range(rows)]


class Pictures:
    """Fetches and draws the picture that is wanted, one at a time, the newest wish first, at most one an interval."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[bytes]],
        sink: Sink,
        *,
        interval: Callable[[], float],
        ink: Ink,
        unicode: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._sink, self._interval = fetch, sink, interval
        self.ink, self._unicode, self._clock = ink, unicode, clock
        self._wish: FetchFrame | None = None
        self._blob: tuple[str, bytes] = ("", b"")
        self._task: asyncio.Task[None] | None = None

    def want(self, wish: FetchFrame) -> None:
        """Ask for a picture; a wish that has not been started is replaced."""
        self._wish = wish
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while self._wish is not None:
            began = self._clock()
            wish, self._wish = self._wish, None
            try:
                await self._one(wish)
            except ImportError:
                self._sink(wish.sha, wish.width, wish.height, [(Span("no picture: Pillow is not installed", "dim"),)])
            except (HarnessError, OSError, ValueError):
                self._sink(wish.sha, wish.width, wish.height, [(Span("the picture cannot be read", "dim"),)])
            await asyncio.sleep(max(0.0, self._interval() - (self._clock() - began)))

    async def _one(self, wish: FetchFrame) -> None:
        if self._blob[0] != wish.sha:
            self._blob = (wish.sha, await self._fetch(wish.sha))
        picture = await asyncio.to_thread(
            draw, self._blob[1], wish.width, wish.height, ink=self.ink, unicode=self._unicode
        )
        self._sink(wish.sha, wish.width, wish.height, picture)
