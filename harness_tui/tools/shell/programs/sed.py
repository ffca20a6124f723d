"""sed, as far as it prints lines of its input: addresses with p, =, d, q and Q; no other command, no script file."""

from __future__ import annotations

import re

from .program import Call, Program, gnu

# The end of a regular expression is where GNU sed sees it: the first slash without a backslash, in brackets too.
_REGEX = r"/(?:[^/\\\n\[]|\\[^\n]|\[\^?[^\]/\\\n]+\])+/[IM]*"
_ADDRESS = rf"(?:[0-9]+(?:~[0-9]+)?|\$|{_REGEX})"
_COMMAND = rf" ?(?:{_ADDRESS}(?: ?, ?(?:{_ADDRESS}|[+~][0-9]+))?)? ?!? ?(?:[p=d]|[qQ] ?[0-9]*) ?"
_SCRIPT = re.compile(rf"(?:{_COMMAND})(?:[;\n](?:{_COMMAND})?)*")
_LONGEST = 500
"""Characters of a script: what prints lines is short, and matching it stays quick."""


def _prints(call: Call) -> str:
    given = [each.value or "" for each in call.options if each.option.name in ("-e", "--expression")]
    scripts = given or list(call.operands[:1])
    if not scripts:
        return "the script is missing"
    wrong = next((text for text in scripts if len(text) > _LONGEST or not _SCRIPT.fullmatch(text)), None)
    return "" if wrong is None else f"`{wrong[:40]}` is more than addresses with p, =, d or q"


_SED = Program(
    "sed",
    gnu(
        "-n --quiet --silent -e= --expression= -E -r --regexp-extended -u --unbuffered -z --null-data --posix "
        "!--debug !-i[=] !--in-place[=] !-f= !--file= !-s !--separate !-l= !--line-length= !--follow-symlinks "
        "!--sandbox !-b !--binary"
    ),
    because={"-i": "writes the file", "--in-place": "writes the file", "-f": "reads its script from a file"},
    first=("-e", "--expression"),
    check=_prints,
)

PROGRAMS = (_SED,)
