"""Reservations never exceed a limit, in tokens and money, in every scope at once; what is settled is what was spent."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness_tui.domain.ledger import Account, Hold, Ledger, Refused, Warned
from harness_tui.domain.messages import Mark, Usage

SCOPES = ("run:r1", "day:d")


class Flat(msgspec.Struct, frozen=True):
    """A price for tests: nano-dollars a token."""

    input: int = 3
    output: int = 15
    mark: Mark = "priced"
    source: str = "test"

    def cost(self, usage: Usage) -> int:
        return self.worst(usage.input, usage.output)

    def worst(self, input: int, output: int) -> int:
        return self.input * input + self.output * output


class Call(NamedTuple):
    """One call under way: where it is held, what, and the hold."""

    scopes: tuple[str, ...]
    input: int
    hold: Hold


class Racing(RuleBasedStateMachine):
    """Many runs race for the same budgets: call, run tree, loop of the day, the day, in tokens and in money."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.ledger.limit("day", 3000, 20_000)
        for run in range(4):
            self.ledger.limit(f"run:r{run}", 1000 + 100 * run, None if run % 2 else 9000)
        self.ledger.limit("loop:deps/d", 1500, 15_000)
        self.under_way: list[Call] = []
        self.price = Flat()

    @rule(
        run=st.integers(0, 3),
        looped=st.booleans(),
        input=st.integers(0, 400),
        most=st.integers(1, 300),
        least=st.integers(1, 300),
    )
    def ask(self, run: int, looped: bool, input: int, most: int, least: int) -> None:
        scopes = (f"run:r{run}", *(("loop:deps/d",) if looped else ()), "day:d")
        least = min(most, least)
        before = {scope: msgspec.structs.astuple(self.ledger.account(scope)) for scope in scopes}
        hold = self.ledger.reserve(scopes, input, most, least, self.price, Account(500, usd_limit=6000))
        if isinstance(hold, Refused):
            assert before == {scope: msgspec.structs.astuple(self.ledger.account(scope)) for scope in scopes}
            return
        assert least <= hold.output <= most
        assert hold.tokens == input + hold.output <= 500
        assert hold.usd == self.price.worst(input, hold.output)
        assert hold.usd <= 6000
        self.under_way.append(Call(scopes, input, hold))

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 50), share=st.floats(0, 1), failed=st.booleans())
    def settle(self, which: int, share: float, failed: bool) -> None:
        call = self.under_way.pop(which % len(self.under_way))
        output = int(call.hold.output * share)
        spent, usd = (0, 0) if failed else (call.input + output, self.price.worst(call.input, output))
        self.ledger.settle(call.scopes, call.hold.tokens, call.hold.usd, spent, usd)

    @invariant()
    def nothing_is_overspent(self) -> None:
        for scope, account in self.ledger.accounts.items():
            calls = [call for call in self.under_way if scope in call.scopes]
            assert account.held == sum(call.hold.tokens for call in calls)
            assert account.usd_held == sum(call.hold.usd or 0 for call in calls)
            assert account.held + account.spent <= account.limit
            assert account.usd_limit is None or account.usd_held + account.usd_spent <= account.usd_limit


Racing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRacing = Racing.TestCase


def test_an_overrun_is_booked_in_full() -> None:
    ledger = Ledger()
    ledger.limit("run:r1", 100)
    assert ledger.reserve(SCOPES, 20, 30, 30, None) == Hold(50, 30)
    ledger.settle(SCOPES, 50, None, 90, None)
    assert (ledger.accounts["run:r1"].spent, ledger.accounts["run:r1"].held) == (90, 0)


def test_an_unknown_price_is_refused_only_where_money_is_limited() -> None:
    ledger = Ledger()
    assert isinstance(ledger.reserve(SCOPES, 10, 10, 1, None), Hold)
    ledger.limit("day", 0, 1000)
    refused = ledger.reserve(SCOPES, 10, 10, 1, None)
    assert refused == Refused("day:d", "price", 1000, 0, 0)
    assert isinstance(ledger.reserve(SCOPES, 10, 10, 1, Flat()), Hold)


def test_a_price_lost_under_way_books_what_was_held() -> None:
    ledger = Ledger()
    hold = ledger.reserve(SCOPES, 10, 10, 1, Flat())
    assert isinstance(hold, Hold)
    ledger.settle(SCOPES, hold.tokens, hold.usd, 5, None)
    assert ledger.accounts["day:d"].usd_spent == hold.usd


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 20_000))
def test_output_is_cut_to_what_money_allows_and_not_further(input: int, most: int, left: int) -> None:
    ledger, price = Ledger(), Flat()
    ledger.limit("run:r1", 0, left)
    hold = ledger.reserve(("run:r1",), input, most, 1, price)
    if isinstance(hold, Refused):
        assert price.worst(input, 1) > left
        return
    assert price.worst(input, hold.output) <= left
    assert hold.output == most or price.worst(input, hold.output + 1) > left


def test_four_fifths_warn_once_until_the_limit_is_raised() -> None:
    ledger = Ledger()
    ledger.limit("run:r1", 100, 1000)

    def spend(tokens: int, usd: int) -> tuple[Warned, ...]:
        hold = ledger.reserve(("run:r1",), tokens, 1, 1, Flat())
        assert isinstance(hold, Hold)
        return ledger.settle(("run:r1",), hold.tokens, hold.usd, tokens, usd)

    assert spend(79, 10) == ()
    assert spend(1, 10) == (Warned("run:r1", "tokens", 100, 80),)
    assert spend(5, 10) == ()
    ledger.limit("run:r1", 1000, 1000)
    assert spend(10, 780) == (Warned("run:r1", "usd", 1000, 810),)


def test_a_new_day_begins_with_the_limits_of_its_kind() -> None:
    ledger = Ledger()
    ledger.limit("day", 50, 7)
    assert (ledger.account("day:2026-11-22").limit, ledger.account("day:2026-11-22").usd_limit) == (50, 7)
