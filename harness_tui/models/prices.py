"""What models cost: the operator's own table first, then genai-prices, read on first use and never at import.

The data of genai-prices lie in its package; nothing here opens a connection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ..domain.messages import Mark, Usage
from ..domain.money import NANO, Free, Price

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

TURN = timedelta(hours=1)
"""How long one call may last: a price that begins within it counts for the worst case."""

_INPUTS: tuple[tuple[str, ...], ...] = ((), ("cache_read",), ("cache_write",), ("cache_write", "cache_write_1h"))
_OUTPUTS: tuple[tuple[str, ...], ...] = ((), ("output_reasoning",))
_ASKED = ("service_tier", "speed")
"""Fields of a request body that change its price."""


class Override(Price, Protocol):
    """A price the operator wrote down. `window`: tokens of context, None = not said."""

    @property
    def window(self) -> int | None: ...


Overrides = Mapping[str, Override]
"""By the model's name, exactly."""


def finder(
    api: str, url: str, model: str, overrides: Overrides | None = None, extra: Mapping[str, Any] | None = None
) -> Callable[[], Price | None]:
    """A function that looks the price up; None = unknown. It takes up to half a second: call it in a thread.

    Order: the operator's own price; nothing to pay on an Ollama of one's own; genai-prices by the host ("priced"), else
    by the model's name alone, as at a gateway or a proxy ("estimated").

    Args:
        extra: what is merged into every request body; `service_tier` and `speed` of it change prices.
    """
    if overrides and model in overrides:
        own = overrides[model]
        return lambda: own
    if api == "ollama" and _own_ollama(url, model):
        return lambda: Free("an Ollama of your own")
    asked = {name: value for name in _ASKED if isinstance(value := (extra or {}).get(name), str)}

    def find() -> Price | None:
        return next((Listed(found, mark, asked) for found, mark in _matches(url, model) if _complete(found)), None)

    return find


def window(api: str, url: str, model: str, overrides: Overrides | None = None) -> int | None:
    """The model's context window in tokens; None = unknown, as at an Ollama, which is asked itself. For a thread."""
    if overrides and model in overrides and overrides[model].window:
        return overrides[model].window
    if api == "ollama":
        return None
    return next((found.model.context_window for found, _ in _matches(url, model) if found.model.context_window), None)


class Listed:
    """The price of a model genai-prices knows (`money.Price`): tiers, and dated prices as of the moment it is asked."""

    def __init__(self, found: PriceCalculation, mark: Mark, asked: Mapping[str, str]) -> None:
        import genai_prices

        self.mark = mark
        self.source = f"genai-prices {genai_prices.__version__}"
        self._found = found
        self._asked = asked

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded up. Parts larger than their whole, as some servers report them, are cut to it."""
        whole, said = max(0, usage.input), max(0, usage.output)
        read = min(max(0, usage.cache_read), whole)
        write = min(max(0, usage.cache_write), whole - read)
        reasoning = min(max(0, usage.reasoning), said)
        parts = {"cache_read": read, "cache_write": write, "output_reasoning": reasoning}
        return self._nano(whole, said, parts, datetime.now(UTC))

    def worst(self, input: int, output: int) -> int:
        """The dearest of: all fresh, all read from or written to a cache, all reasoned; now, or when a call may end."""
        now = datetime.now(UTC)
        prices = self._found.model.get_prices
        changes = prices(now, self._asked) != prices(now + TURN, self._asked)
        return max(
            self._nano(input, output, dict.fromkeys(ins, input) | dict.fromkeys(outs, output), at)
            for at in ((now, now + TURN) if changes else (now,))
            for ins in _INPUTS
            for outs in _OUTPUTS
        )

    def _nano(self, input: int, output: int, parts: Mapping[str, int], at: datetime) -> int:
        from genai_prices import Usage as Counts

        counts = Counts(input_tokens=input, output_tokens=output, **{f"{k}_tokens": n for k, n in parts.items() if n})
        billed = self._found.model.calc_price(
            counts, self._found.provider, genai_request_timestamp=at, price_context=self._asked
        )
        return math.ceil(billed.total_price * Decimal(NANO))


def _matches(url: str, model: str) -> Iterator[tuple[PriceCalculation, Mark]]:
    """What genai-prices knows of that model, the surest first."""
    name = model.strip().removeprefix("models/")
    address = _address(url)
    if (here := _looked_up(name, address=address)) and _is_at(here.provider.api_pattern, address):
        yield here, "priced"
    maker, _, bare = name.rpartition("/")
    if maker and (made := _looked_up(bare, maker=maker.rpartition("/")[2])):
        yield made, "estimated"
    if named := _looked_up(bare):
        yield named, "estimated"


def _looked_up(model: str, *, address: str | None = None, maker: str | None = None) -> PriceCalculation | None:
    """Asks by the host, by the maker, or, with neither, by the model's name alone."""
    from genai_prices import Usage as Counts
    from genai_prices import calc_price

    nothing = Counts(input_tokens=0, output_tokens=0)
    try:
        if address is not None:
            return calc_price(nothing, model, provider_api_url=address)
        return calc_price(nothing, model, provider_id=maker)
    except (LookupError, ValueError):
        return None


def _complete(found: PriceCalculation) -> bool:
    """Whether input and output both have a price: a model without one is unknown, not free."""
    prices = found.model_price
    return prices.input_mtok is not None and prices.output_mtok is not None


def _address(url: str) -> str:
    """The URL without user name, port and query: what the table's patterns are written for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _is_at(pattern: str, address: str) -> bool:
    """Whether the pattern ends where a part of the address ends: `api.openai.com.proxy` is not OpenAI."""
    match = re.match(pattern, address)
    return match is not None and (match[0].endswith(("/", ".")) or address[match.end() :][:1] in ("", "/"))


def _own_ollama(url: str, model: str) -> bool:
    """Whether the model runs on a machine of the operator's: not at ollama.com, nor there by way of a local Ollama."""
    host = urlsplit(url).hostname or ""
    return not (host == "ollama.com" or host.endswith(".ollama.com") or model.endswith(("-cloud", ":cloud")))
