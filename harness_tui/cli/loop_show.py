"""A loop in words and in JSON: `loop list`, `loop show`, `loop why`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from ..clients.read import reading
from ..config.paths import Paths
from ..domain.errors import UsageError
from ..domain.loop import find, levels, slots
from ..domain.loop import why as reasons
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow
from ..domain.money import to_usd
from . import output
from .output import Format

HEADS = ("NAME", "LV", "STATE", "SCHEDULE", "NEXT", "LAST", "STREAK", "ROUNDS", "ASK")
_DURATION = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, option: str, *, zone: tzinfo | None = None, ahead: bool = False) -> int:
    """An ISO time as us; without an offset in `zone`, else in this machine's. ahead: `3d`, `4h` count from now."""
    found = _DURATION.fullmatch(text)
    if ahead and found:
        return time.time_ns() // 1000 + int(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()) * 1_000_000
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=zone) if zone else at.astimezone()
        return int(at.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        forms = "2026-12-24T08:00, 2026-12-24T08:00+01:00" + (", 3d, 4h" if ahead else "")
        raise UsageError(f'{option} "{text[:60]}" is no moment.', f"Write it like {forms}.") from None


def state(row: LoopRow) -> str:
    """One word of what it is doing."""
    if row.state != "active":
        return row.state
    return "running" if row.running else "asks" if row.waits else "active"


def listed(row: LoopRow) -> dict[str, Any]:
    """One loop of `loop list`."""
    return {
        "id": row.id,
        "name": row.name,
        "intent": row.intent,
        "workspace": row.workspace,
        "level": row.level,
        "state": state(row),
        "schedule": row.schedule,
        "zone": row.zone,
        "next": output.stamp(slots.next_at(row, time.time_ns() // 1000) or 0),
        "action": row.kind,
        "last": row.last or None,
        "last_at": output.stamp(row.last_at),
        "streak": row.marks,
        "rounds": row.rounds,
        "running": row.running or None,
        "waits": row.waits,
        "source": row.source,
        "source_state": row.source_state,
        "digest": row.digest,
        "paused": None
        if row.state != "paused"
        else {"by": row.paused_by, "reason": row.paused_why, "until": output.stamp(row.paused_until)},
    }


def cells(row: LoopRow) -> tuple[str, ...]:
    changed = " changed: add it again" if row.source_state == "changed" else ""
    return (
        row.name,
        row.level,
        f"{state(row)}{changed}",
        f"{row.schedule or 'by hand'} {row.zone if row.schedule else ''}".rstrip(),
        output.clock(slots.next_at(row, time.time_ns() // 1000) or 0),
        row.last or "-",
        row.marks[-10:] or "-",
        str(row.rounds),
        str(len(row.waits) or "-"),
    )


def show(name: str, number: int | None, limit: int, output_format: Format) -> None:
    """A loop whole, or one of its rounds."""
    with reading(Paths.default()) as journal:
        row = find.loop(journal.loops(all=True), name)
        spec = journal.loop(row.id).spec
        rounds = journal.rounds(row.id, max(limit, 1) if number is None else max(1, row.rounds - number + 1))
        times = journal.slots(row.id, limit)
    if number is not None:
        _show_round(row, next((each for each in rounds if each.number == number), None), number, output_format)
        return
    evidence = levels.evidence(spec, row, time.time_ns() // 1000)
    if output_format is not Format.text:
        document = listed(row) | {
            "spec": msgspec.to_builtins(spec),
            "score": _score(row.score),
            "since": _score(row.since) | {"level": row.level, "set": output.stamp(row.level_since), "by": row.level_by},
            "level_why": row.level_why,
            "evidence": [{"line": line, "met": met} for line, met in evidence],
            "drilled": bool(row.drilled) and row.drilled == row.digest,
            "rounds": [of_round(each) for each in rounds],
            "slots": [_slot(each) for each in times],
        }
        output.emit(document)
        return
    for key, value in listed(row).items():
        if value not in (None, "", [], 0):
            output.say(f"{key:<14}{', '.join(value) if isinstance(value, list) else value}")
    output.say(f"{'level':<14}{row.level} since {output.clock(row.level_since)} by {row.level_by}: {row.level_why}")
    for line, met in evidence:
        output.say(f"{'':<14}{'met ' if met else 'open'}  {line}")
    output.say()
    for each in rounds:
        output.say(_round_line(each))
    output.say()
    for slot in times:
        output.say(f"{output.clock(slot.at)}  {slot.state:<8} {slot.round or slot.reason}")


def _show_round(row: LoopRow, found: RoundRow | None, number: int, output_format: Format) -> None:
    if found is None:
        raise UsageError(f"{row.name} has no round {number}; its newest is {row.rounds}.")
    if output_format is not Format.text:
        output.emit(of_round(found))
        return
    output.say(_round_line(found))
    for reason in found.reasons:
        output.say(f"  {reason}")
    if found.receipt and found.receipt.undo:
        output.say(f"undo  {found.receipt.undo}")
    output.say()
    for line in (found.report or "It still runs.").splitlines():
        output.say(line)


def _round_line(each: RoundRow) -> str:
    outcome = each.outcome or each.step
    decided = f", {each.approval} {each.decided}" if each.approval else ""
    return f"{output.clock(each.started)}  {each.id:<8} {each.trigger:<9} {outcome:<10} {each.reason}{decided}"


def of_round(row: RoundRow) -> dict[str, Any]:
    """One round as JSON; the change and the receipt whole."""
    document: dict[str, Any] = msgspec.structs.asdict(row)
    document |= {key: output.stamp(document[key]) for key in ("slot", "started", "ended")}
    document |= {key: msgspec.to_builtins(document[key]) for key in ("change", "receipt")}
    return document | {"usd": to_usd(row.usd)}


def _score(score: Any) -> dict[str, Any]:
    return msgspec.structs.asdict(score) | {"usd": to_usd(score.usd)}


def _slot(slot: SlotRow) -> dict[str, Any]:
    at = datetime.fromtimestamp(slot.at / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
    return {"at": at, "state": slot.state, "reason": slot.reason, "round": slot.round or None}


def why(name: str, output_format: Format) -> None:
    """Why it does not run, line by line."""
    with reading(Paths.default()) as journal:
        row = find.loop(journal.loops(all=True), name)
        spec = journal.loop(row.id).spec
        rounds = journal.rounds(row.id, 5)
    lines = reasons.why(row, spec, time.time_ns() // 1000, rounds)
    if output_format is Format.text:
        for label, sentence in lines:
            output.say(f"{label:<12}{sentence}")
    else:
        output.emit({"loop": row.name, "why": [{"about": label, "text": sentence} for label, sentence in lines]})
