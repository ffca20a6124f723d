"""What a well-formed loop file must also make sense of: names, times, limits, workers, the action and its gate."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..domain.loop.spec import Does, LoopFile, Worker
from ..domain.network.targets import target
from ..domain.rules import LONGEST, MOST_STARS
from ..domain.safetext import clip
from ..domain.task import BUILT_IN_TOOLS
from .model_rules import model_problems
from .task_rules import MOST
from .toml_lines import Step
from .toml_schema import Problem, nearest

READERS = ("read_file", "list_dir", "glob", "grep", "shell_read")
"""What a checker and a maker at L1 get unless told otherwise."""
WRITERS = ("write_file", "edit_file", "shell_exec")
"""What a maker gets besides where it may change files: in a worktree of its own, since nobody is asked there."""
LONGEST_INTENT = 200
LONGEST_DAYS = 366
MOST_SLOTS = 1000
MOST_SECONDS = 86_400.0

_PAGE_READERS = (
    "browser_url",
    "browser_get_text",
    "browser_get_stories",
    "browser_has_class",
    "browser_snapshot",
)
_LOOKING = frozenset((*READERS, *_PAGE_READERS))
"""The built-in tools proven to only read: no other is offered at L1, or to a checker."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}", re.ASCII)
_ID = re.compile(r"l[0-9]+", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,47}", re.ASCII)
_LIFE = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
_SECONDS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_OWNERS: dict[str, tuple[Does, ...]] = {
    "branch": ("commit",),
    "path": ("report",),
    "argv": ("command",),
    "url": ("webhook",),
    "call": ("call",),
    "deadline": ("command", "webhook", "call"),
}
"""What else `[action]` may say, and of which `do` it is."""
_NEEDS = {"command": "argv", "webhook": "url", "call": "call"}
_GATES = ("escalate", "allowlist", "rules")


def problems(file: LoopFile, data: dict[str, Any], *, fast: bool = False) -> Iterator[Problem]:
    """Everything wrong with `file`, in the order of its tables. The workers' tools: see `tool_problems`.

    Args:
        data: the plain tables it was made of: what was said at all.
        fast: it may fire more often than once a minute.
    """
    yield from _head(file)
    yield from _times(file, fast=fast)
    yield from _limits(file)
    yield from _workers(file, data)
    yield from _action(file, data.get("action", {}))
    yield from _gate(file, data.get("gate", {}))
    if file.accept:
        if not file.accept.argv or not all(map(_word, file.accept.argv)):
            yield Problem(("accept", "argv"), '"argv" in [accept] must be a program and its words, none of them empty')
        yield from _deadline("accept", file.accept.deadline)
        if not _changes(file):
            yield Problem(("accept",), f'[accept] tries out a change, and do = "{file.action.do}" makes none')


def life(text: str) -> float | None:
    """Seconds of `14d`, `36h` or `90m`; None for anything else, and for more than a year."""
    found = _LIFE.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else None
    return seconds if seconds and seconds <= LONGEST_DAYS * _SECONDS["d"] else None


def tool_problems(role: str, tools: tuple[str, ...], *, level: str) -> Iterator[Problem]:
    """A worker that would be offered none of its tools. What a plug-in's do is not known here."""
    if role == "maker" and level != "L1":
        return
    if tools and not any(name in _LOOKING or name not in BUILT_IN_TOOLS for name in tools):
        who = "a checker" if role == "checker" else "a maker at L1"
        yield Problem((role, "tools"), f'none of the "tools" in [{role}] only reads, and {who} is offered no other')


def sandbox_problems(kind: str, tools: tuple[str, ...], file: LoopFile) -> Iterator[Problem]:
    """A maker may change files only where nobody else works: what it leaves there is its proposal."""
    if kind == "worktree":
        return
    writers = [name for name in tools if name in WRITERS]
    if _changes(file) or writers:
        why = f'do = "{file.action.do}" takes its change from there' if _changes(file) else f'"{writers[0]}" writes'
        yield Problem(("sandbox", "kind"), f'"kind" in [sandbox] must be "worktree", not "{kind}": {why}')


# -- what it is and when ---------------------------------------------------------------------------------------------


def _head(file: LoopFile) -> Iterator[Problem]:
    if not _NAME.fullmatch(file.name):
        yield Problem(
            ("name",),
            f'"name" must be 1 to 48 of a-z, 0-9, - and _ and begin with a letter or digit, not {_quoted(file.name)}',
        )
    elif _ID.fullmatch(file.name):
        yield Problem(("name",), f'"name" must not look like the id of a loop, as {_quoted(file.name)} does')
    intent = file.intent.strip()
    if not intent:
        yield Problem(("intent",), '"intent" is empty: say in one sentence what the loop is for')
    elif "\n" in intent or len(intent) > LONGEST_INTENT:
        yield Problem(("intent",), f'"intent" must be one line of at most {LONGEST_INTENT} characters')
    if file.level == "L3":
        yield Problem(
            ("level",),
            '"level" must be L1 or L2: a loop begins there, and L3 is earned, later: harness-tui loop promote NAME',
        )


def _times(file: LoopFile, *, fast: bool) -> Iterator[Problem]:
    from ..domain.schedule import ScheduleError, parse, why_never, zone

    if file.schedule:
        try:
            said = why_never(parse(file.schedule, name=file.name, fast=fast))
        except ScheduleError as error:
            said = str(error)
        if said:
            yield Problem(("schedule",), f'"schedule": {clip(said.rstrip("."), 400)}')
    if file.zone:
        try:
            zone(file.zone)
        except ScheduleError as error:
            yield Problem(("zone",), f'"zone": {clip(str(error).rstrip("."), 400)}')
    if file.approval_life and life(file.approval_life) is None:
        text = f'"approval_life" must be like 14d, 36h or 90m, a year at most, not {_quoted(file.approval_life)}'
        yield Problem(("approval_life",), text)


def _limits(file: LoopFile) -> Iterator[Problem]:
    if not 1 <= file.missed_limit <= MOST_SLOTS:
        yield Problem(("missed_limit",), f'"missed_limit" must be 1 to {MOST_SLOTS}, not {_number(file.missed_limit)}')
    yield from _amount(("pause_after",), file.pause_after)
    for name in ("budget", "guardrails", "promote"):
        table = getattr(file, name)
        for key in table.__struct_fields__:
            yield from _amount((name, key), getattr(table, key))
    if not file.promote.verified <= 1:
        text = f'"verified" in [promote] is a share from 0 to 1, not {_number(file.promote.verified)}'
        yield Problem(("promote", "verified"), text)


# -- who works -------------------------------------------------------------------------------------------------------


def _workers(file: LoopFile, data: dict[str, Any]) -> Iterator[Problem]:
    yield from _worker("maker", file.maker, data.get("maker", {}))
    if file.checker:
        yield from _worker("checker", file.checker, data.get("checker", {}))
    elif _changes(file):
        text = f'do = "{file.action.do}" changes files, which takes maker and checker: there is no [checker]'
        yield Problem(("action", "do"), text)


def _worker(role: str, worker: Worker, said: dict[str, Any]) -> Iterator[Problem]:
    if worker.prompt.strip() and worker.task.strip():
        yield Problem((role, "task"), f'[{role}] has a "prompt" and a "task": give one of them')
    elif worker.task.strip():
        for key in ("tools", "max_iterations", "model"):
            if key in said:
                text = f'"{key}" in [{role}] belongs into its task file, {_quoted(worker.task)}'
                yield Problem((role, key), text)
    elif not worker.prompt.strip():
        path: tuple[Step, ...] = (role, "prompt") if "prompt" in said else (role,)
        yield Problem(path, f'[{role}] needs a "prompt", or the "task" file that holds it')
    yield from _amount((role, "max_iterations"), worker.max_iterations)
    if worker.model:
        yield from model_problems((role, "model"), worker.model)


# -- what follows ----------------------------------------------------------------------------------------------------


def _action(file: LoopFile, said: dict[str, Any]) -> Iterator[Problem]:
    action = file.action
    if "kind" in said and not _KIND.fullmatch(action.kind):
        yield Problem(
            ("action", "kind"), f'"kind" in [action] must be a word like apply-patch, not {_quoted(action.kind)}'
        )
    for key, owners in _OWNERS.items():
        if key in said and action.do not in owners:
            whose = " or ".join(f'"{owner}"' for owner in owners)
            yield Problem(("action", key), f'"{key}" in [action] is of do = {whose}, not of "{action.do}"')
    needed = _NEEDS.get(action.do, "")
    if needed and not getattr(action, needed):
        yield Problem(("action", "do"), f'do = "{action.do}" in [action] must come with its "{needed}"')
    if action.branch and not _branch(action.branch):
        yield Problem(("action", "branch"), f'"branch" in [action] cannot name a branch: {_quoted(action.branch)}')
    if action.path:
        yield from _report(action.path)
    if action.argv and not all(map(_word, action.argv)):
        yield Problem(("action", "argv"), '"argv" in [action] must be a program and its words, none of them empty')
    if action.url and (wrong := _webhook(action.url)):
        yield Problem(("action", "url"), f'"url" in [action] {wrong}')
    if action.call and not _FUNCTION.fullmatch(action.call):
        yield Problem(("action", "call"), f'"call" in [action] must be module:function, not {_quoted(action.call)}')
    yield from _deadline("action", action.deadline)


def _gate(file: LoopFile, said: dict[str, Any]) -> Iterator[Problem]:
    gate = file.gate
    if gate.use not in _GATES and not _FUNCTION.fullmatch(gate.use):
        text = f'"use" in [gate] must be escalate, allowlist, rules or module:function, not {_quoted(gate.use)}'
        yield Problem(("gate", "use"), text + nearest(gate.use, _GATES))
        return
    if gate.use == "escalate":
        for key in said:
            if key != "use":
                yield Problem(("gate", key), f'"{key}" in [gate] says nothing as long as use is "escalate"')
    for index, kind in enumerate(gate.kinds):
        if not _KIND.fullmatch(kind):
            text = f'a kind of "kinds" in [gate] must be a word like apply-patch, not {_quoted(kind)}'
            yield Problem(("gate", "kinds", index), text)
    own = file.action.kind if file.action.kind != "report" else kind_of(file)
    if gate.use == "allowlist":
        if own not in gate.kinds:
            text = f'"kinds" in [gate] must list {_quoted(own)}, what this loop does, or nothing ever proceeds'
            yield Problem(("gate", "kinds") if gate.kinds else ("gate",), text)
        if _changes(file) and not gate.paths:
            yield Problem(("gate",), '[gate] with use = "allowlist" must say in "paths" which files may be changed')
    for key in ("paths", "deny_paths"):
        for index, pattern in enumerate(getattr(gate, key)):
            if wrong := _glob(pattern):
                yield Problem(("gate", key, index), f'a pattern of "{key}" in [gate] {wrong}')
    for key in ("max_files", "max_lines"):
        yield from _amount(("gate", key), getattr(gate, key))


def kind_of(file: LoopFile) -> str:
    """The word the allow-list names; a loop that does not say it is called after what it does."""
    return file.action.kind if file.action.kind != "report" else file.action.do


def _report(path: str) -> Iterator[Problem]:
    parts = path.split("/")
    bare = not path.startswith("~") and path.isprintable() and not path.endswith("/")
    if not bare or ".." in parts or "" in parts or ".git" in (part.lower() for part in parts):
        text = f'"path" in [action] must be a file inside the workspace, like reports/{{date}}.md, not {_quoted(path)}'
        yield Problem(("action", "path"), text)
    for name in _PLACEHOLDER.findall(path):
        if name not in ("date", "round"):
            yield Problem(("action", "path"), f"{{{clip(name, 60)}}} is not known here; use {{date}}, {{round}}")


def _webhook(url: str) -> str:
    """What is wrong with it; "" when nothing is. It may hold a token, so it is never repeated.

    In the clear only to an address the operator wrote down himself, on this machine or in his own network.
    """
    place = target(url)
    if isinstance(place, str):
        return f"cannot be called: {place.rstrip('.')}"
    if urlsplit(url).fragment:
        return "has a fragment (#...), which is never sent"
    if place.scheme == "https" or place.host == "localhost":
        return ""
    if not place.address:
        return "must be https: a report travels there (http only to loopback or to a private address in digits)"
    near = ipaddress.ip_address(place.address)
    far = near.is_link_local or near.is_unspecified or near.is_reserved
    return (
        ""
        if near.is_loopback or (near.is_private and not far)
        else "must be https: that address is not in a network of your own"
    )


def _branch(name: str) -> bool:
    """Whether git takes it as a branch, and it is none that names something else to git or to us."""
    parts = name.split("/")
    odd = ".." in name or any(part.endswith((".", ".lock")) for part in parts)
    return bool(_BRANCH.fullmatch(name)) and not odd and len(name) <= 200 and parts[0] not in ("HEAD", "refs", "loops")


def _glob(pattern: str) -> str:
    """What is wrong with a pattern of paths; "" when nothing is."""
    if not pattern or not pattern.isprintable():
        return "is empty or holds an invisible character"
    parts = pattern.split("/")
    if pattern.startswith("~") or ".." in parts or "." in parts or "" in parts:
        return f"is relative to the workspace, like docs/**, not {_quoted(pattern)}"
    if len(pattern) > LONGEST or pattern.count("*") > MOST_STARS:
        return f"has more than {LONGEST} characters or {MOST_STARS} *"
    return ""


def _deadline(table: str, seconds: float) -> Iterator[Problem]:
    if not 0 < seconds <= MOST_SECONDS:
        text = f'"deadline" in [{table}] must be more than 0 and at most {MOST_SECONDS:.0f} seconds'
        yield Problem((table, "deadline"), f"{text}, not {_number(seconds)}")


def _amount(path: tuple[Step, ...], value: float | None) -> Iterator[Problem]:
    if value is None or 0 <= value <= MOST:
        return
    where = f" in [{path[0]}]" if len(path) > 1 else ""
    what = f"must be at most {MOST}" if value > MOST else "must be 0 or more"  # nan is neither
    yield Problem(path, f'"{path[-1]}"{where} {what}, not {_number(value)}')


def _changes(file: LoopFile) -> bool:
    return file.action.do in ("patch", "commit")


def _word(word: str) -> bool:
    return bool(word) and "\0" not in word


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return f'"{clip(text, 60)}"'
