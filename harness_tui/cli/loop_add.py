"""What `loop add` does: read and pin a loop, hand it to an engine that stays, and say when it fires first.

The verb calls `add` with the values of its options as they were given. Exactly one of `file` and `pattern` is given;
`level`, `name` and `printed` go with a pattern alone, since a file says them itself. Raises HarnessError.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import output
from .output import Format

if TYPE_CHECKING:
    from ..config.loopfile import Loaded
    from ..config.paths import Paths
    from ..config.settings import Settings
    from ..domain.loop.spec import LoopSpec
    from ..domain.task import ModelSpec, ModelTable

JUDGE = "judge"
"""The configured role a checker is, unless its own table says which model it wants."""


def add(
    file: Path | None = None,
    pattern: str = "",
    *,
    level: str | None = None,
    name: str = "",
    workspace: Path | None = None,
    printed: bool = False,
    url: str = "",
    api: str = "",
    model: str = "",
    fast: bool = False,
    output_format: Format = Format.text,
) -> None:
    """Pin a loop file or a pattern and register it; starts an engine if none runs.

    Args:
        printed: only print the pattern's loop file.
        workspace: where it works, if the file does not say; None = the working directory.
        url, api, model: of the maker, over what file and configuration say; of the checker unless it has its own.
        fast: it may fire more often than once a minute.

    With JSON prints {id, name, level, schedule, zone, next: ISO in the loop's zone or null, workspace, digest, text,
    exit}, and {pattern, toml, exit} for a printed one. Raises UsageError (2), what choosing a model raises, SetupError
    (78) when no engine can be had, and what the engine refuses.
    """
    import time

    from ..clients.read import reading
    from ..config.paths import Paths
    from ..daemon.spawn import start_detached
    from ..domain.errors import UsageError
    from ..domain.loop.spec import digest
    from ..port.commands import AddLoop, SetSecret
    from . import link

    if printed and file is None and pattern:
        _show(pattern, level or "", name, workspace, output_format)
        return
    if printed:
        raise UsageError("--print shows a pattern.", "Name it: --pattern NAME")
    paths = Paths.default()
    loaded = load(
        file,
        pattern,
        level=level or "",
        name=name,
        workspace=workspace,
        flags=(url, api, model),
        fast=fast,
        paths=paths,
    )
    spec = loaded.spec
    secrets = _secrets(spec, paths)
    start_detached(paths)
    with reading(paths) as source:
        for variable, value in secrets.items():
            source.send(SetSecret(variable, value))
        reply = source.send(AddLoop(spec, loaded.source, loaded.source_digest, link.operator(), fast))
        row = next((each for each in source.loops() if each.id == reply.id), None)
    for variable in secrets:
        output.tell(
            f"{variable} comes from this shell and is known until the engine stops; to keep it: harness-tui key set "
            f"{variable}"
        )
    document = {
        "id": reply.id,
        "name": spec.name,
        "level": row.level if row else spec.level,
        "schedule": spec.schedule,
        "zone": spec.zone,
        "next": next_fire(spec, time.time(), fast=fast),
        "workspace": spec.workspace,
        "digest": digest(spec),
        "text": reply.text,
        "exit": 0,
    }
    if output_format is Format.text:
        output.say(sentence(document))
    else:
        output.emit(document)


def _show(pattern: str, level: str, name: str, workspace: Path | None, output_format: Format) -> None:
    from ..loops import patterns

    toml = patterns.text(pattern, level=level, loop=name, workspace=_absolute(workspace))
    if output_format is not Format.text:
        output.emit({"pattern": pattern, "toml": toml, "exit": 0})
        return
    for line in toml.splitlines():
        output.say(line)


def load(
    file: Path | None,
    pattern: str,
    *,
    level: str = "",
    name: str = "",
    workspace: Path | None = None,
    flags: tuple[str, str, str] = ("", "", ""),
    fast: bool = False,
    paths: Paths,
) -> Loaded:
    """The pinned loop; nothing is sent. `flags`: url, api, model. Raises as `add`."""
    from ..config.loopfile import Given, load_loop, load_pattern
    from ..config.settings import load_settings
    from ..domain.errors import UsageError
    from ..loops import patterns
    from .tool_names import ToolNames

    if (file is None) == (not pattern):
        raise UsageError("Give either a loop FILE or --pattern NAME.", f"Patterns: {', '.join(patterns.names())}.")
    if file is not None and (level or name):
        flag = "--level" if level else "--name"
        raise UsageError(f"{flag} is for --pattern.", f'Write {flag[2:]} = "{level or name}" into the loop file.')
    settings = load_settings(paths)
    url, api, model = flags

    def models(tables: Mapping[str, ModelTable | None]) -> dict[str, ModelSpec]:
        return settled(settings, tables, url=url, api=api, model=model)

    where = workspace.expanduser().absolute() if workspace else None
    given = Given(ToolNames(), models, host_zone(), where, settings.run_budget, fast)
    if file is not None:
        return load_loop(file, given)
    text = patterns.text(pattern, level=level, loop=name, workspace=_absolute(workspace))
    return load_pattern(pattern, text, given)


def settled(
    settings: Settings, tables: Mapping[str, ModelTable | None], *, url: str = "", api: str = "", model: str = ""
) -> dict[str, ModelSpec]:
    """Role -> its model. The checker's: its own table, else the configured judge, else the maker's.

    Other roles that are configured (`compactor`) are settled with them.
    """
    from .config import choice

    chosen = choice(settings, task=tables.get("maker"))
    maker = chosen.main(url=url, model=model, api=api, tell=output.tell)
    found = {**chosen.roles(maker), "maker": maker}
    judge = found.pop(JUDGE, None)
    if "checker" in tables:
        own = tables["checker"]
        found["checker"] = choice(settings, task=own).main(tell=output.tell) if own else judge or maker
    return found


def next_fire(spec: LoopSpec, now: float, *, fast: bool = False) -> str | None:
    """The first fire after `now` (seconds since the epoch) as ISO 8601 in the loop's zone; None for one by hand."""
    import datetime

    from ..domain import schedule

    if not spec.schedule:
        return None
    zone = schedule.zone(spec.zone)
    at = schedule.after(schedule.parse(spec.schedule, name=spec.name, fast=fast), zone, now, anchor=now)
    return None if at is None else datetime.datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")


def sentence(document: Mapping[str, Any]) -> str:
    """One line: what the engine said, when it fires, and what to do next."""
    said, now = document["text"], f"harness-tui loop run {document['name']}"
    if not document["schedule"]:
        return f"{said} It has no schedule; a round now: {now}"
    fires = f"first on {document['next'][:16].replace('T', ' ')}" if document["next"] else "never"
    return f'{said} "{document["schedule"]}" ({document["zone"]}) fires {fires}; a round now: {now}'


def host_zone() -> str:
    """The IANA name of this machine's time zone, UTC when it has none that is known."""
    from ..domain.schedule import ScheduleError, zone

    for name in _zone_names():
        try:
            return zone(name).key
        except ScheduleError:
            continue
    return "UTC"


def _zone_names() -> list[str]:
    """What says it, the first that is a zone's name counts: TZ, the link to the zone's file, Debian's note of it."""
    note = Path("/etc/timezone")
    try:
        told = note.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        told = ""
    linked = os.path.realpath("/etc/localtime").rpartition("/zoneinfo/")[2].removeprefix("posix/")
    return [name for name in (os.environ.get("TZ", "").lstrip(":"), linked, told) if name and name[0] != "/"]


def _secrets(spec: LoopSpec, paths: Paths) -> dict[str, str]:
    """Keys its models and logins name that are variables of this shell, and that a running engine may not have.

    One that is nowhere is told, not refused: it may be kept before the loop fires.
    """
    from ..config.settings import load_settings
    from ..domain.task import RunSpec
    from . import run
    from .config import choice

    settings = load_settings(paths)
    place = choice(settings).place
    found: dict[str, str] = {}
    for task in filter(None, (spec.maker, spec.checker)):
        found |= run.secrets_of(RunSpec(task, spec.models["maker"], spec.models), place)
    models = run.models_of(RunSpec(spec.maker, spec.models["maker"], spec.models))
    for each in models:
        run.check_model(each, found)
    for name in sorted({run.key_name(each.key) for each in models if each.key}):
        if name not in found and not place(name) and not settings.file.keys.command:
            output.tell(f"{name} is not set and not kept, and no round can run without: harness-tui key set {name}")
    return found


def _absolute(path: Path | None) -> str:
    return os.path.abspath(path.expanduser()) if path else ""
