"""A response's body as it arrives: decompressed in bounded steps, cut at its caps, never trusted about its size."""

from __future__ import annotations

import zlib

from ...domain.errors import HarnessError

STEP = 256 * 1024
"""Bytes decompressed at once."""
FLOOR = 1024 * 1024
"""Decoded bytes under which a ratio says nothing: a page of blanks is no bomb."""
CODINGS = ("gzip", "deflate")
"""What we say we accept: the ones that can be decompressed in bounded steps with what Python has."""


class Undecodable(HarnessError):
    """The body is compressed in a way we did not ask for, is corrupt, or grows like a bomb."""


class Body:
    """Collects a body.

    Args:
        coding: value of Content-Encoding.
        most: bytes, received as well as decoded, after which it is cut.
        ratio: decoded bytes for each received one that are still believed.

    Attributes:
        data: what was decoded so far, at most `most` bytes.
        full: whether more came than is kept.
    """

    def __init__(self, coding: str, most: int, ratio: int) -> None:
        self.data = bytearray()
        self.full = False
        self._most, self._ratio = most, ratio
        self._received = 0
        self._coding = coding.strip().lower().removeprefix("x-")
        if self._coding not in (*CODINGS, "", "identity"):
            raise Undecodable(f"The page is compressed as {self._coding[:40]!r}, which was not asked for.")
        self._inflate = _inflater(self._coding) if self._coding in CODINGS else None

    def add(self, piece: bytes) -> bool:
        """Take what was received; False when nothing more is kept. Raises Undecodable."""
        self._received += len(piece)
        if self._inflate is None:
            self._keep(piece)
        else:
            try:
                self._decompress(piece)
            except zlib.error as error:
                raise Undecodable(f"The page's compression is corrupt ({error}).") from None
        self.full = self.full or self._received > self._most
        return not self.full

    def _keep(self, piece: bytes) -> None:
        room = self._most - len(self.data)
        self.data += piece[:room]
        self.full = len(piece) > room

    def _decompress(self, piece: bytes) -> None:
        while piece and not self.full:
            piece = self._step(piece)
            if len(self.data) > FLOOR and len(self.data) > self._ratio * (self._received - len(piece)):
                raise Undecodable(f"The page grows to more than {self._ratio} times what is sent: a compression bomb.")

    def _step(self, piece: bytes) -> bytes:
        """Decompress STEP bytes at most; what is left of `piece`."""
        assert self._inflate is not None
        try:
            self._keep(self._inflate.decompress(piece, STEP))
        except zlib.error:
            if self._coding != "deflate" or self.data:
                raise
            self._coding = "raw"  # what many servers send for `deflate`: no header around it
            self._inflate = _inflater(self._coding)
            return piece
        if not self._inflate.eof:
            return self._inflate.unconsumed_tail
        rest = self._inflate.unused_data
        if not rest.startswith(b"\x1f\x8b"):
            return b""  # padding after the last member
        self._inflate = _inflater(self._coding)
        return rest


def _inflater(coding: str) -> zlib._Decompress:
    bits = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS, "raw": -zlib.MAX_WBITS}
    return zlib.decompressobj(bits[coding])
