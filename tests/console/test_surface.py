"""Rows from overlapping pieces, and the span of cells two rows differ in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tui.console.lines import Span, fit, width_of
from harness_tui.console.widgets.surface import changed_cells, laid, merged, part

WIDTH = 12
texts = st.text(alphabet="ab 漢é字", max_size=8)
rows = st.lists(st.builds(Span, texts, st.sampled_from(("base", "dim", "high"))), max_size=4).map(
    lambda spans: merged(fit(spans, WIDTH))
)


def painted(row):
    """The cells of a row as (what starts there, token): a wide character's second cell is empty."""
    from rich.cells import cell_len

    return [
        cell for text, token in row for char in text for cell in [(char, token)] + [("", token)] * (cell_len(char) - 1)
    ]


@given(rows, rows)
def test_repainting_only_the_changed_span_gives_the_new_row(old, new):
    if old == new:
        return
    start, end = changed_cells(old, new)
    assert 0 <= start < end <= WIDTH
    before, after = painted(old), painted(new)
    assert before[:start] + after[start:end] + before[end:] == after


@given(rows, st.integers(0, WIDTH), st.integers(0, WIDTH))
def test_a_part_is_as_wide_as_asked(row, start, end):
    assert width_of(part(row, start, end)) == max(0, end - start)


@given(rows, st.integers(0, WIDTH - 3))
def test_what_is_drawn_later_lies_over_what_was_drawn_before(row, x):
    over = (Span("OVR", "high"),)
    drawn = laid([(0, WIDTH, row), (x, 3, over)], WIDTH)
    assert width_of(drawn) == WIDTH
    assert part(drawn, x, x + 3) == over
    assert merged(part(drawn, 0, x)) == merged(part(row, 0, x))


def test_gaps_are_blank():
    assert laid([(2, 3, (Span("abc"),)), (7, 2, (Span("de"),))], 10) == (
        Span("  "), Span("abc"), Span("  "), Span("de"), Span(" "),
    )  # fmt: skip
