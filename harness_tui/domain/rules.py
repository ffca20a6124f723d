"""The operator's rules: allow, ask or deny, as data. What they match is a call's `Subject`, never its raw text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from operator import or_
from typing import Any, Literal, NamedTuple

import msgspec

from .errors import HarnessError
from .network.reach import problem

RULE_ID = "R-"
"""How the id of every rule begins, and of nothing else that may decide."""
REST = "..."
"""Last word of a command pattern: any further words. Without it the command has exactly these words."""
LONGEST = 1000
"""Characters of one pattern."""
MOST_STARS = 16
"""`*` in one pattern: matching costs at most pattern x text for each of them."""


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call would touch, in the form rules are matched against.

    Attributes:
        commands: every simple command it runs, wrappers unwrapped, as plain words; `[0]` is the program's name.
        paths: files it writes or reads, relative to the workspace, `/` between parts.
        mentions: further paths that a command names: enough to deny it or to ask, nothing an allow rule has to cover.
        hosts: `host` or `host:port` it would connect to, lower case, no default port.
        understood: False when part of it could not be read for sure; then no rule can allow it.
        action: digest of everything its card shows (`approval.action_digest`); "" where no rule asks for it.
    """

    tool: str
    commands: tuple[tuple[str, ...], ...] = ()
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    understood: bool = True
    action: str = ""
    mentions: tuple[str, ...] = ()


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A call a rule must match, or must not."""

    tool: str
    args: dict[str, Any] = {}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule. A pattern that is not given matches everything of its kind.

    Attributes:
        tool: name or glob.
        command: words, each a glob; a last `...` stands for any further words.
        path: glob over a path of the workspace; `*` stays within a part, `**` does not.
        host: `host`, `host:port` or `*.host`.
        action: digest of everything the card of one call showed: this very call and no other.
        workspace: absolute path it holds in; "" = everywhere.
        run: root run it holds for; "" = every run.
        expires: us; 0 = never.
        uses: calls it may allow; 0 = any number.
        match, not_match: examples, checked when the rule is loaded.
        id, by: given by the engine.
    """

    decision: Literal["allow", "ask", "deny"]
    tool: str
    command: tuple[str, ...] = ()
    path: str = ""
    host: str = ""
    action: str = ""
    workspace: str = ""
    run: str = ""
    expires: int = 0
    uses: int = 0
    reason: str = ""
    match: tuple[Example, ...] = ()
    not_match: tuple[Example, ...] = ()
    id: str = ""
    by: str = ""


class Where(msgspec.Struct, frozen=True):
    """Where and when a call is judged: what a rule's scope is held against."""

    workspace: str = ""
    run: str = ""
    now: int = 0


def in_force(rule: Rule, where: Where, used: int = 0) -> bool:
    """Whether the rule holds here and now; `used` calls were allowed by it so far."""
    return (
        (not rule.workspace or rule.workspace == where.workspace)
        and (not rule.run or rule.run == where.run)
        and (not rule.expires or where.now < rule.expires)
        and (not rule.uses or used < rule.uses)
    )


def touches(rule: Rule, subject: Subject) -> bool:
    """Whether the rule speaks of any part of the call: enough to deny it, or to ask."""
    if not _speaks_of(rule, subject):
        return False
    if not (rule.command or rule.path or rule.host):
        return True
    return (
        any(command_matches(rule.command, words) for words in subject.commands if rule.command)
        or any(path_matches(rule.path, path) for path in (*subject.paths, *subject.mentions) if rule.path)
        or any(host_matches(rule.host, host) for host in subject.hosts if rule.host)
    )


def allows(rules: Iterable[Rule], subject: Subject) -> tuple[Rule, ...]:
    """The rules that together allow every part of the call; () when a part is left or not all is understood."""
    if not subject.understood:
        return ()
    ours = [rule for rule in rules if rule.decision == "allow" and _speaks_of(rule, subject)]
    parts = [
        *(("command", words) for words in subject.commands),
        *(("path", path) for path in subject.paths),
        *(("host", host) for host in subject.hosts),
    ] or [("", ())]
    found = [next((rule for rule in ours if _covers(rule, kind, part)), None) for kind, part in parts]
    return tuple({id(rule): rule for rule in found if rule}.values()) if all(found) else ()


def _speaks_of(rule: Rule, subject: Subject) -> bool:
    return fnmatchcase(subject.tool, rule.tool) and (not rule.action or rule.action == subject.action)


def _covers(rule: Rule, kind: str, part: Any) -> bool:
    """Whether an allow rule speaks of this part: with a pattern of its kind that matches, or with no pattern at all."""
    match kind:
        case "command" if rule.command:
            return command_matches(rule.command, part)
        case "path" if rule.path:
            return path_matches(rule.path, part)
        case "host" if rule.host:
            return host_matches(rule.host, part)
        case _:
            return not (rule.command or rule.path or rule.host)


def command_matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Word by word; the whole command unless the pattern ends in `...`."""
    if pattern and pattern[-1] == REST:
        pattern, words = pattern[:-1], words[: len(pattern) - 1]
    return len(pattern) == len(words) and all(
        fnmatchcase(word, each) for each, word in zip(pattern, words, strict=True)
    )


def path_matches(pattern: str, path: str) -> bool:
    """`*` and `?` within a part, `**` for any parts."""
    return _parts_match(pattern.split("/"), path.split("/"))


def _parts_match(pattern: list[str], parts: list[str]) -> bool:
    # One row of the usual table, so that no pattern can cost more than pattern x path.
    row = [True] + [False] * len(parts)
    for each in pattern:
        if each == "**":
            row = list(accumulate(row, or_))
        else:
            row = [False] + [row[end] and fnmatchcase(part, each) for end, part in enumerate(parts)]
    return row[-1]


def host_matches(pattern: str, host: str) -> bool:
    """`host` matches on every port, `host:port` on that one; `*.host` stands for names below it, not for itself."""
    name, port = _split(host)
    wanted, wanted_port = _split(pattern.lower())
    if wanted_port and wanted_port != port:
        return False
    return name.endswith(wanted[1:]) if wanted.startswith("*.") else name == wanted


def _split(host: str) -> tuple[str, str]:
    """Name and port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        name, _, rest = host.partition("]")
        return f"{name}]", rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


# -- before a rule is kept -------------------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """Why a rule is not kept: one sentence about the value of `key` (of its element `at`)."""

    key: str
    text: str
    at: int | None = None


def wrongs(rule: Rule) -> Iterator[Wrong]:
    """What a well-typed rule must also make sense of. A rule that could not mean what it says is none."""
    yield from _patterns("tool", rule.tool)
    yield from (wrong for word in rule.command for wrong in _patterns("command", word))
    yield from _patterns("path", rule.path)
    if not rule.tool:
        yield Wrong("tool", '"tool" is empty')
    if REST in rule.command[:-1]:
        yield Wrong("command", f'"{REST}" can only be the last word of "command"', rule.command.index(REST))
    if rule.decision == "allow":
        yield from _too_wide(rule)
    if rule.path.startswith(("/", "~", "./")) or ".." in rule.path.split("/") or "//" in rule.path:
        yield Wrong("path", '"path" is relative to the workspace, like "docs/**"')
    if rule.host and (wrong := problem(rule.host)):
        yield Wrong("host", wrong.rstrip("."))
    if rule.workspace and (not rule.workspace.startswith("/") or ".." in rule.workspace.split("/")):
        yield Wrong("workspace", '"workspace" must be an absolute path')
    if rule.uses < 0:
        yield Wrong("uses", '"uses" must be 0 or more')
    if rule.action and (len(rule.action) != 64 or set(rule.action) - set("0123456789abcdef")):
        yield Wrong("action", '"action" must be the whole digest of an action, 64 hex digits')


def _patterns(key: str, pattern: str) -> Iterator[Wrong]:
    if len(pattern) > LONGEST or pattern.count("*") > MOST_STARS:
        yield Wrong(key, f'a pattern of "{key}" has more than {LONGEST} characters or {MOST_STARS} *')


def _too_wide(rule: Rule) -> Iterator[Wrong]:
    narrowed = rule.command or rule.path or rule.host or rule.action
    if rule.tool and not rule.tool.strip("*?") and not narrowed:
        yield Wrong("tool", "an allow rule for every tool and every call is none: name the tool or what it may touch")
    if rule.command and (rule.command[0] == REST or not rule.command[0].strip("*?")):
        yield Wrong("command", 'an allow rule names the program: the first word of "command" cannot be any word', 0)


def failing(rule: Rule, weigh: Callable[[Example], Subject]) -> Wrong | None:
    """The first example that is not as it says; `weigh` is the code path of a real call and raises HarnessError."""
    for key, examples in (("match", rule.match), ("not_match", rule.not_match)):
        for index, example in enumerate(examples):
            name = f'example {index + 1} of "{key}" ({example.tool})'
            try:
                subject = weigh(example)
            except HarnessError as error:
                return Wrong(key, f"{name} is no call: {error.what.rstrip('.')}", index)
            held = bool(allows((rule,), subject)) if rule.decision == "allow" else touches(rule, subject)
            if held == (key == "match"):
                continue
            word = "not " if key == "match" else ""
            why = "" if subject.understood else ", since not all of it is understood"
            return Wrong(key, f"{name} is {word}what the rule {_VERBS[rule.decision]}{why}", index)
    return None


_VERBS = {"allow": "allows", "ask": "asks about", "deny": "denies"}
