"""When a schedule fires, as `loop preview` prints it. Contract: `{"fires": [ISO with offset, ...], "error": null}`."""

from __future__ import annotations

import time
from typing import Any

from click.exceptions import Exit

from ..clients.read import reading
from ..config.paths import Paths
from ..domain import schedule as when
from ..domain.errors import UsageError
from ..domain.loop.rows import LoopRow, RoundRow
from . import output
from .loop_show import moment
from .output import Format

SECOND = 1_000_000


def preview(name: str, schedule: str, tz: str, after: str, count: int, output_format: Format) -> None:
    """Of a loop by name, or of an expression. Raises UsageError; in JSON the same sentence is `error`, exit 2."""
    if bool(name) == bool(schedule):
        raise UsageError("Name a loop, or give --schedule.")
    try:
        row, rounds = _loop(name) if name else (None, [])
        found = _fires(row, schedule, tz, after, count)
    except UsageError as error:
        if output_format is Format.text:
            raise
        output.emit({"fires": [], "error": str(error), "exit": error.exit_code})
        raise Exit(error.exit_code) from None
    document = found | (_cost(row, rounds) if row else {})
    if output_format is not Format.text:
        output.emit(document)
        return
    for at, mark in zip(document["fires"], document["marks"], strict=True):
        output.say(f"{at}  {mark}".rstrip())
    if document["error"]:
        output.say(document["error"])
    if row:
        output.say(f"next 24 h: {document['next_24h']} rounds, {_money(document['usd_24h'])}")


def _money(usd: float | None) -> str:
    return "cost unknown: no round is on record yet" if usd is None else f"about ${usd:.2f}"


def _loop(name: str) -> tuple[LoopRow, list[RoundRow]]:
    from ..domain.loop import find

    with reading(Paths.default()) as journal:
        row = find.loop(journal.loops(all=True), name)
        return row, journal.rounds(row.id, 20)


def _fires(row: LoopRow | None, schedule: str, tz: str, after: str, count: int) -> dict[str, Any]:
    from datetime import datetime

    text = row.schedule if row else schedule
    zone = when.zone(tz or (row.zone if row else "UTC"))
    start = moment(after, "--after", zone=zone) / SECOND if after else time.time()
    if row and not text:
        return {"fires": [], "marks": [], "error": f"{row.name} has no schedule: it runs by hand only."}
    parsed = when.parse(text, name=row.name if row else "", fast=row.fast if row else True)
    fires = when.preview(parsed, zone, start, count, anchor=row.added // SECOND if row else start)
    return {
        "fires": [datetime.fromtimestamp(fire.at, zone).isoformat(timespec="seconds") for fire in fires],
        "marks": [fire.mark for fire in fires],
        "error": when.why_never(parsed) or None if fires else when.why_never(parsed) or f'"{text}" fires no more.',
    }


def _cost(row: LoopRow, rounds: list[RoundRow]) -> dict[str, Any]:
    from ..domain.loop import slots
    from ..domain.money import to_usd

    now = time.time_ns() // 1000
    count = slots.count_within(row, now, now + 24 * 3600 * SECOND)
    return {"next_24h": count, "usd_24h": to_usd(slots.cost_estimate(row, rounds, count))}
