"""Cost reports add up in every grouping, unknown stays unknown; and amounts read as they were meant."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain import amounts
from harness_tui.domain.costs import costs, today
from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import MARKS, Mark, Usage
from harness_tui.domain.money import NANO, dollars, weakest
from harness_tui.domain.views import BudgetRow, RunRow, Share

MARK = st.sampled_from(MARKS)
SHARE = st.builds(Share, st.integers(1, 9), st.integers(1, 10**6), st.integers(0, 10**12), MARK)


@st.composite
def stored_runs(draw: st.DrawFn) -> list[RunRow]:
    """Runs as the fold makes them: a run's sums are those of its models' shares."""
    rows = []
    for number, shares in enumerate(draw(st.lists(st.dictionaries(st.sampled_from("abc"), SHARE, max_size=3)))):
        usage = Usage(sum(share.tokens for share in shares.values()))
        mark: Mark = weakest(share.mark for share in shares.values())
        usd = sum(share.usd for share in shares.values())
        started = draw(st.integers(0, 3)) * 86_400_000_000
        rows.append(RunRow(f"r{number}", started=started, usage=usage, usd=usd, mark=mark, models=shares))
    return rows


GROUPS: dict[str, Callable[[RunRow, str], str]] = {
    "run": lambda run, model: run.id,
    "model": lambda run, model: model,
    "day": lambda run, model: str(run.started),
    "all": lambda run, model: "all",
}


@given(stored_runs(), st.sampled_from(sorted(GROUPS)))
def test_groups_add_up_to_the_total(rows: list[RunRow], by: str) -> None:
    found = costs(rows, GROUPS[by])
    assert len({cost.name for cost in found}) == len(found)
    assert sum(cost.tokens for cost in found) == sum(row.usage.total for row in rows)
    assert sum(cost.usd for cost in found) == sum(row.usd for row in rows)
    assert sum(cost.calls for cost in found) == sum(share.calls for row in rows for share in row.models.values())
    assert weakest(cost.mark for cost in found) == weakest(row.mark for row in rows)


@given(stored_runs(), st.sampled_from(sorted(GROUPS)))
def test_a_group_with_an_unknown_part_is_unknown(rows: list[RunRow], by: str) -> None:
    group = GROUPS[by]
    unknown = {group(row, model) for row in rows for model, share in row.models.items() if share.mark == "unknown"}
    assert {cost.name for cost in costs(rows, group) if cost.money is None} == unknown


def test_a_run_of_the_first_version_counts_under_its_one_model() -> None:
    (cost,) = costs([RunRow("r1", model="m", usage=Usage(70), iterations=3, mark="unknown")], GROUPS["model"])
    assert (cost.name, cost.calls, cost.tokens, cost.money) == ("m", 3, 70, None)
    assert costs([RunRow("r2", model="m")], GROUPS["model"]) == []


def test_a_day_without_a_call_has_the_limits_of_every_day() -> None:
    budgets = {"day": BudgetRow("day", 100, usd_limit=7, by="ada"), "day:2026-11-20": BudgetRow("day:2026-11-20")}
    assert today(budgets, "2026-11-21") == BudgetRow("day:2026-11-21", 100, usd_limit=7, by="ada")
    assert today(budgets, "2026-11-20") is budgets["day:2026-11-20"]
    assert today({}, "2026-11-21") is None


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("200000", 200_000), ("100k", 100_000), ("1.5M", 1_500_000), ("500 tok", 500), ("2K tokens", 2000), ("1", 1)],
)
def test_tokens_as_people_write_them(text: str, tokens: int) -> None:
    assert amounts.tokens(text) == tokens


@pytest.mark.parametrize(("text", "usd"), [("20", 20 * NANO), ("$2.50", 2_500_000_000), ("0", 0), ("0.000000001", 1)])
def test_dollars_are_exact(text: str, usd: int) -> None:
    assert amounts.dollars(text) == usd


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "1.5", "k", "1e9", "0x10", "1,000", "nan", "9999999999M", "٣k", "5 kg"]
)
def test_what_is_no_number_of_tokens_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of tokens"):
        amounts.tokens(text)


@pytest.mark.parametrize("text", ["", "-1", "1k", "inf", "nan", "1e3", "2000000000", "€5", "1.0000000001"])
def test_what_is_no_amount_of_dollars_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no amount of dollars"):
        amounts.dollars(text)


@given(st.text() | st.from_regex(r"\$?[0-9]{1,20}(\.[0-9]{1,12})?[kKmM]?( tok)?", fullmatch=True))
def test_any_text_is_a_limit_that_can_be_stored_or_a_sentence(text: str) -> None:
    try:
        read = amounts.limit(text)
    except UsageError:
        return
    assert [amount is None for amount in read].count(True) == 1
    assert all(0 <= amount < 2**62 for amount in read if amount is not None)


def test_a_plain_number_is_dollars_and_one_with_a_unit_is_tokens() -> None:
    assert amounts.limit("20") == (None, 20 * NANO)
    assert amounts.limit("100k") == (100_000, None)
    assert amounts.limit("500 tok") == amounts.limit("500tok") == (500, None)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (100, "<$0.0001"),
        (3_100_000, "$0.0031"),
        (9_949_000, "$0.0099"),
        (9_951_000, "$0.01"),
        (70_000_000, "$0.07"),
        (114_000_000, "$0.11"),
        (4_120_000_000, "$4.12"),
        (999_990_000_000, "$999.99"),
        (999_996_000_000, "$1.0k"),
        (12_345 * NANO, "$12.3k"),
        (999_960 * NANO, "$1.0M"),
    ],
)
def test_money_is_short_and_never_zero_by_rounding(nano: int | None, text: str) -> None:
    assert dollars(nano) == text


def test_an_estimate_says_so() -> None:
    assert [dollars(n, "estimated") for n in (None, 0, NANO)] == ["unknown", "$0.00", "~$1.00"]


@given(st.integers(1, 10**18))
def test_no_money_reads_as_nothing(nano: int) -> None:
    digits = dollars(nano).strip("<$kM")
    assert Decimal(digits) > 0
    assert len(dollars(nano)) <= 9
