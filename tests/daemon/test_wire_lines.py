"""The lines themselves: any request survives the trip, any noise is refused in our own words."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.codec import WireEvent
from harness_tui.domain.errors import HarnessError
from harness_tui.domain.events import Envelope, Flow, ToolNoted
from harness_tui.port import wire
from harness_tui.port.commands import CancelRun, Decide
from harness_tui.port.snapshot import Batch

ident = st.integers(1, 2**53)
requests = st.one_of(
    st.builds(wire.Info, ident),
    st.builds(wire.Run, ident, st.text()),
    st.builds(wire.Approvals, ident, st.booleans()),
    st.builds(wire.Events, ident, st.text(), st.integers(0, 2**53), st.integers(1, 500)),
    st.builds(wire.Dag, ident, st.text()),
    st.builds(wire.Stream, ident, st.text(), st.integers(0, 2**53), st.integers(1, 500)),
    st.builds(wire.Follow, ident, st.integers(0, 2**53)),
    st.builds(wire.Send, ident, st.builds(CancelRun, st.text(), st.text(), st.text())),
    st.builds(wire.Send, ident, st.builds(Decide, st.text(), st.text(), st.just("denied"), st.text())),
)
noise = st.one_of(
    st.binary(),
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["m", "id", "hello", "error", "ok"]), inner),
    ).map(lambda value: json.dumps(value).encode()),
)


@given(requests)
def test_a_request_is_one_line_and_comes_back_equal(item: wire.Request) -> None:
    line = wire.request(item)
    assert line.count(b"\n") == 1
    assert wire.read_request(line) == item


@given(noise)
def test_noise_raises_only_our_errors(line: bytes) -> None:
    for read in (wire.read_request, wire.read_line, lambda data: wire.check_hello(data, "engine")):
        with suppress(HarnessError):
            read(line)


@given(st.lists(st.text(), max_size=20), st.lists(st.text(), max_size=5), st.integers(0, 9))
def test_a_batch_comes_back_equal(texts: list[str], flows: list[str], dropped: int) -> None:
    envelopes = [Envelope(n, "r1/1", n, n, ToolNoted(text)) for n, text in enumerate(texts, 1)]
    flow = tuple(Flow("r1", "delta", text) for text in flows)
    line = wire.pushed(3, Batch(tuple(map(WireEvent.of, envelopes)), flow, dropped))
    batch = wire.read_line(line).batch
    assert line.count(b"\n") == 1
    assert batch is not None
    assert [event.open() for event in batch.events] == envelopes
    assert (batch.flow, batch.dropped) == (flow, dropped)


def test_a_request_nested_too_deep_is_refused() -> None:
    deep = b'{"m":"send","id":1,"command":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}"
    with pytest.raises(wire.Malformed):
        wire.read_request(deep)
