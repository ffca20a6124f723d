"""What the Messages adapter counts, and that no event whatever breaks it."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.messages import Answer, Usage
from harness_tui.models.anthropic.stream import MessagesAssembly
from harness_tui.models.family import Refused

from .anthropic_events import finish, start, text
from .conversation import ASK
from .test_anthropic_stream import RECORDED, answer_to


async def test_usage_is_cumulative_and_the_input_includes_what_was_cached() -> None:
    last = finish("end_turn", 90, input_tokens=11, cache_read_input_tokens=200, cache_creation_input_tokens=7)
    first, stop = last
    earlier = {**first, "usage": {"output_tokens": 20, "input_tokens": None}, "delta": {"stop_reason": None}}
    answer = await answer_to(start(5), *text(0, "a"), earlier, first, stop)
    assert answer.usage == Usage(218, 90, cache_read=200, cache_write=7)
    assert answer.usage_reported


async def test_a_counter_left_at_zero_in_the_end_keeps_what_it_had() -> None:
    answer = await answer_to(start(50), *text(0, "a"), *finish("end_turn", 3, input_tokens=0))
    assert (answer.usage, answer.usage_reported) == (Usage(50, 3), True)


async def test_a_server_without_usage_gets_an_estimate_and_says_so() -> None:
    bare = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    for opening in ({"type": "message_start", "message": {}}, start(0)):
        answer = await answer_to(opening, *text(0, "abcdefgh"), bare)
        assert not answer.usage_reported
        assert answer.usage.input >= 4
        assert answer.usage.output == 2


# -- anything at all ---------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KNOWN = list(chain.from_iterable(event.items() for event in RECORDED))
SHAPED = st.fixed_dictionaries(
    {"type": st.sampled_from([event["type"] for event in RECORDED])},
    optional={
        key: st.sampled_from([value for name, value in KNOWN if name == key]) | JSON
        for key, _ in KNOWN
        if key != "type"
    },
)


@settings(deadline=None)
@given(st.lists(SHAPED | JSON, max_size=8))
def test_no_event_whatever_breaks_the_assembly(events: list[Any]) -> None:
    assembly = MessagesAssembly(ASK, "tiny")
    for event in events:
        with suppress(Refused):
            list(assembly.feed(event))
    answer = assembly.answer()
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
