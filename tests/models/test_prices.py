"""Prices: whose word counts, what is never taken for free, and that no call costs more than was reserved for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.config.tariff import PriceTable, Tariff
from harness_tui.config.vault import EnvVault
from harness_tui.domain.messages import Usage
from harness_tui.domain.money import NANO, Price
from harness_tui.domain.task import ModelSpec
from harness_tui.models.api import ApiKind, from_spec
from harness_tui.models.prices import finder, window

CENT = NANO // 100


def model(name: str, prices: Any, context: int | None = None, variants: list[PriceVariant] | None = None) -> ModelInfo:
    return ModelInfo(name, ClauseEquals(name), context_window=context, prices=prices, price_variants=variants)


def per(**dollars: Any) -> ModelPrice:
    """Dollars per million tokens."""
    return ModelPrice(**{f"{unit}_mtok": Decimal(str(price)) for unit, price in dollars.items()})


@pytest.fixture
def table() -> Iterator[list[ModelInfo]]:
    """A price table of this test alone: the maker `acme` at api.acme.example, and a list to put models into."""
    models: list[ModelInfo] = []
    acme = Provider("acme", "Acme", r"https://api\.acme\.example", model_match=ClauseStartsWith("ac-"), models=models)
    set_custom_snapshot(DataSnapshot([acme], from_auto_update=False))
    yield models
    set_custom_snapshot(None)


HERE = "https://api.acme.example/v1"


def price(url: str = HERE, name: str = "ac-1", api: str = "openai-chat", **more: Any) -> Price | None:
    return finder(api, url, name, **more)()


def known(url: str = HERE, name: str = "ac-1", **more: Any) -> Price:
    found = price(url, name, **more)
    assert found is not None
    return found


# -- whose word counts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "mark"),
    [
        (HERE, "ac-1", "priced"),
        ("https://api.acme.example", "ac-1", "priced"),
        ("https://key@api.acme.example:443/v1", "ac-1", "priced"),
        (HERE, "models/ac-1", "priced"),
        ("https://api.acme.example.proxy.example/v1", "ac-1", "estimated"),
        ("http://api.acme.example/v1", "ac-1", "estimated"),
        ("http://127.0.0.1:4000/v1", "ac-1", "estimated"),
        ("https://gateway.example/v1", "acme/ac-1", "estimated"),
        ("https://gateway.example/v1", "hosted/acme/ac-1", "estimated"),
        ("https://gateway.example/v1", "other/ac-1", "estimated"),
    ],
)
def test_the_host_makes_a_price_sure_and_the_name_alone_an_estimate(
    table: list[ModelInfo], url: str, name: str, mark: str
) -> None:
    table.append(model("ac-1", per(input=2, output=10)))
    found = known(url, name)
    assert (found.mark, found.cost(Usage(1_000_000, 1_000))) == (mark, 201 * CENT)
    assert found.source.startswith("genai-prices ")


@pytest.mark.parametrize(
    "prices", [per(), per(input=2), per(output=2), per(cache_read=1)], ids=["none", "input", "output", "cache"]
)
def test_a_model_without_a_whole_price_is_unknown_and_not_free(table: list[ModelInfo], prices: ModelPrice) -> None:
    table.append(model("ac-1", prices))
    assert price() is None
    assert price("http://127.0.0.1:1/v1", "nobody-knows-it") is None


class Own:
    """What the operator wrote down."""

    mark = "priced"
    source = "config.toml:7"
    window = 32_000

    def cost(self, usage: Usage) -> int:
        return usage.total

    def worst(self, input: int, output: int) -> int:
        return input + output


def test_the_operators_own_price_comes_first(table: list[ModelInfo]) -> None:
    table.append(model("ac-1", per(input=2, output=10), 8_000))
    own: Any = {"ac-1": Own()}
    assert known(overrides=own) is own["ac-1"]
    assert price("http://127.0.0.1:11434/v1", "ac-1", "ollama", overrides=own) is own["ac-1"]
    assert known(overrides={"ac-2": own["ac-1"]}).source.startswith("genai-prices")
    assert window("openai-chat", HERE, "ac-1", own) == 32_000
    assert window("openai-chat", HERE, "ac-1") == 8_000
    assert window("openai-chat", HERE, "ac-2") is None


def test_an_ollama_of_ones_own_costs_nothing_and_a_rented_one_is_unknown(table: list[ModelInfo]) -> None:
    for url in ("http://127.0.0.1:11434/v1", "http://gpu-box:11434/v1"):
        free = known(url, "some-model", api="ollama")
        assert (free.cost(Usage(9, 9)), free.worst(9, 9), free.mark) == (0, 0, "priced")
        assert price(url, "some-model:120b-cloud", "ollama") is None
    assert price("https://ollama.com/v1", "some-model", "ollama") is None
    assert window("ollama", HERE, "ac-1") is None


def test_the_package_knows_the_vendors_own_hosts() -> None:
    """Against the real table, with models that were there when this was written."""
    for api, url, name in (
        ("openai-responses", "https://api.openai.com/v1", "gpt-4o-mini"),
        ("anthropic", "https://api.anthropic.com", "claude-sonnet-4-5"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-flash"),
    ):
        found = known(url, name, api=api)
        assert found.mark == "priced"
        assert 0 < found.cost(Usage(1000, 1000)) <= found.worst(1000, 1000)
        assert (window(api, url, name) or 0) >= 100_000


async def test_a_built_model_finds_its_price(table: list[ModelInfo]) -> None:
    table.append(model("ac-1", per(input=2, output=10)))
    found = await ApiKind.build(HERE, "ac-1", "k").price()
    assert found is not None
    assert found.cost(Usage(10, 0)) == 20_000
    assert await ApiKind.build("http://127.0.0.1:1", "nobody-knows-it").price() is None


async def test_a_run_is_priced_by_the_operators_table(table: list[ModelInfo]) -> None:
    tariff = Tariff(PriceTable(3, 5), "config.toml:4")
    spec = ModelSpec("openai-chat", "ac-1", HERE, "env:K")
    built = from_spec(spec, EnvVault({"K": "k"}), overrides={"ac-1": tariff})
    assert await built.price() is tariff
    assert await from_spec(spec, EnvVault({"K": "k"})).price() is None


# -- what is billed ----------------------------------------------------------------------------------------------------


def test_cached_tokens_are_part_of_the_input_and_reasoning_is_part_of_the_output(table: list[ModelInfo]) -> None:
    table.append(model("ac-1", per(input=4, output=20, cache_read="0.2", cache_write=5, cache_write_1h=8)))
    found = known()
    assert found.cost(Usage(1_000_000, 0)) == 400 * CENT
    assert found.cost(Usage(1_000_000, 0, cache_read=1_000_000)) == 20 * CENT
    assert found.cost(Usage(1_000_000, 0, cache_read=500_000, cache_write=200_000)) == (10 + 100 + 120) * CENT
    assert found.cost(Usage(0, 1_000_000, reasoning=900_000)) == 2000 * CENT
    assert found.worst(1_000_000, 1_000_000) == 2800 * CENT, "all of it written to the cache for an hour"


def test_a_part_without_a_price_of_its_own_costs_what_its_whole_costs(table: list[ModelInfo]) -> None:
    table.append(model("ac-1", per(input=4, output=20)))
    assert known().cost(Usage(1_000_000, 0, cache_read=400_000, cache_write=600_000)) == 400 * CENT


def test_a_long_prompt_is_dearer_in_all_its_parts(table: list[ModelInfo]) -> None:
    def tiers(base: int, above: int) -> TieredPrices:
        return TieredPrices(Decimal(base), [Tier(200_000, Decimal(above))])

    table.append(model("ac-1", ModelPrice(input_mtok=tiers(2, 4), output_mtok=tiers(10, 15))))
    found = known()
    assert found.cost(Usage(200_000, 100_000)) == (40 + 100) * CENT
    assert found.cost(Usage(400_000, 100_000)) == (160 + 150) * CENT
    assert found.worst(400_000, 100_000) == found.cost(Usage(400_000, 100_000))


def test_a_dearer_service_that_was_asked_for_is_counted(table: list[ModelInfo]) -> None:
    fast = PriceVariant({"service_tier": "priority"}, per(input=4, output=20))
    table.append(model("ac-1", per(input=2, output=10), variants=[fast]))
    assert known().cost(Usage(1_000_000, 0)) == 200 * CENT
    asked = known(extra={"service_tier": "priority", "top_k": 3})
    assert (asked.cost(Usage(1_000_000, 0)), asked.worst(1_000_000, 0)) == (400 * CENT, 400 * CENT)


def test_a_price_that_begins_while_a_call_may_last_is_reserved_for(table: list[ModelInfo]) -> None:
    soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (30, 120))
    peak = TimeOfDateConstraint(soon.time(), later.time())
    table.append(
        model(
            "ac-1",
            [ConditionalPrice(prices=per(input=1, output=1)), ConditionalPrice(peak, prices=per(input=9, output=9))],
        )
    )
    found = known()
    assert found.cost(Usage(1_000_000, 0)) == 100 * CENT
    assert found.worst(1_000_000, 0) == 900 * CENT


def test_a_fraction_of_a_nano_dollar_is_rounded_up(table: list[ModelInfo]) -> None:
    table.append(model("ac-1", per(input="0.0001", output=0)))
    assert [known().cost(Usage(n)) for n in (0, 1, 10, 11)] == [0, 1, 1, 2]


@pytest.mark.parametrize("odd", [Usage(-5, -5, -5, -5, -5), Usage(10, 2, 50, 50, 50), Usage(10, 0, 6, 6)])
def test_figures_no_server_should_send_are_priced_all_the_same(table: list[ModelInfo], odd: Usage) -> None:
    table.append(model("ac-1", per(input=4, output=20, cache_read=1, cache_write=5, output_reasoning=30)))
    assert 0 <= known().cost(odd) <= known().worst(10, 2)


RATES = st.decimals(0, 1000, places=4)


@st.composite
def rates(draw: st.DrawFn) -> Decimal | TieredPrices:
    steps = sorted(draw(st.lists(RATES, min_size=1, max_size=3)))
    starts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=len(steps) - 1, max_size=len(steps) - 1)))
    if len(steps) == 1:
        return steps[0]
    return TieredPrices(steps[0], [Tier(start, rate) for start, rate in zip(starts, steps[1:], strict=True)])


UNITS = ("cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_reasoning_mtok")
PRICES = st.fixed_dictionaries(
    {"input_mtok": rates(), "output_mtok": rates()}, optional={u: rates() for u in UNITS}
).filter(lambda priced: "cache_write_1h_mtok" not in priced or "cache_write_mtok" in priced)
COUNTS = st.integers(0, 20_000)


@settings(deadline=None)
@given(PRICES, COUNTS, COUNTS, st.data())
def test_no_call_costs_more_than_its_worst_case(
    priced: dict[str, Any], input: int, output: int, data: st.DataObject
) -> None:
    name = "ac-1"
    acme = Provider("acme", "Acme", r"https://api\.acme\.example", models=[model(name, ModelPrice(**priced))])
    set_custom_snapshot(DataSnapshot([acme], from_auto_update=False))
    try:
        found = known()
        used, said = data.draw(st.integers(0, input)), data.draw(st.integers(0, output))
        read = data.draw(st.integers(0, used))
        usage = Usage(used, said, read, data.draw(st.integers(0, used - read)), data.draw(st.integers(0, said)))
        assert 0 <= found.cost(usage) <= found.worst(input, output)
        dearest = max(Fraction(str(rate)) for rate in _flat(priced)) / 1_000_000
        assert found.worst(input, output) <= dearest * (input + output) * NANO + 1, "no dearer than all at the top rate"
    finally:
        set_custom_snapshot(None)


def _flat(priced: dict[str, Any]) -> Iterator[Decimal]:
    for rate in priced.values():
        yield from [rate.base, *(tier.price for tier in rate.tiers)] if isinstance(rate, TieredPrices) else [rate]


def test_looking_up_a_finder_imports_nothing() -> None:
    code = (
        "import sys; from harness_tui.models.prices import finder\n"
        "find = finder('openai-chat', 'https://api.openai.com/v1', 'm')\n"
        "print('genai_prices' in sys.modules); find(); print('genai_prices' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]


async def test_the_operators_window_counts_before_the_tables() -> None:
    own = {"gpt-5.1": Tariff(PriceTable(input=1, output=2, window=9000), "config.toml:3")}
    for overrides, size in ((own, 9000), (None, 400_000)):
        model = ApiKind.build("https://api.openai.com/v1", "gpt-5.1", "k", overrides=overrides)
        assert await model.context_window() == size  # type: ignore[attr-defined]
