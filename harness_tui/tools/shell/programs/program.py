"""What is known of one program: the options that only read, how it takes them, and what its operands are.

Options are data, written as their manual page lists them, one word each:

    -a --all          takes no value
    -n= --lines=      takes one, attached or as the next word
    -u[=] --color[=]  may take one, attached only
    -f=@              the value is the path of a file that is read
    -R>-r             is passed on as another option
    !-o= !--output=   the program has it and it is refused; listed, so that no abbreviation of it is misread

An option that is not listed is refused. Nothing here is a list of what is bad.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

_WORD = re.compile(r"(?P<no>!?)(?P<name>--?[^\s=\[@>]+)(?P<value>=|\[=\])?(?P<path>@?)(?:>(?P<instead>\S+))?")
_VALUE: dict[str | None, Literal["none", "required", "optional"]] = {None: "none", "=": "required", "[=]": "optional"}


class Reading(msgspec.Struct, frozen=True):
    """A command that is proven to only read.

    Attributes:
        words: what is to run, written anew from what was understood: fixed options added, abbreviations spelt out.
        env: variables beyond the clean set.
        why: one line for cards and results.
        paths: every operand and option value that names a file, as given; the caller judges where they lead.
    """

    program: str
    words: tuple[str, ...]
    env: dict[str, str]
    why: str
    paths: tuple[str, ...] = ()


class Option(msgspec.Struct, frozen=True):
    """One option of a program, with its dashes."""

    name: str
    value: Literal["none", "required", "optional"] = "none"
    path: bool = False
    allowed: bool = True
    instead: str = ""


class Given(msgspec.Struct, frozen=True):
    """One option of a call, as it is passed on."""

    option: Option
    value: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        name = self.option.instead or self.option.name
        if self.value is None:
            return (name,)
        if name.startswith("--"):
            return (f"{name}={self.value}",)
        return (name + self.value,) if self.option.value == "optional" else (name, self.value)


class Call(msgspec.Struct, frozen=True):
    """The arguments of a call, understood.

    Attributes:
        order: options and operands as they came, for programs where the order between them counts.
        divided: how many operands stand before a `--`; None when there is none.
    """

    options: tuple[Given, ...]
    operands: tuple[str, ...]
    order: tuple[Given | str, ...]
    divided: int | None

    def has(self, *names: str) -> bool:
        return any(given.option.name in names for given in self.options)


Check = Callable[[Call], str]
"""What else must hold of a call; answers the reason why it does not, or ""."""


class Program(msgspec.Struct, frozen=True):
    """One program and what of it only reads.

    Attributes:
        options: by name with dashes, refused ones too.
        because: for refused options, what they do: "it writes a file".
        operands: what they are: files that are read, or mere words.
        most: how many operands it may have.
        first: the first operand is not a file (a pattern, a script), unless one of these options is given.
        abbreviates: long options may be cut short, as getopt_long lets them.
        bundles: short options may share a dash.
        number: the option that `-20` stands for.
        fixed: words that are always passed first.
        check: see Check.
        read: for programs whose arguments are no options: reads them all, in place of everything above.
    """

    name: str
    options: Mapping[str, Option] = {}
    because: Mapping[str, str] = {}
    operands: Literal["paths", "words"] = "paths"
    most: int | None = None
    first: tuple[str, ...] | None = None
    abbreviates: bool = True
    bundles: bool = True
    number: str = ""
    fixed: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    check: Check | None = None
    read: Callable[[Sequence[str]], Reading | str] | None = None


def options(text: str) -> dict[str, Option]:
    """The options of a text in the notation above. Raises ValueError for a word that is none."""
    found: dict[str, Option] = {}
    for word in text.split():
        parts = _WORD.fullmatch(word)
        if not parts or parts["name"] in found:
            raise ValueError(f"{word} is no option, or stands there twice")
        found[parts["name"]] = Option(
            parts["name"], _VALUE[parts["value"]], bool(parts["path"]), not parts["no"], parts["instead"] or ""
        )
    return found


def gnu(text: str) -> dict[str, Option]:
    """`options` of a GNU program, which has these two beside."""
    return options(f"--help --version {text}")


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def refused(program: str, word: str, because: str = "") -> str:
    """The sentence for a word that is not proven to read; what to use instead is said by the tool."""
    shown = word if len(word) <= 60 else f"{word[:57]}..."
    what = because or "it is not among the options proven to only read"
    return f"`{program} {shown}` is not proven to only read: {what}."
