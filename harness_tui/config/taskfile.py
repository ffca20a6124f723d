"""Read a task file. Whatever is wrong with it is refused here, with file, line and key, before anything starts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from ..domain.errors import UsageError
from ..domain.safetext import clip
from ..domain.task import BUILT_IN_TOOLS, Budget, TaskFile
from .task_rules import problems
from .toml_schema import Fault, fault, parsed, text_of

MAX_BYTES = 256 * 1024


def load_task(
    path: Path,
    known_tools: Collection[str] = BUILT_IN_TOOLS,
    budget: Budget = Budget(),  # noqa: B008 - frozen
) -> TaskFile:
    """The task in `path`; `budget` holds for what its `[budget]` does not say.

    Raises UsageError (exit 2) with file, line and key:
    `upvote.toml:14: unknown key "strat_url" in [login]; did you mean "start_url"?`
    """
    raw = _read(path)
    try:
        source = text_of(raw)
        task, data = parsed(source, TaskFile)
        for problem in problems(task, known_tools):
            raise fault(source, problem)
    except Fault as error:
        raise UsageError(error.at(str(path))) from None
    said = {name: getattr(task.budget, name) for name in data.get("budget", {})}
    return msgspec.structs.replace(task, budget=msgspec.structs.replace(budget, **said))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no task file {clip(str(path), 200)}.", "Check the path given to --task.") from None
    except OSError as error:
        raise UsageError(
            f"Cannot read {clip(str(path), 200)}: {error.strerror}.", "Check the path given to --task."
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{clip(str(path), 200)} is larger than {MAX_BYTES // 1024} KiB: no task file is.")
    return raw
