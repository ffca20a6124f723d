"""SafeText: the one gate through which untrusted text reaches a terminal.

Textual and Rich pass escape sequences and markup through; so control, escape, bidi, zero-width and tag characters
become visible escapes here, once, in the fold. Nothing downstream may build markup from text.
"""

from __future__ import annotations

import re
import unicodedata

# Cc (controls), Cf (bidi, zero width, tags), Cs (surrogates), Co (private use), Zl/Zp (line and paragraph
# separators); plus fillers that draw as nothing although Unicode calls them letters, and variation selectors.
_INVISIBLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SPACES = re.compile(r" {40,}")
MAX_MARKS = 4
"""Combining marks kept after one base character; more are drawn as escapes (a line of 10,000 marks is an attack)."""


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str, *, newlines: bool = False) -> str:
    """Return `text` with every character that could steer a terminal or hide itself made visible.

    Args:
        newlines: keep line feeds, for text that is split into lines afterwards. Tabs become four spaces then;
            otherwise both become visible escapes, so that a name never spans lines.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        if char == "\n" and newlines:
            out.append(char)
            continue
        if char == "\t" and newlines:
            out.append("    ")
            continue
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
            out.append(char if marks <= MAX_MARKS and ord(char) not in _INVISIBLE else _escape(char))
            continue
        marks = 0
        hidden = category in _HIDDEN_CATEGORIES or ord(char) in _INVISIBLE
        hidden = hidden or (category == "Zs" and char != " ")
        out.append({"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, _escape(char)) if hidden else char)
    return "".join(out)


def mark_spaces(text: str) -> str:
    """Make a long run of spaces a counted marker, so that nothing can hide behind it in an approval card."""
    return _SPACES.sub(lambda m: f"<{len(m.group())} spaces>", text)


def clip(text: str, width: int) -> str:
    """One safe line of at most `width` characters; what was cut shows as `~`."""
    line = safe(text[: width + 1])  # escapes only lengthen, so what follows cannot show
    return line if len(line) <= width else line[: max(0, width - 1)] + "~"
