"""Results too long for a model: it reads head and tail; the whole text is kept as a blob that it can page through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..domain.errors import SetupError, UsageError
from ..domain.seams import Blobs

PREFIX = "result:"
"""How the file tools are asked for a kept result: `read_file path="result:0123456789abcdef"`."""
DIGITS = 16


class Fitted(NamedTuple):
    """What the model reads of a result; `blob` and `size` (bytes) of the whole, "" and 0 when that is all of it."""

    text: str
    blob: str = ""
    size: int = 0


class Spill:
    """The long results of one run.

    Args:
        blobs: where they are kept; None = nowhere: they are cut.
    """

    def __init__(self, blobs: Blobs | None = None) -> None:
        self._blobs = blobs
        self._kept: dict[str, str] = {}

    def know(self, blobs: Iterable[str]) -> None:
        """These, from the run's own log, are its results: after a recovery they can be read as before."""
        self._kept.update((blob[:DIGITS], blob) for blob in blobs)

    async def fit(self, text: str, ceiling: int, *, readable: bool = True) -> Fitted:
        """`text`, or its head and tail within `ceiling` bytes, with a note between them; the whole is a blob then.

        Args:
            readable: the model has a tool to read the rest with.
        """
        if len(text) * 4 <= ceiling or len(raw := text.encode()) <= ceiling:
            return Fitted(text)
        if self._blobs is None:
            return Fitted(_preview(raw, ceiling, ""))
        try:
            blob = await self._blobs.put(raw, kind="output")
        except SetupError as error:
            # The effect happened: what is known of it must not be lost with the part nobody could keep.
            return Fitted(_preview(raw, ceiling, f"; they could not be kept: {error.what}"))
        self.know([blob])
        name = f"{PREFIX}{blob[:DIGITS]}"
        how = f'; read them with read_file path="{name}"' if readable else f"; kept as {name}"
        return Fitted(_preview(raw, ceiling, how), blob, len(raw))

    async def read(self, name: str) -> bytes:
        """The whole text of a result of this run, by `result:` and the 16 digits the model was told.

        Raises UsageError for any other name, HarnessError when the blob is missing or damaged.
        """
        blob = self._kept.get(name.removeprefix(PREFIX))
        if blob is None or self._blobs is None:
            raise UsageError(f"There is no {PREFIX}{name.removeprefix(PREFIX)[:40]} in this run.")
        return await self._blobs.get(blob)


def _preview(raw: bytes, ceiling: int, how: str) -> str:
    """Head and tail of at most `ceiling` bytes together, and a note of how many are left out and `how` to get them."""
    half = ceiling // 2
    head, tail = raw[:half].decode(errors="ignore"), raw[len(raw) - half :].decode(errors="ignore")
    left_out = len(raw) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {left_out} of {len(raw)} bytes left out{how} ...]\n{tail}"
