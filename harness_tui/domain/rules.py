"""The operator's rules: allow, ask or deny, as data. What they match is a call's `Subject`, never its raw text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

RULE_ID = "R-"
"""How the id of every rule begins, and of nothing else that may decide."""
REST = "..."
"""Last word of a command pattern: any further words. Without it the command has exactly these words."""


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call would touch, in the form rules are matched against.

    Attributes:
        commands: every simple command it runs, wrappers unwrapped, as plain words; `[0]` is the program's name.
        paths: files it writes or reads, relative to the workspace, `/` between parts.
        hosts: `host` or `host:port` it would connect to, lower case, no default port.
        understood: False when part of it could not be read for sure; then no rule can allow it.
    """

    tool: str
    commands: tuple[tuple[str, ...], ...] = ()
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    understood: bool = True


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
    if not fnmatchcase(subject.tool, rule.tool):
        return False
    if not (rule.command or rule.path or rule.host):
        return True
    return (
        any(command_matches(rule.command, words) for words in subject.commands if rule.command)
        or any(path_matches(rule.path, path) for path in subject.paths if rule.path)
        or any(host_matches(rule.host, host) for host in subject.hosts if rule.host)
    )


def allows(rules: Iterable[Rule], subject: Subject) -> tuple[Rule, ...]:
    """The rules that together allow every part of the call; () when a part is left or nothing is understood."""
    ours = [rule for rule in rules if rule.decision == "allow" and fnmatchcase(subject.tool, rule.tool)]
    if not subject.understood:
        return ()
    parts = [
        *(("command", words) for words in subject.commands),
        *(("path", path) for path in subject.paths),
        *(("host", host) for host in subject.hosts),
    ] or [("", ())]
    found = [next((rule for rule in ours if _covers(rule, kind, part)), None) for kind, part in parts]
    return tuple(dict.fromkeys(rule for rule in found if rule)) if all(found) else ()


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
            row = [any(row[: end + 1]) for end in range(len(parts) + 1)]
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
