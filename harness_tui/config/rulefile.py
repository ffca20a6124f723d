"""Read a file of rules. A rule that is misspelt, makes no sense or fails its own examples is refused, never ignored.

[[rule]]
decision = "allow"
tool = "shell_exec"
command = ["git", "push", "origin", "..."]
expires = "30d"
match = [{ tool = "shell_exec", args = { command = "git push origin main" } }]
not_match = [{ tool = "shell_exec", args = { command = "git push --force" } }]
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..domain.errors import UsageError
from ..domain.rules import Example, Rule, Subject, Wrong, failing, wrongs
from ..domain.safetext import clip
from .toml_schema import Fault, Problem, fault, nearest, parsed, text_of

MAX_BYTES = 256 * 1024

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class RuleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[rule]]`: the keys of a `Rule` an operator writes; `expires` is `30d`, `12h` or an ISO date."""

    decision: Literal["allow", "ask", "deny"]
    tool: str
    command: tuple[str, ...] = ()
    path: str = ""
    host: str = ""
    action: str = ""
    workspace: str = ""
    run: str = ""
    expires: str = ""
    uses: int = 0
    reason: str = ""
    match: tuple[Example, ...] = ()
    not_match: tuple[Example, ...] = ()


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: tuple[RuleTable, ...]


def load_rules(
    path: Path, weigh: Callable[[Rule, Example], Subject], tools: Callable[[str], Collection[str]], now: int
) -> list[Rule]:
    """The rules in `path`, without ids.

    Args:
        weigh: what an example call would touch, by the code path of a real call; raises HarnessError for no call.
        tools: names of the tools there are in a workspace ("" = here): a rule for none of them is misspelt.
        now: us; a relative expiry counts from here.

    Raises UsageError (exit 2) with file, line and key.
    """
    raw = _read(path)
    try:
        source = text_of(raw)
        tables, _ = parsed(source, RuleFile)
        rules = [_read_rule(source, index, table, now) for index, table in enumerate(tables.rule)]
        for index, rule in enumerate(rules):
            if wrong := next(wrongs(rule), None) or _for_no_tool(rule, tools) or failing(rule, partial(weigh, rule)):
                place = (wrong.key,) if wrong.at is None else (wrong.key, wrong.at)
                raise fault(source, Problem(("rule", index, *place), wrong.text))
        return rules
    except Fault as error:
        raise UsageError(error.at(str(path))) from None


def _read_rule(source: str, index: int, table: RuleTable, now: int) -> Rule:
    """The rule of a table: times in us, its workspace as runs know it."""

    def wrong(key: str, text: str) -> Fault:
        return fault(source, Problem(("rule", index, key), f'"{key}" in [rule] {text}'))

    values: dict[str, Any] = {name: getattr(table, name) for name in table.__struct_fields__}
    try:
        values["expires"] = moment(table.expires, now)
    except ValueError as error:
        raise wrong("expires", str(error)) from None
    if table.workspace:
        values["workspace"] = os.path.realpath(os.path.expanduser(table.workspace))
        if not os.path.isabs(os.path.expanduser(table.workspace)) or not os.path.isdir(values["workspace"]):
            raise wrong("workspace", "must be the absolute path of a folder that exists")
    return Rule(**values)


def _for_no_tool(rule: Rule, tools: Callable[[str], Collection[str]]) -> Wrong | None:
    """A rule that denies or asks about a tool that is not there would be taken for a guard."""
    known = tools(rule.workspace)
    if any(fnmatchcase(name, rule.tool) for name in known):
        return None
    return Wrong("tool", f'there is no tool "{clip(rule.tool, 60)}"{nearest(rule.tool, known)}')


def moment(text: str, now: int) -> int:
    """`30d`, `12h`, `45m`, `2w` from `now` (us), or an ISO date or time, in us; "" is 0 = never. Raises ValueError."""
    if not text:
        return 0
    if match := re.fullmatch(r"(\d{1,4})([mhdw])", text):
        return now + int(match[1]) * _SECONDS[match[2]] * 1_000_000
    try:
        at = int(datetime.datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise ValueError("must be like 30d, 12h or 2027-01-31") from None
    if at <= now:
        raise ValueError("is in the past")
    return at


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {clip(str(path), 200)}: {error.strerror}.") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{clip(str(path), 200)} is larger than {MAX_BYTES // 1024} KiB: no file of rules is.")
    return raw
