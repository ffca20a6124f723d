"""Two sets of signs: plain ASCII, and Unicode for terminals that draw it in one cell. No sign stands without a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set; every sign is one cell wide. `states` by state word."""

    states: dict[str, str]
    cursor: str
    mark: str
    fold: str
    more: str
    rule: str
    vrule: str
    bar: str
    held: str
    track: str
    human: str
    tree: tuple[str, str, str]
    """Branch, last branch, trunk."""
    edge: tuple[str, str, str, str, str, str]
    """Horizontal, vertical, tee down, tee up, corner down, corner up."""
    crit: str

    @property
    def ascii(self) -> bool:
        return self.rule.isascii()

    def state(self, word: str) -> str:
        return self.states.get(word, " ")


ASCII = Glyphs(
    states={
        "run": "o",
        "wait": ".",
        "ask": "?",
        "paused": "=",
        "done": "+",
        "fail": "x",
        "cancel": "-",
        "doubt": "!",
        "retry": "r",
        "note": " ",
    },
    cursor=">",
    mark="*",
    fold="+",
    more="~",
    rule="-",
    vrule="|",
    bar="#",
    held=":",
    track=".",
    human="?",
    tree=("|", "`", "|"),
    edge=("-", "|", "+", "+", "+", "+"),
    crit="=",
)

# Narrow signs where there is a choice: East Asian terminals may draw the others two cells wide.
UNICODE = Glyphs(
    states={
        "run": "▸",
        "wait": "∙",
        "ask": "?",
        "paused": "=",
        "done": "✓",
        "fail": "✗",
        "cancel": "-",
        "doubt": "!",
        "retry": "↻",
        "note": " ",
    },
    cursor="❯",
    mark="*",
    fold="»",
    more="~",
    rule="─",
    vrule="│",
    bar="█",
    held="▒",
    track="░",
    human="▒",
    tree=("├", "└", "│"),
    edge=("─", "│", "┬", "┴", "┐", "┘"),
    crit="═",
)
