"""The proof that a command only reads: words of a program that is known, understood one by one, or a reason.

Pure: nothing is looked up on disk. What is run is not what came in but what was understood, written anew; so no
program can read it in another way than we did. Where it may read is not judged here: see `Reading.paths`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from .programs import TABLE
from .programs.arguments import prove_options
from .programs.program import Reading

__all__ = ["Reading", "prove"]

MOST_WORDS = 4096
LONGEST = 64 * 1024
"""Characters of all words together."""

_SHELL = {
    "$(": "a substitution",
    "`": "a substitution",
    ";": "a second command",
    "|": "a pipe",
    "&": "a second command",
    "<": "a redirection",
    ">": "a redirection",
    "\n": "a line break",
    "\r": "a line break",
}
_UNSEEN = {"Cc": "a control character", "Cf": "an invisible character", "Zl": "a line break", "Zp": "a line break"}


def prove(words: Sequence[str], *, strict: bool = True) -> Reading | str:
    """Prove that a command only reads; answers why it is not proven when it is not.

    Args:
        words: program and arguments as they would be executed; nothing in them is expanded any more.
        strict: refuse what shows that a shell was meant (`$(`, a pipe, a redirection), wherever it stands. For words
            that a shell's parser gave, such characters were quoted and are harmless.
    """
    if not words or not words[0]:
        return "No program is named."
    if len(words) > MOST_WORDS or sum(map(len, words)) > LONGEST:
        return f"Its arguments are more than {MOST_WORDS} words or {LONGEST // 1024} KiB: give it less at a time."
    if reason := next(filter(None, (_unfit(word, strict) for word in words)), ""):
        return reason
    name, arguments = words[0], words[1:]
    program = TABLE.get(name)
    if program is None:
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        hint = ": name it without its directory" if "/" in name else ""
        return f"{shown} is not among the programs proven to only read{hint}."
    return program.read(arguments) if program.read else prove_options(program, arguments)


def _unfit(word: str, strict: bool) -> str:
    """Why no proven command has this word; "" when it may have it."""
    if "\0" in word or any("\ud800" <= char <= "\udfff" for char in word):
        return "An argument holds a NUL or bytes that are no text: no proven command can be given those."
    if not strict:
        return ""
    # Compatibility forms: a fullwidth semicolon is meant as one, and is read as one.
    plain = word if word.isascii() else unicodedata.normalize("NFKC", word)
    for mark, meaning in _SHELL.items():
        if mark in plain:
            shown = mark.encode("unicode_escape").decode()
            return (
                f"An argument holds `{shown}`, {meaning} to a shell, and this runs without one: use shell_exec for it."
            )
    for char in "" if word.isascii() and word.isprintable() else word:
        category = unicodedata.category(char)
        if category in _UNSEEN or (category == "Zs" and char != " "):
            what = _UNSEEN.get(category, "a space that is none")
            return f"An argument holds {what} (U+{ord(char):04X}): write it plainly, or use shell_exec for it."
    return ""
