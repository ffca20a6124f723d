"""Themes are TOML data: every theme defines every token; nothing else in the console names a colour."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from ..domain.errors import UsageError

TOKENS = (
    *("base", "dim", "faint", "rule", "title", "focus", "cursor", "match", "mark", "key"),
    *("run", "wait", "ask", "paused", "done", "fail", "cancel", "doubt", "retry"),
    *("ask_badge", "doubt_badge", "high", "armed", "lost", "low", "med", "stale"),
    *("bar", "held", "track", "warn", "over"),
    *("add", "del", "hunk", "context", "add_word", "del_word", "note", "warn_text", "escaped"),
)


@dataclass(frozen=True, slots=True)
class Style:
    """How one token looks. fg, bg: `#rrggbb`, an ANSI name (`red`, `bright_black`) or "" for the terminal's own."""

    fg: str = ""
    bg: str = ""
    bold: bool = False
    dim: bool = False
    underline: bool = False
    reverse: bool = False

    def over(self, under: Style) -> Style:
        """This style laid over another: own colours win, attributes add up."""
        return Style(
            self.fg or under.fg,
            self.bg or under.bg,
            self.bold or under.bold,
            self.dim or under.dim,
            self.underline or under.underline,
            self.reverse or under.reverse,
        )

    @classmethod
    def parse(cls, text: str) -> Style:
        """`"bold #1a1a1a on #e5b567"`; attributes are bold, dim, underline, reverse; `""` is the terminal's own."""
        words = text.split()
        bg = words[words.index("on") + 1] if "on" in words else ""
        words = words[: words.index("on")] if "on" in words else words
        flags = {word: True for word in words if word in _FLAGS}
        colours = [word for word in words if word not in _FLAGS]
        return cls(colours[0] if colours else "", bg, **flags)


_FLAGS = {f.name for f in fields(Style)} - {"fg", "bg"}


class Theme:
    """One palette.

    Attributes:
        kind: rgb | ansi | mono.
        ground: the background the colours were chosen for; never painted.
    """

    def __init__(self, name: str, kind: str, dark: bool, ground: str, tokens: dict[str, Style]) -> None:
        self.name, self.kind, self.dark, self.ground, self.tokens = name, kind, dark, ground, tokens
        self._cache: dict[str, Style] = {}

    def style(self, token: str) -> Style:
        """The style of a span's token: one name, several (later over earlier), or a literal `#rrggbb/#rrggbb`."""
        style = self._cache.get(token)
        if style is None:
            style = self._resolve(token)
            if len(self._cache) < 4096:
                self._cache[token] = style
        return style

    def _resolve(self, token: str) -> Style:
        if token.startswith("#"):
            fg, _, bg = token.partition("/")
            return Style(fg, bg)
        style = self.tokens["base"]
        for name in token.split():
            style = self.tokens[name].over(style)
        return style


def _folders() -> list[Path]:
    """The wheel's copy inside the package, else the checkout's top-level folder."""
    package = Path(__file__).resolve().parent.parent
    return [package / "themes", package.parent / "themes"]


def names() -> list[str]:
    """Names of the themes that ship."""
    return sorted({path.stem for folder in _folders() if folder.is_dir() for path in folder.glob("*.toml")})


@functools.cache
def load(name: str) -> Theme:
    """The theme of this name. Raises UsageError naming the ones there are, or the token that is missing."""
    for folder in _folders():
        path = folder / f"{name}.toml"
        if name in names() and path.is_file():
            return read(path)
    raise UsageError(f"There is no theme {name!r}.", "Themes: " + ", ".join(names()) + ".")


def read(path: Path) -> Theme:
    """Read a theme file. Raises UsageError when a token is missing or unknown."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    given = data.get("tokens", {})
    wrong = sorted(set(TOKENS) ^ set(given))
    if wrong:
        raise UsageError(f"{path.name}: missing or unknown tokens: {', '.join(wrong)}.")
    tokens = {token: Style.parse(given[token]) for token in TOKENS}
    return Theme(path.stem, data["kind"], bool(data["dark"]), data.get("ground", ""), tokens)
