"""The form of a cassette: JSON lines that keep what was asked and what came of it, to be played back later.

The first line is a header; each line after it is one record and is written at once, so that a killed process leaves
every record but the one it was writing. Secrets are taken out before anything is written.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...domain.errors import ModelError, SetupError, UsageError
from ...domain.redaction import Redaction

VERSION = 1
SHOWN_LINES = 12
SHOWN_WIDTH = 160
"""Lines of a difference that are shown, and characters of each."""

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder(order="deterministic").encode
R = TypeVar("R", bound=msgspec.Struct)


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="record", tag=str.lower):
    """Base of all lines after the header."""


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line. `kind`: `http`, `model` or `run`."""

    cassette: int
    kind: str
    program: str = ""


# -- the file ----------------------------------------------------------------------------------------------------


class Writer:
    """Appends records to one file. What the disk refuses ends the recording, never its caller.

    Attributes:
        ended: why nothing is written any more, or "".
    """

    def __init__(self, fd: int, path: Path, hide: Redaction, told: Callable[[str], None]) -> None:
        self.ended = ""
        self._fd = fd
        self._path = path
        self._hide = hide
        self._told = told

    @classmethod
    def create(
        cls, path: Path, header: Header, hide: Redaction, told: Callable[[str], None] = lambda _: None
    ) -> Writer:
        """A new file, 0600. Raises UsageError if it exists, SetupError if it cannot be.

        Args:
            told: gets the sentence when the recording ends early.
        """
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise UsageError(
                f"{path} exists, and a recording never overwrites.", "Give --record another name."
            ) from None
        except OSError as error:
            raise SetupError(f"The recording {path} cannot be written: {error.strerror}.") from None
        writer = cls(fd, path, hide, told)
        writer.write(header)
        return writer

    @classmethod
    def resume(cls, path: Path, hide: Redaction, told: Callable[[str], None] = lambda _: None) -> Writer:
        """An existing file, after its last whole line. Raises SetupError."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(fd, path.read_bytes().rfind(b"\n") + 1)
        except OSError as error:
            raise SetupError(f"The recording {path} cannot be continued: {error.strerror}.") from None
        return cls(fd, path, hide, told)

    def write(self, record: msgspec.Struct) -> None:
        """Append one line, free of secrets."""
        if self.ended or self._fd < 0:
            return
        try:
            line = _encode(self._hide.deep(record)) + b"\n"
            while line:
                line = line[os.write(self._fd, line) :]
        except (OSError, ValueError, TypeError) as error:
            self.ended = f"The recording {self._path} ends here: {getattr(error, 'strerror', error)}."
            _log.warning("%s", self.ended)
            self._told(self.ended)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def load(path: Path, header: type[R], records: Any) -> tuple[R, list[Any]]:
    """The header and the records of a cassette; a last line that was cut while it was written is left out.

    Args:
        records: the union of record types.

    Raises UsageError for a missing or foreign file, SetupError for a newer or a damaged one.
    """
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no recording {path}.") from None
    except OSError as error:
        raise UsageError(f"The recording {path} cannot be read: {error.strerror}.") from None
    first, *lines = whole.split(b"\n")[:-1] or [b""]
    head = _header(path, first, header)
    decoder = msgspec.json.Decoder(records)
    found = []
    for number, line in enumerate(lines, 2):
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise SetupError(f"Line {number} of {path} is damaged: {error}.", "Record it again.") from None
    return head, found


def _header(path: Path, line: bytes, kind: type[R]) -> R:
    try:
        version = msgspec.json.decode(line, type=Header).cassette
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UsageError(f"{path} is not a recording of harness-tui.") from None
    if version > VERSION:
        what = f"{path} was recorded by a newer harness-tui (cassette {version}, this one reads {VERSION})."
        raise SetupError(what, "Update harness-tui.")
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError:
        raise UsageError(f"{path} is a recording of another kind.") from None


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys."""
    return hashlib.sha256(_encode(value)).hexdigest()


def difference(recorded: Any, asked: Any) -> str:
    """What differs between two values, as a short diff of their JSON: `-` was recorded, `+` is asked."""
    old, new = (msgspec.json.format(_encode(value), indent=1).decode().splitlines() for value in (recorded, asked))
    lines = [line for line in difflib.unified_diff(old, new, n=1, lineterm="") if not line.startswith(("---", "+++"))]
    shown = [line if len(line) <= SHOWN_WIDTH else f"{line[:SHOWN_WIDTH]}..." for line in lines[:SHOWN_LINES]]
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join([*shown, *more])


def mismatch(what: str, shown: str = "") -> ModelError:
    return ModelError(f"{what}\n{shown}" if shown else what, "Record it again.", kind="refused")
