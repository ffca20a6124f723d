"""Themes define every token, carry text with enough contrast, and keep their promises about attributes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.console import theme
from harness_tui.domain.errors import UsageError

from .scene import Bench, busy

SHIPPED = ["ansi", "colour-blind-safe", "dark", "high-contrast", "light", "mono"]
NO_TEXT = {"rule", "track", "bar", "held", "faint"}
BADGES = {"ask_badge", "doubt_badge", "high", "armed", "lost"}


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_six_themes_ship() -> None:
    assert theme.names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_theme_defines_every_token(name: str) -> None:
    assert set(theme.load(name).tokens) == set(theme.TOKENS)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n not in ("ansi", "mono")])
def test_contrast_floors(name: str) -> None:
    palette = theme.load(name)
    row = palette.tokens["cursor"].bg
    for token, style in palette.tokens.items():
        floor = 4.5 if token not in NO_TEXT else 3.0 if token in ("bar", "held") else 0
        ground = style.bg or palette.ground
        assert contrast(style.fg, ground) >= floor, (token, contrast(style.fg, ground))
        if not style.bg and floor:
            assert contrast(style.fg, row) >= min(floor, 3.9), (token, "under the cursor", contrast(style.fg, row))


def test_mono_has_no_colour_and_reverse_only_for_badges() -> None:
    for token, style in theme.load("mono").tokens.items():
        assert not style.fg
        assert not style.bg
        assert style.reverse == (token in BADGES)


def test_ansi_uses_names_only() -> None:
    for style in theme.load("ansi").tokens.values():
        assert not style.fg.startswith("#")
        assert not style.reverse


def test_a_badge_stays_a_badge_under_the_cursor() -> None:
    for name in SHIPPED:
        palette = theme.load(name)
        assert palette.style("cursor high").bg == palette.tokens["high"].bg
        assert palette.style("cursor high").fg == palette.tokens["high"].fg


def test_a_picture_cell_is_taken_literally() -> None:
    assert theme.load("dark").style("#010203/#040506") == theme.Style("#010203", "#040506")


def test_an_unknown_theme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="dark, high-contrast"):
        theme.load("neon")


def test_a_theme_with_a_missing_token_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('kind = "rgb"\ndark = true\n[tokens]\n' + "\n".join(f'{t} = ""' for t in theme.TOKENS[1:]))
    with pytest.raises(UsageError, match="base"):
        theme.read(path)


def test_every_token_that_is_drawn_exists() -> None:
    bench = Bench(busy(), width=200, height=60)
    for keys in ("1", "4", "a", "5", "6", "w", "question_mark"):
        bench.press(keys)
        for name, rect in bench.model.places(200, 60).items():
            for line in bench.model.lines(name, rect.width, rect.height):
                for span in line:
                    theme.load("dark").style(span.token)
