"""When a budget is spent, and after how many more runs: by table, and in words."""

from __future__ import annotations

from typing import Any

import pytest

from harness_tui.domain.forecast import HOUR, Forecast, forecast, words
from harness_tui.domain.messages import Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.views import BudgetRow, RunRow

MINUTE = 60_000_000
NOW = 1_000 * HOUR


def day(*pace: tuple[int, int, int], **fields: Any) -> BudgetRow:
    """Today's budget; `pace` is (minutes ago, tokens, nano-dollars)."""
    settled = [(NOW - ago * MINUTE, tokens, usd) for ago, tokens, usd in pace]
    return BudgetRow("day:2026-11-21", pace=settled, **fields)


STEADY = ((10, 500, NANO // 10), (5, 500, NANO // 10))
"""1,000 tokens and $0.20 in ten minutes."""


@pytest.mark.parametrize(
    ("row", "at"),
    [
        (day(), 0),
        (day(*STEADY), 0),
        (day(limit=1000), 0),
        (day((3, 900, 0), limit=1000, spent=900), 0),
        (day((40, 500, 0), (30, 400, 0), limit=1000, spent=900), 0),
        (day(*STEADY, limit=3000, spent=1000), NOW + 20 * MINUTE),
        (day(*STEADY, limit=3000, spent=1000, held=1000), NOW + 10 * MINUTE),
        (day(*STEADY, limit=2000, spent=1500, held=500), NOW),
        (day(limit=2000, spent=2400), NOW),
        (day(*STEADY, usd_limit=NANO, usd=NANO // 5), NOW + 40 * MINUTE),
        (day(*STEADY, limit=3000, spent=1000, usd_limit=NANO, usd=NANO // 5), NOW + 20 * MINUTE),
        (day(*STEADY, limit=10**12, spent=1000), 0),
    ],
    ids=[
        "nothing is known",
        "no limit",
        "idle",
        "one minute is no pace",
        "what is older than a quarter of an hour does not count",
        "tokens",
        "what is held counts as gone",
        "nothing is left",
        "overspent",
        "money",
        "the nearer of two",
        "further than a year is not in sight",
    ],
)
def test_out_at(row: BudgetRow, at: int) -> None:
    assert forecast(row, NOW).at == pytest.approx(at, abs=MINUTE // 60)


def test_the_pace_is_an_hour_s_and_unknown_money_has_none() -> None:
    seen = forecast(day(*STEADY), NOW)
    assert (seen.tokens_hour, seen.usd_hour) == (6000, NANO * 6 // 5)
    assert forecast(day(*STEADY, mark="unknown"), NOW).usd_hour is None


def run(number: int, tokens: int, usd: int = 0, mark: Any = "priced", ended: bool = True) -> RunRow:
    over = NOW - HOUR + number if ended else 0
    return RunRow(f"r{number}", usage=Usage(tokens), usd=usd, mark=mark, ended=over)


@pytest.mark.parametrize(
    ("row", "runs", "left"),
    [
        (day(limit=10_000), (), None),
        (day(), (run(1, 1000),), None),
        (day(limit=10_000), (run(1, 1000, ended=False),), None),
        (day(limit=10_000, spent=1000), (run(1, 2000), run(2, 4000)), 3),
        (day(limit=10_000, spent=9000), (run(1, 2000),), 0),
        (day(limit=10_000, spent=12_000), (run(1, 2000),), 0),
        (day(usd_limit=NANO), (run(1, 10, NANO // 4), run(2, 10, NANO // 4)), 4),
        (day(usd_limit=NANO), (run(1, 10, NANO // 4), run(2, 10, 0, "unknown")), 4),
        (day(usd_limit=NANO), (run(1, 10), run(2, 10)), None),
        (day(limit=10_000, usd_limit=NANO), (run(1, 1000, NANO // 2),), 2),
        (day(limit=1000), (run(0, 10**9), *(run(i, 100) for i in range(1, 9))), 10),
        (BudgetRow("run:r1", limit=10_000), (run(2, 1000),), None),
    ],
    ids=[
        "no run to judge by",
        "no limit",
        "an open run tells nothing yet",
        "tokens",
        "not even one",
        "overspent",
        "money",
        "a run of unknown price is no evidence",
        "free models never reach it",
        "the nearer of two",
        "only the newest eight",
        "one run's budget holds no further run",
    ],
)
def test_runs_left(row: BudgetRow, runs: tuple[RunRow, ...], left: int | None) -> None:
    assert forecast(row, NOW, runs).runs == left


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Forecast(), ""),
        (Forecast(at=NOW), "cap reached"),
        (Forecast(at=NOW + HOUR), "cap about 14:20"),
        (Forecast(at=NOW + HOUR, runs=3), "cap in 3 runs, about 14:20"),
        (Forecast(runs=1), "cap in 1 run"),
        (Forecast(runs=0), "cap within the next run"),
    ],
)
def test_words(seen: Forecast, said: str) -> None:
    assert words(seen, NOW, "14:20") == said
