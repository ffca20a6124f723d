"""Arguments as getopt_long reads them: bundles, attached values, abbreviations, options after operands, `--`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .program import Call, Given, Option, Program, Reading, refused

MOST_OPTIONS = 256
"""Of one call: nobody gives more, and reading them stays quick."""

_NUMBER = re.compile(r"-[0-9]+")


class _Refused(Exception):
    """An argument that is not proven to read; its text is the reason."""


def understand(program: Program, arguments: Sequence[str], called: str = "") -> Call | str:
    """The arguments of a call of `program`, or the reason why they are not proven to read.

    Args:
        called: the program's name in that reason, when it is more than its own ("git log").
    """
    try:
        return _Reader(program, called or program.name).read(arguments)
    except _Refused as reason:
        return str(reason)


def prove_options(program: Program, arguments: Sequence[str]) -> Reading | str:
    """The call of a program whose arguments are options and operands, written anew with the options first."""
    call = understand(program, arguments)
    if isinstance(call, str):
        return call
    if program.most is not None and len(call.operands) > program.most:
        return refused(program.name, call.operands[program.most], "an operand there may be written or set, not read")
    if program.check and (reason := program.check(call)):
        return refused(program.name, " ".join(arguments), reason)
    given = [word for each in call.options if not {*each.words} <= {*program.fixed} for word in each.words]
    dashed = any(word.startswith("-") and word != "-" for word in call.operands)
    words = (program.name, *program.fixed, *given, *(("--",) if dashed else ()), *call.operands)
    why = f"read: {program.name}"
    if changed := [f"{g.option.name} as {g.option.instead}" for g in call.options if g.option.instead]:
        why += f" ({', '.join(dict.fromkeys(changed))})"
    return Reading(program.name, words, dict(program.env), why, paths_of(program, call))


def paths_of(program: Program, call: Call) -> tuple[str, ...]:
    """Every operand and value of a call that names a file."""
    named = [given.value for given in call.options if given.option.path and given.value is not None]
    skipped = 1 if program.first is not None and not call.has(*program.first) else 0
    read = call.operands[skipped:] if program.operands == "paths" else ()
    return tuple(path for path in (*named, *read) if path != "-")


class _Reader:
    """Reads the arguments of one call, left to right."""

    def __init__(self, program: Program, called: str) -> None:
        self._program, self._called = program, called
        self._options: list[Given] = []
        self._operands: list[str] = []
        self._order: list[Given | str] = []

    def read(self, arguments: Sequence[str]) -> Call:
        divided: int | None = None
        at = 0
        while at < len(arguments):
            word = arguments[at]
            at += 1
            following = arguments[at] if at < len(arguments) else None
            if divided is not None or word == "-" or not word.startswith("-"):
                self._operands.append(word)
                self._order.append(word)
            elif word == "--":
                divided = len(self._operands)
            else:
                at += (self._long if word.startswith("--") else self._short)(word, following)
        return Call(tuple(self._options), tuple(self._operands), tuple(self._order), divided)

    def _long(self, word: str, following: str | None) -> int:
        """Take a long option; how many further words it used."""
        name, equals, value = word.partition("=")
        option = self._named(name, word)
        if option.value == "none" and equals:
            raise self._refusal(word, f"{option.name} takes no value")
        if option.value != "required" or equals:
            return self._take(option, value if equals else None)
        return self._take(option, self._following(word, following), 1)

    def _named(self, name: str, word: str) -> Option:
        known = self._program.options
        if name in known:
            return self._allowed(known[name], word)
        near = [each for each in known if each.startswith(name)] if self._program.abbreviates and name != "--" else []
        if len(near) != 1:
            short = f" (it may stand for {', '.join(near[:3])})" if near else ""
            raise self._refusal(word, f"it is not among the options proven to only read{short}")
        return self._allowed(known[near[0]], word)

    def _short(self, word: str, following: str | None) -> int:
        """Take a word of short options; how many further words it used."""
        known = self._program.options
        if self._program.number and _NUMBER.fullmatch(word) and word[:2] not in known:
            return self._take(known[self._program.number], word[1:])
        for at in range(1, len(word)):
            option = known.get(f"-{word[at]}")
            if option is None:
                raise self._refusal(word)
            option, rest = self._allowed(option, word), word[at + 1 :]
            if option.value == "required":
                return self._take(option, rest) if rest else self._take(option, self._following(word, following), 1)
            if option.value == "optional":
                return self._take(option, rest or None)
            if rest and not self._program.bundles:
                raise self._refusal(word)
            self._take(option, None)
        return 0

    def _take(self, option: Option, value: str | None, used: int = 0) -> int:
        if len(self._options) == MOST_OPTIONS:
            raise self._refusal(option.name, f"it comes after {MOST_OPTIONS} others")
        given = Given(option, value)
        self._options.append(given)
        self._order.append(given)
        return used

    def _following(self, word: str, following: str | None) -> str:
        if following is None:
            raise self._refusal(word, "its value is missing")
        return following

    def _allowed(self, option: Option, word: str) -> Option:
        if not option.allowed:
            because = self._program.because.get(option.name, "")
            raise self._refusal(word, f"{option.name} {because}" if because else "")
        return option

    def _refusal(self, word: str, because: str = "") -> _Refused:
        return _Refused(refused(self._called, word, because))
