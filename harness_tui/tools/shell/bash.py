"""Bash text as plain words, or the reason why it is not understood.

Two readings must agree: our own lexer, which knows plain words only, and the grammar of tree-sitter. What either of
them does not know is not understood; nobody looks for what is bad.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from ...domain.safetext import safe
from . import lexer

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_BYTES = 64 * 1024

_METACHARACTERS = frozenset(";|&<>$`(){}[]*?~!#\\\"'/=")
_NAME = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_.+/@:-]*")
_RESERVED = "if then elif else fi for select case esac while until do done in function time coproc"
_BUILTINS = """
. alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown enable eval exec
exit export fc fg getopts hash help history jobs let local logout mapfile popd pushd read readarray readonly return set
shift shopt source suspend times trap typeset ulimit umask unalias unset wait
"""
RESERVED = frozenset(_RESERVED.split())
BUILTINS = frozenset(_BUILTINS.split())
"""Names that change the shell which reads the next command, or make it read one of their words as code."""

_WORDS = {"command_name", "word", "number", "string", "raw_string", "concatenation"}
_KINDS = _WORDS | {"program", "list", "pipeline", "command", "string_content", "&&", "||", ";", "|", '"', "$", "\n"}


class Script(msgspec.Struct, frozen=True):
    """What bash would run: the words of each simple command, in order; compound: there is more than one."""

    commands: tuple[tuple[str, ...], ...]
    compound: bool


def parse(text: str) -> Script | str:
    """The commands of a text made of plain words, joined by `&&`, `||`, `;`, `|` or newlines; else why not."""
    if len(text) > MAX_BYTES or len(data := text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"it is longer than {MAX_BYTES // 1024} KiB"
    if why := unreadable(text):
        return why
    try:
        found = lexer.split(data.decode("latin-1"))
    except lexer.NotPlain as reason:
        return f"it holds {reason}"
    commands = tuple(tuple(word.value.encode("latin-1").decode() for word in words) for words in found)
    for words in commands:
        if why := _why_not_plain(words):
            return why
    if [[(word.start, word.end) for word in words] for words in found] != _spans(data):
        return "two readings of it differ"
    return Script(commands, len(commands) > 1)


def unreadable(text: str) -> str:
    """Why nobody can read this text for what it is (control, invisible or look-alike characters), or ""."""
    shown = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")  # a lone CR overwrites what was shown
    if shown.isascii() and shown.isprintable():
        return ""
    for char in shown:
        if char != safe(char):
            return f"it holds a character that cannot be seen ({_named(char)})"
        if not char.isascii() and _METACHARACTERS & set(unicodedata.normalize("NFKC", char)):
            return f"it holds a character that only looks like a shell's ({_named(char)})"
    return ""


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X} {name}".rstrip()


def seen(text: str) -> tuple[tuple[str, ...], ...]:
    """Simple commands that stand anywhere in a text which is not understood, as well as they can be read.

    For rules that deny or ask: what is not understood is never allowed by a rule. Of a text that is too long, none.
    """
    if len(text) > MAX_BYTES:
        return ()
    data = text.encode("utf-8", "replace")
    found: list[tuple[str, ...]] = []
    for node in _walk(_tree(data)):
        if node.type == "command" and len(found) < lexer.MAX_COMMANDS:
            words = tuple(_loosely(data, child) for child in node.children if child.type not in _BESIDE)
            if words:
                found.append(words)
    return tuple(found)


_BESIDE = {"variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect"}


def _loosely(data: bytes, node: Node) -> str:
    raw = data[node.start_byte : node.end_byte]
    if raw.isalnum():
        return raw.decode()
    try:
        [[word]] = lexer.split(raw.decode("latin-1"))
        raw = word.value.encode("latin-1")
    except (lexer.NotPlain, ValueError):
        pass
    return raw.decode("utf-8", "replace")


def _why_not_plain(words: tuple[str, ...]) -> str:
    name = words[0]
    if name in RESERVED:
        return f"it holds the reserved word {name}"
    if name in BUILTINS:
        return f"it holds {name}, which changes what the shell does next"
    if not _NAME.fullmatch(name):
        return "it begins with a word that is no program's plain name"
    if name in ("printf", "test") and any(word.startswith("-v") or word == "-R" for word in words[1:]):
        return f"it holds {name} -v, which reads a word as code"
    return ""


def _spans(data: bytes) -> list[list[tuple[int, int]]] | None:
    """Bytes of the words of every command by the grammar; None when it holds anything but plain words."""
    root = _tree(data)
    if root.has_error:
        return None
    commands = []
    for node in _walk(root):
        if node.type not in _KINDS or node.is_missing:
            return None
        if node.type == "command":
            if any(child.type not in _WORDS for child in node.children):
                return None
            commands.append([(child.start_byte, child.end_byte) for child in node.children])
    return commands


def _walk(root: Node) -> Iterator[Node]:
    """Every node in the order of the text; without recursion, however deep it nests."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def _tree(data: bytes) -> Node:
    return _parser().parse(data).root_node


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))
