"""A graph as text for other programs (Mermaid, DOT); a plan as text that is read and compared before it is approved.

Names and texts of a plan are not to be trusted: nothing in them ends a label, a string or a line of a diff.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..safetext import safe
from .spec import Job
from .state import DagState, Word

_COLOURS: dict[Word, str] = {
    "pending": "#eeeeee",
    "ready": "#dddddd",
    "running": "#a6cee3",
    "retrying": "#fdbf6f",
    "waiting": "#ffff99",
    "succeeded": "#b2df8a",
    "dead_lettered": "#fb9a99",
    "cancelled": "#cab2d6",
}
_PLAIN = frozenset(" ._-:/,+=")
"""Characters beside letters and digits that mean nothing to Mermaid inside a quoted label."""


def mermaid(s: DagState) -> str:
    """A Mermaid flowchart: a node a job with its state as a word and as a class. Ends with a line feed."""
    names = {ident: f"n{at}" for at, ident in enumerate(s.jobs)}
    lines = ["flowchart LR"]
    for ident, job in s.jobs.items():
        lines.append(f'    {names[ident]}["{_entities(_label(ident))}: {_word(job.state)}"]:::{job.state}')
    lines += [f"    {names[dep]} --> {names[ident]}" for dep, ident in _edges(s)]
    lines += [f"    classDef {word} fill:{colour},stroke:#333333,color:#000000" for word, colour in _COLOURS.items()]
    return "\n".join(lines) + "\n"


def dot(s: DagState) -> str:
    """A DOT digraph: a node a job with its state as a word and as a colour. Ends with a line feed."""
    names = {ident: f"n{at}" for at, ident in enumerate(s.jobs)}
    lines = [f"digraph {_quoted(s.uid)} {{", "    rankdir=LR;", '    node [shape=box, style="rounded,filled"];']
    for ident, job in s.jobs.items():
        label = f'{_quoted(_label(ident))[:-1]}\\n{_word(job.state)}"'
        lines.append(f'    {names[ident]} [label={label}, class="{job.state}", fillcolor="{_COLOURS[job.state]}"];')
    lines += [f"    {names[dep]} -> {names[ident]};" for dep, ident in _edges(s)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(s: DagState) -> Iterator[tuple[str, str]]:
    for ident, job in s.jobs.items():
        for dep in dict.fromkeys(job.spec.deps):
            yield dep, ident


def _label(ident: str) -> str:
    return safe(ident)


def _word(state: Word) -> str:
    return state.replace("_", " ")


def _entities(text: str) -> str:
    """Everything but letters, digits and a few signs as Mermaid's `#code;`."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in text)


def _quoted(text: str) -> str:
    """A DOT string: backslashes would be escapes, and `&` begins an entity even here."""
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe(escaped)}"' if escaped.isprintable() else f'"{safe(text).replace(chr(92), chr(92) * 2)}"'


# -- a plan as text -------------------------------------------------------------------------------------------------


def plan_text(jobs: Iterable[Job]) -> str:
    """The jobs by id as a plan file says them (TOML; a `null` inside arguments is the one thing TOML has not)."""
    blocks = ["\n".join(["[[jobs]]", *_lines(job)]) for job in sorted(jobs, key=lambda job: job.id)]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def diff_text(before: Iterable[Job], after: Iterable[Job], by: str) -> str:
    """What `by` wants changed, a block for each job by id, each whole: lines with ` ` stay, with `-` go, with `+` come.

    No line of a job begins at the margin, so a text inside the plan cannot pass for a head line. "" = no difference.
    """
    old, new = {job.id: job for job in before}, {job.id: job for job in after}
    blocks = list[str]()
    for ident in sorted(old.keys() | new.keys()):
        was, will = old.get(ident), new.get(ident)
        if was == will:
            continue
        if was is None and will is not None:
            word, body = "added", [f"+{line}" for line in _lines(will)]
        elif will is None and was is not None:
            word, body = "dropped", [f"-{line}" for line in _lines(was)]
        elif was is not None and will is not None:
            word, body = "replaced", list(_changes(was, will))
        blocks.append("\n".join([f"@@ {_label(ident)} {word} by {safe(by)} @@", *body]))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _changes(was: Job, will: Job) -> Iterator[str]:
    """Key by key; of a long text the lines that begin and end it alike stay."""
    old, new = _entries(was), _entries(will)
    for key in dict.fromkeys([*old, *new]):
        gone, come = old.get(key, "").splitlines(), new.get(key, "").splitlines()
        head = 0
        while head < min(len(gone), len(come)) and gone[head] == come[head]:
            head += 1
        foot = 0
        while foot < min(len(gone), len(come)) - head and gone[-1 - foot] == come[-1 - foot]:
            foot += 1
        yield from (f" {line}" for line in gone[:head])
        yield from (f"-{line}" for line in gone[head : len(gone) - foot])
        yield from (f"+{line}" for line in come[head : len(come) - foot])
        yield from (f" {line}" for line in gone[len(gone) - foot :])


def _lines(job: Job) -> list[str]:
    return [line for entry in _entries(job).values() for line in entry.split("\n")]


def _entries(job: Job) -> dict[str, str]:
    """key -> `key = value`, of all that is not as it is by default; the order is that of the fields."""
    found = {"id": f"id = {_value(job.id)}"}
    built = msgspec.to_builtins(job)
    for name in Job.__struct_fields__:
        if name in built and name not in ("id", "kind"):
            found[name] = f"{name} = {_value(built[name], long=True)}"
    return found


def _value(value: Any, *, long: bool = False) -> str:
    """A TOML value. long: a text of several lines is written as such."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        if long and "\n" in value:
            return '"""\n' + "\n".join(_escaped(line) for line in value.split("\n")) + '"""'
        return f'"{_escaped(value)}"'
    if isinstance(value, dict):
        pairs = ", ".join(f'"{_escaped(key)}" = {_value(each)}' for key, each in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    return repr(value)


def _escaped(text: str) -> str:
    """Inside a TOML string: what ends it, and what nobody sees, as escapes."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join(short.get(char) or (char if char.isprintable() else _code(char)) for char in text)


def _code(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
