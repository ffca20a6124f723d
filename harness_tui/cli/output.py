"""What a verb prints: data on stdout, narration on stderr, one JSON document also on failure.

Every string that came from elsewhere passes SafeText on its way to a terminal; JSON is pure ASCII, so it needs none.
"""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import click


class Format(enum.StrEnum):
    """`--output-format`."""

    text = "text"
    json = "json"
    stream = "stream-json"


format_option = click.option(
    "--output-format",
    type=click.Choice([form.value for form in Format]),
    callback=lambda _context, _param, given: Format(given),
    default=Format.text.value,
    help="text, json (one document), or stream-json (one event a line).",
)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether this command line asks for JSON: known before parsing, as a usage error is answered in JSON too.

    `demo` without the console prints JSON unless told otherwise.
    """
    if argv[:1] == ["demo"] and "--output-format" not in "\0".join(argv):
        return "--headless" in argv or "--yes" in argv or not (sys.stdin.isatty() and sys.stderr.isatty())
    joined = "\0".join(argv).replace("--output-format=", "--output-format\0")
    return "--output-format\0json" in joined or "--output-format\0stream-json" in joined


def encode(document: Any) -> str:
    """One line of ASCII: control, bidi and zero-width characters are escapes, DEL as well."""
    return json.dumps(document, separators=(", ", ": ")).replace("\x7f", "\\u007f")


def emit(document: Any) -> None:
    """Print one JSON document as a line on stdout."""
    print(encode(document), flush=True)


def say(text: str = "") -> None:
    """Print one line of data on stdout, made safe."""
    from ..domain.safetext import safe

    print(safe(text), flush=True)


def tell(text: str) -> None:
    """Narrate one line on stderr, made safe. A closed stderr is nobody's business."""
    from ..domain.safetext import safe

    try:
        print(safe(text), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - stays open as long as the process


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns on stdout; the last column keeps its length."""
    from ..domain.safetext import safe

    cells = [list(heads), *([safe(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    sys.stdout.flush()


def finish(document: dict[str, Any], code: int) -> NoReturn:
    """Print the last document and end with `code`, also when nobody reads stdout any more."""
    try:
        emit(document)
    except BrokenPipeError:
        mute()
    raise click.exceptions.Exit(code)


def mute() -> None:
    """Let stdout go nowhere: its reader left, and the interpreter must not complain about it on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stamp(at: int) -> str | None:
    """Microseconds since the epoch as ISO 8601 in UTC; 0 is None."""
    import datetime

    if not at:
        return None
    moment = datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at: int) -> str:
    """The same moment in this machine's zone, for people: `14:02:07`, with the day when it is not today."""
    import datetime

    if not at:
        return "-"
    moment = datetime.datetime.fromtimestamp(at / 1_000_000)
    return moment.strftime("%H:%M:%S" if moment.date() == datetime.date.today() else "%Y-%m-%d %H:%M")
