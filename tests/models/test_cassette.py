"""Cassettes: what is recorded is played back as it was, without a socket, without a key, and says what differs."""

from __future__ import annotations

import base64
import errno
import html
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import CredentialError, HarnessError, ModelError, SetupError, UsageError
from harness_tui.domain.messages import (
    Answer,
    Delta,
    Message,
    ModelRequest,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolSpec,
    Usage,
)
from harness_tui.domain.redaction import Redaction
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind
from harness_tui.models.cassette.form import VERSION, Header, Writer, load
from harness_tui.models.cassette.http import Http, RecordingTransport, ReplayTransport
from harness_tui.models.cassette.model import Asked, Exchange, Recording, Replay
from tests.agent.worlds import Cents, ScriptedModel, say

from .anthropic_events import finish, start, text, thinking, tool_use
from .conversation import ASK
from .endpoint_server import STREAM, chunk, named_sse, serving, sse, status, usage

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

CANARY = 'sk-canary/+<"é">-1234567890'
KEY = "sk-key-1234567890"
HTTP, MODEL = Header(VERSION, "http"), Header(VERSION, "model")


def hiding(*values: str) -> Redaction:
    redaction = Redaction()
    redaction.add(values)
    return redaction


def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)


# -- the HTTP seam -----------------------------------------------------------------------------------------------


async def items_of(model: Any, *requests: ModelRequest) -> list[Any]:
    """All that each call yields, or its error as (kind, what)."""
    items: list[Any] = []
    for request in requests:
        try:
            items += [item async for item in model.stream(request)]
        except ModelError as error:
            items.append((error.kind, error.what, error.retry_after))
    await model.close()
    return items


async def recorded(path: Path, url: str, api: str, *requests: ModelRequest, hide: Redaction, **more: Any) -> list[Any]:
    writer = Writer.create(path, HTTP, hide)
    transport = RecordingTransport(writer.write, hide)
    items = await items_of(ApiKind.build(url, "tiny", KEY, api, transport=transport, **more), *requests)
    writer.close()
    return items


async def replayed(path: Path, url: str, api: str, *requests: ModelRequest, **more: Any) -> list[Any]:
    _, exchanges = load(path, Header, Http)
    model = ApiKind.build(url, "tiny", KEY, api, transport=ReplayTransport(exchanges), **more)
    return await items_of(model, *requests)


CHAT = sse(chunk(content="東京"), chunk("stop", content=" ok"), usage(9, 2), "[DONE]")
CLAUDE = named_sse(start(), *thinking(0, "Hm."), *text(1, "Hi"), *tool_use(2, "t1", "look", "{}"), *finish("tool_use"))
GEMINI = sse(
    {
        "candidates": [{"content": {"parts": [{"text": "Hi", "thoughtSignature": "c2ln"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2},
    }
)


@pytest.mark.parametrize(
    ("api", "stream"), [("openai-chat", CHAT), ("anthropic", CLAUDE), ("gemini", GEMINI)], ids=lambda x: str(x)[:9]
)
async def test_every_family_reads_its_recorded_bytes_as_it_read_them_from_the_wire(
    api: str, stream: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = status(429, {"error": {"message": "slow down"}}, retry_after="7")
    async with serving(stream, slow) as server:
        first = await recorded(tmp_path / "c", server.url, api, ASK, ASK, hide=hiding(KEY))
    assert isinstance(first[-2], Answer)
    assert first[-1][0] == "retry" and first[-1][2] == 7.0
    with monkeypatch.context() as patched:
        no_sockets(patched)
        assert await replayed(tmp_path / "c", server.url, api, ASK, ASK) == first


async def test_the_providers_chunks_are_kept_as_they_came_even_cut_inside_a_character(tmp_path: Path) -> None:
    whole = b"".join(CHAT[1:])
    at = whole.index("東".encode()) + 1
    async with serving([STREAM, whole[:at], whole[at:]]) as server:
        await recorded(tmp_path / "c", server.url, "openai-chat", ASK, hide=Redaction())
    (exchange,) = load(tmp_path / "c", Header, Http)[1]
    assert b"".join(piece.bytes for piece in exchange.chunks) == whole
    assert (exchange.method, exchange.path, exchange.status) == ("POST", "/v1/chat/completions", 200)
    assert exchange.headers == {"content-type": "text/event-stream"}
    assert exchange.body["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_a_connection_that_breaks_or_never_comes_does_so_again(tmp_path: Path) -> None:
    async with serving([*CHAT[:2], ...], [...]) as server:
        first = await recorded(tmp_path / "c", server.url, "openai-chat", ASK, ASK, hide=Redaction())
    assert first[-2].stop == "cut" and first[-1][0] == "retry"
    assert await replayed(tmp_path / "c", server.url, "openai-chat", ASK, ASK) == first


async def test_another_request_than_the_recorded_one_is_refused_with_what_differs(tmp_path: Path) -> None:
    async with serving(CHAT) as server:
        await recorded(tmp_path / "c", server.url, "openai-chat", ASK, hide=Redaction(), options=Options(temperature=0))
    other = ModelRequest((ASK.messages[0], Message.say("user", "Goodbye")))
    args = (tmp_path / "c", server.url, "openai-chat", other, other)
    first, second = await replayed(*args, options=Options(temperature=0))
    assert first[0] == "refused"
    assert '- "content": "Hello", + "content": "Goodbye",' in first[1]
    assert "no further request" in second[1]


async def test_no_form_of_a_key_reaches_a_cassette(tmp_path: Path) -> None:
    raw = CANARY.encode()
    forms = {
        "raw": CANARY,
        "url": quote(CANARY, safe=""),
        "base64": base64.b64encode(raw).decode(),
        "hex": raw.hex(),
        "html": html.escape(CANARY),
        "json": json.dumps(CANARY)[1:-1],
    }
    request = ModelRequest((Message.say("user", " ".join(forms.values())),))
    events = sse(*(chunk(content=form) for form in forms.values()), chunk("stop"), "[DONE]")
    echoed = b"".join(events[1:])
    half = echoed.index(forms["hex"].encode()) + 9
    limited = status(
        429, {"error": {"message": f"slow, {CANARY}"}}, x_request_id=f"r {quote(CANARY)}", set_cookie="a=b"
    )
    async with serving([STREAM, echoed[:half], echoed[half:]], limited) as server:
        await recorded(tmp_path / "c", server.url, "openai-chat", request, request, hide=hiding(CANARY, KEY))
    kept = (tmp_path / "c").read_text()
    assert KEY not in kept and "set-cookie" not in kept and "authorization" not in kept.lower()
    for name, form in forms.items():
        assert form not in kept, name
        assert json.dumps(form)[1:-1] not in kept, name
        assert json.dumps(form, ensure_ascii=False)[1:-1] not in kept, name
    assert kept.count("[secret]") >= 2 * len(forms)


# -- the model seam ----------------------------------------------------------------------------------------------

SPEC = ToolSpec("look", "Looks.", {"type": "object"})
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_PART = st.one_of(
    st.builds(Text, _TEXT),
    st.builds(Reasoning, _TEXT),
    st.builds(ToolCall, _TEXT, _TEXT, st.dictionaries(_TEXT, st.integers() | _TEXT, max_size=2)),
    st.builds(Opaque, _TEXT, _TEXT, st.dictionaries(_TEXT, st.none() | st.booleans(), max_size=2)),
)
_MESSAGE = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.lists(_PART, max_size=2).map(tuple))
_REQUEST = st.builds(
    ModelRequest,
    st.lists(_MESSAGE, max_size=4).map(tuple),
    st.sampled_from([(), (SPEC,)]),
    st.none() | st.integers(1, 9),
)


@given(st.lists(_REQUEST, max_size=5))
def test_requests_are_kept_as_what_is_new_and_read_back_whole(requests: list[ModelRequest]) -> None:
    before = again = ModelRequest(())
    for request in requests:
        asked = Asked.of(request, before)
        again = asked.request(again)
        assert again == request
        before = request


async def test_a_conversation_is_answered_again_item_by_item(tmp_path: Path) -> None:
    writer = Writer.create(tmp_path / "c", MODEL, Redaction())
    broke = ModelError("503.", "Wait.", kind="retry", retry_after=3.0, status=503, spent=8)
    script = (say("one"), broke, CredentialError("No key."), say("two"))
    model = Recording(ScriptedModel(*script, price=Cents()), writer.write, Redaction())
    longer = ModelRequest((*ASK.messages, Message.say("assistant", "one"), Message.say("user", "More")), (SPEC,), 50)
    requests = (ASK, longer, longer, longer)
    first = [await _call(model, request) for request in requests]
    writer.close()
    _, exchanges = load(tmp_path / "c", Header, Exchange)
    assert [len(e.asked.messages) for e in exchanges] == [2, 2, 0, 0], "only what is new is written"
    assert exchanges[1].worst == Cents().worst(8, 0)
    replay = Replay(exchanges)
    assert [await _call(replay, request) for request in requests] == first
    with pytest.raises(ModelError, match="no further call"):
        [item async for item in replay.stream(ASK)]


async def _call(model: Any, request: ModelRequest) -> Any:
    try:
        return [item async for item in model.stream(request)]
    except HarnessError as error:
        more = (error.kind, error.retry_after, error.status, error.spent) if isinstance(error, ModelError) else ()
        return (str(error), error.exit_code, *more)


async def test_another_conversation_than_the_recorded_one_is_refused_with_a_short_diff() -> None:
    exchanges: list[Exchange] = []
    await _call(Recording(ScriptedModel(say("hi")), exchanges.append, Redaction()), ASK)
    long = Message.say("user", "x" * 5000)
    other = ModelRequest((ASK.messages[0], Message.say("user", "Goodbye"), *[long] * 30))
    with pytest.raises(ModelError) as caught:
        [item async for item in Replay(exchanges).stream(other)]
    assert caught.value.kind == "refused"
    shown = [line.split() for line in caught.value.what.splitlines()]
    assert ["-", '"text":', '"Hello"'] in shown and ["+", '"text":', '"Goodbye"'] in shown
    assert len(caught.value.what) < 2500
    assert "more lines" in caught.value.what


async def test_a_secret_that_was_streamed_in_pieces_is_kept_out_whole(tmp_path: Path) -> None:
    class Pieces(ScriptedModel):
        async def stream(self, request: ModelRequest) -> Any:
            for at in range(0, len(CANARY), 3):
                yield Delta(CANARY[at : at + 3])
            yield say(f"it is {CANARY}", Usage(1, 1))

    writer = Writer.create(tmp_path / "c", MODEL, hiding(CANARY))
    request = ModelRequest((Message.say("user", f"Say {CANARY}"),))
    await _call(Recording(Pieces(), writer.write, hiding(CANARY)), request)
    writer.close()
    _, (exchange,) = load(tmp_path / "c", Header, Exchange)
    assert exchange.deltas == (Delta("[secret]"),)
    assert exchange.answer.message.text == "it is [secret]"
    assert "canary" not in (tmp_path / "c").read_text()
    assert (await _call(Replay([exchange], hide=hiding(CANARY)), request))[-1] == exchange.answer


# -- the file ----------------------------------------------------------------------------------------------------


async def cassette(path: Path, calls: int = 2) -> None:
    writer = Writer.create(path, MODEL, Redaction())
    model = Recording(ScriptedModel(*[say(f"{n}") for n in range(calls)]), writer.write, Redaction())
    for _ in range(calls):
        await _call(model, ASK)
    writer.close()


async def test_a_cassette_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c"
    await cassette(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(UsageError, match="never overwrites") as caught:
        Writer.create(path, MODEL, Redaction())
    assert (caught.value.exit_code, path.read_bytes()) == (2, before)
    with pytest.raises(SetupError, match="cannot be written: No such file") as no_folder:
        Writer.create(tmp_path / "none" / "c", MODEL, Redaction())
    assert no_folder.value.exit_code == 78


async def test_every_cut_of_the_file_reads_as_the_records_before_it(tmp_path: Path) -> None:
    path, cut = tmp_path / "c", tmp_path / "cut"
    await cassette(path)
    whole = path.read_bytes()
    ends = [at for at, byte in enumerate(whole, 1) if byte == 10]
    for size in range(ends[0], len(whole) + 1, 7):
        cut.write_bytes(whole[:size])
        assert len(load(cut, Header, Exchange)[1]) == sum(end <= size for end in ends) - 1
        Writer.resume(cut, Redaction()).close()
        assert cut.stat().st_size == max(end for end in ends if end <= size)


@pytest.mark.parametrize(
    ("made", "sentence", "code"),
    [
        (None, "There is no recording", 2),
        (b"", "is not a recording", 2),
        (b"hello\n", "is not a recording", 2),
        (b"\xff\xfe\n", "is not a recording", 2),
        (b'{"cassette":99,"kind":"model","later":1}\n', "newer harness-tui (cassette 99, this one reads 1)", 78),
        (b'{"cassette":1,"kind":"model"}\n{"record":"exch\n{}\n', "Line 2 of", 78),
        (b'{"cassette":1,"kind":"model"}\n' + b"[" * 100_000 + b"\n", "Line 2 of", 78),
    ],
)
def test_what_cannot_be_played_is_said_in_one_sentence(
    made: bytes | None, sentence: str, code: int, tmp_path: Path
) -> None:
    if made is not None:
        (tmp_path / "c").write_bytes(made)
    with pytest.raises((UsageError, SetupError)) as caught:
        load(tmp_path / "c", Header, Exchange)
    assert sentence in caught.value.what and str(tmp_path / "c") in caught.value.what
    assert caught.value.exit_code == code


async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    writer = Writer.create(tmp_path / "c", MODEL, Redaction(), told.append)
    model = Recording(ScriptedModel(say("one"), say("two")), writer.write, Redaction())

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert (await _call(model, ASK))[-1].message.text == "one"
    assert (await _call(model, ASK))[-1].message.text == "two"
    writer.close()
    assert told == [f"The recording {tmp_path / 'c'} ends here: No space left on device."]
    assert load(tmp_path / "c", Header, Exchange)[1] == []
