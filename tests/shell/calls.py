"""Calls of the programs of the table, made of their own options in every way options may be written."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from harness_tui.tools.shell.programs import TABLE, find
from harness_tui.tools.shell.programs.git_options import COMMANDS
from harness_tui.tools.shell.programs.program import Option

VALUES = (
    *(
        "1",
        "3",
        "a.txt",
        "sub",
        "out",
        "src/b.py",
        "never",
        "name",
        "%h",
        "%G?",
        "oneline",
        "HEAD",
        "x",
        "*.py",
        "0x41",
    ),
    *(
        "short",
        "--output=out",
        "-o",
        "--pre=canary",
        "canary",
        "e",
        "w out",
        "1,2p",
        "p",
        ".",
        "{print}",
        ",",
        "md5",
        "tree",
    ),
)
OPERANDS = (
    *(
        "a.txt",
        "sub",
        "src/b.py",
        "data.json",
        "HEAD",
        "HEAD~1",
        "main",
        ".",
        "-",
        "--",
        "x",
        "1,2p",
        "$p",
        "w out",
        "1e",
    ),
    *("list", "out", "--output=out", "-oout", "-exec", "canary", "-delete", "+%s", "refs", "show", "aux", "1", "@list"),
)
FIND = (
    *sorted(find._ALONE | find._ONE | find._FILE | find._BECAUSE.keys()),
    *("a.txt", "sub", "{}", ";", "+", "canary", "out", "f", "1", "%p", "!", "(", ")"),
)

_ADDRESS = st.sampled_from(["", "1", "2,$", "$!", "/o/", "/[n]/I,+1", "0~2", "1 , 2", "/a", "\\,a,"])
_COMMAND = st.sampled_from(["p", "=", "d", "q", "q1", "p", " p ", "w out", "e", "s/o/id/e", "r a.txt", "{p", "i\\"])
SED = st.lists(st.builds(str.__add__, _ADDRESS, _COMMAND), min_size=1, max_size=2).map(";".join)
"""Scripts of sed, some of which write or run."""


@st.composite
def option_words(draw: st.DrawFn, options: list[Option]) -> list[str]:
    """One option as somebody may write it: cut short, bundled, its value attached or not, missing or too much."""
    option = draw(st.sampled_from(options))
    value = draw(st.sampled_from(VALUES))
    name = option.name
    if name.startswith("--"):
        name = name[: draw(st.integers(3, len(name)) | st.just(len(name)))]
        form = draw(st.sampled_from(["plain", "attached", "next"]))
        return {"plain": [name], "attached": [f"{name}={value}"], "next": [name, value]}[form]
    if draw(st.booleans()):
        others = [each.name[1:] for each in options if len(each.name) == 2]
        name = f"-{draw(st.sampled_from(others or ['x']))}{name[1:]}"
    if option.value == "none":
        return [name]
    return [name + value] if draw(st.booleans()) else [name, value]


@st.composite
def calls(draw: st.DrawFn, names: list[str] | None = None) -> list[str]:
    """A program of the table with up to six options and operands in any order, refused ones among them."""
    name = draw(st.sampled_from(sorted(TABLE) if names is None else names))
    before = [name]
    if name == "git":
        before = ["git", draw(st.sampled_from(sorted(COMMANDS)))]
    elif name == "find":
        return [name, *draw(st.lists(st.sampled_from(FIND), max_size=6))]
    elif name == "sed" and draw(st.booleans()):
        return [
            "sed",
            *draw(st.lists(st.sampled_from(["-n", "-E", "-i", "-u", "-s", "-z"]), max_size=2)),
            draw(SED),
            "a.txt",
        ]
    return [*before, *(word for words in draw(_parts(*before)) for word in words)]


@cache
def _parts(name: str, command: str = "") -> st.SearchStrategy[list[list[str]]]:
    """Options and operands of a program, or of a subcommand of git."""
    known = (COMMANDS[command] if command else TABLE[name]).options
    operand = st.sampled_from(OPERANDS).map(lambda word: [word])
    return st.lists(operand | option_words(list(known.values())) if known else operand, max_size=6)
