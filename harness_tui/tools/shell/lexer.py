"""Shell text split into plain words: literal characters and quotes, nothing that bash would expand, redirect or nest.

It works on bytes seen as latin-1, so that offsets are those of the text's UTF-8.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_COMMANDS = 200
MAX_WORDS = 5_000


class Word(NamedTuple):
    """One word: bytes `start` to `end` of the text, and what bash hands over for it (as latin-1)."""

    start: int
    end: int
    value: str


_LITERAL = re.compile(
    r"""(?: [A-Za-z0-9_@%+:,./^=\x80-\xff-]
          | (?<=@) \{[A-Za-z0-9-]+\}      # HEAD@{1}: without a comma braces stay as they are
          | (?<=[A-Za-z0-9_/.-]) [\#~]    # a#b, HEAD~1: neither a comment nor a home directory
        )+""",
    re.X,
)
_OPERATORS = ("&&", "||", ";", "|", "\n")
_BLANK = re.compile(r"[ \t]+")
_END_OF_WORD = " \t\n;|&"
_IN_QUOTES = re.compile(r'[^"\\$`]+')
_NO_EXPANSION = re.compile(r'\$(?=[" |)])')
"""A dollar that stays one in double quotes: the end of a pattern."""

_SPECIAL = {
    "$": "an expansion ($)",
    "`": "a command substitution (`)",
    "<": "a redirection (<)",
    ">": "a redirection (>)",
    "(": "a subshell or function (()",
    ")": "a subshell or function ())",
    "{": "a group or brace expansion ({)",
    "}": "a group or brace expansion (})",
    "*": "a file name pattern (*)",
    "?": "a file name pattern (?)",
    "[": "a file name pattern or test ([)",
    "]": "a file name pattern or test (])",
    "~": "a home directory (~)",
    "!": "a negation or history (!)",
    "#": "a comment (#)",
    "&": "a background job (&)",
}


class NotPlain(Exception):
    """The text holds something besides plain words; its message says what."""


def split(text: str) -> list[list[Word]]:
    """The words of each simple command, in order. Raises NotPlain."""
    commands: list[list[Word]] = []
    words: list[Word] = []
    at, joint = 0, ""
    while at < len(text):
        if len(commands) >= MAX_COMMANDS or len(words) >= MAX_WORDS:
            raise NotPlain(f"more than {MAX_COMMANDS} commands, or {MAX_WORDS} words in one")
        if blank := _BLANK.match(text, at):
            at = blank.end()
        elif operator := next((each for each in _OPERATORS if text.startswith(each, at)), ""):
            if words:
                commands.append(words)
                words, joint = [], operator
            elif operator != "\n":
                raise NotPlain(f"an operator with no command before it ({operator})")
            at += len(operator)
        else:
            words.append(_word(text, at))
            at = words[-1].end
    if words:
        commands.append(words)
    elif joint in ("&&", "||", "|"):
        raise NotPlain(f"an operator with no command after it ({joint})")
    if not commands:
        raise NotPlain("no command at all")
    return commands


def _word(text: str, start: int) -> Word:
    if text.startswith("{}", start) and text[start + 2 : start + 3] in ("", *_END_OF_WORD):
        return Word(start, start + 2, "{}")
    at, parts = start, []
    while at < len(text) and text[at] not in _END_OF_WORD:
        if literal := _LITERAL.match(text, at):
            at, part = literal.end(), literal[0]
        elif text[at] == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise NotPlain("a quote that is not closed (')")
            at, part = end + 1, text[at + 1 : end]
        elif text[at] == '"':
            at, part = _double(text, at + 1)
        elif text[at] == "\\":
            at, part = at + 2, text[at + 1 : at + 2]
            if part in ("", "\n"):
                raise NotPlain("a line continued with a backslash")
        else:
            raise NotPlain(_SPECIAL.get(text[at], f"the character {text[at]!r}"))
        parts.append(part)
    if text.startswith("&", at) and not text.startswith("&&", at):
        raise NotPlain(_SPECIAL["&"])
    if at == start:
        raise NotPlain(_SPECIAL.get(text[at], f"the character {text[at]!r}"))
    return Word(start, at, "".join(parts))


def _double(text: str, at: int) -> tuple[int, str]:
    """The rest of a double-quoted string: where it ends and what it stands for."""
    parts: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            return at + 1, "".join(parts)
        if run := _IN_QUOTES.match(text, at) or _NO_EXPANSION.match(text, at):
            at, part = run.end(), run[0]
        elif char == "\\":
            escaped = text[at + 1 : at + 2]
            if escaped == "\n":
                raise NotPlain("a line continued with a backslash")
            at, part = at + 2, escaped if escaped and escaped in '$`"\\' else char + escaped
        else:
            raise NotPlain(_SPECIAL[char])
        parts.append(part)
    raise NotPlain('a quote that is not closed (")')
