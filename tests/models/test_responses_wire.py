"""The responses wire as pure functions: bodies the published description takes, answers the same however they come."""

from __future__ import annotations

import functools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.messages import (
    Answer,
    Image,
    Message,
    ModelRequest,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from harness_tui.domain.task import Options
from harness_tui.models.family import Refused
from harness_tui.models.openai.responses_stream import ResponsesAssembly
from harness_tui.models.openai.responses_wire import body_of, input_of

from .responses_events import FORMS, call, ended, message, reasoning, refusal, streamed
from .test_openai_wire import ARGUMENTS, JSON, NAMES, TEXTS

MODEL = "astra-2026-11-01"
LINE = "astra"


@functools.cache
def published() -> Any:
    """The description of the request that ships with the vendor's SDK; a key it does not know is an error."""
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(list[ResponseCreateParamsStreaming], config=ConfigDict(extra="forbid"))


def check(body: dict[str, Any]) -> None:
    """Raises if the body is not as published; walks it, for the description is checked lazily."""

    def walked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walked(item) for key, item in value.items()}
        return [walked(item) for item in value] if hasattr(value, "__iter__") and not isinstance(value, str) else value

    (read,) = walked(published().validate_python([body]))
    assert read == body


def assembled(events: list[Any], request: ModelRequest | None = None) -> Answer:
    assembly = ResponsesAssembly(request or ModelRequest(()), MODEL)
    for event in events:
        list(assembly.feed(event))
    return assembly.answer()


# -- conversations -----------------------------------------------------------------------------------------------

OUTPUTS = st.lists(
    st.one_of(
        st.builds(message, TEXTS, phase=st.sampled_from([None, "commentary", "final_answer"])),
        st.builds(refusal, TEXTS),
        st.builds(reasoning, TEXTS, st.sampled_from(["", "gAAAA"])),
        st.builds(reasoning, TEXTS, content=TEXTS.map(lambda text: [{"type": "reasoning_text", "text": text}])),
        st.builds(lambda name, args: call(name, json.dumps(args)), NAMES, ARGUMENTS),
    ),
    max_size=5,
)


def numbered(output: list[dict[str, Any]], turn: int) -> list[dict[str, Any]]:
    """The items with ids of their own."""
    return [
        {**item, "id": f"{item['type'][:3]}_{turn}_{n}"} | ({"call_id": f"c{turn}_{n}"} if "call_id" in item else {})
        for n, item in enumerate(output)
    ]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Rules, tasks, answers (of this model, of another, or made by hand) and their results, as the engine has them."""
    talk = [Message.say("system", draw(TEXTS)) for _ in range(draw(st.integers(0, 2)))]
    asked = st.lists(st.builds(Text, TEXTS) | st.just(Image("image/png", "iVBORw0=")), max_size=3).map(tuple)
    for turn in range(draw(st.integers(0, 4))):
        talk.append(Message(draw(st.sampled_from(["user", "user", "system"])), draw(asked)))
        answer = assembled(streamed(numbered(draw(OUTPUTS), turn)))
        kept = draw(st.sampled_from([True, True, False]))
        talk.append(Message("assistant", tuple(p for p in answer.parts if kept or not isinstance(p, Opaque))))
        if answer.message.calls:
            results: tuple[Part, ...] = tuple(ToolResult(c.id, c.name, draw(TEXTS)) for c in answer.message.calls)
            talk.append(Message("tool", (*results, *draw(asked))))
    return tuple(talk)


@settings(max_examples=60, deadline=None)
@given(conversations(), st.sampled_from([MODEL, "other"]))
def test_any_conversation_is_a_request_as_published_whose_results_follow_their_calls(
    talk: tuple[Message, ...], model: str
) -> None:
    specs = (ToolSpec("look", "Looks.", {"type": "object"}), ToolSpec("go", "Goes.", {"type": "object"}))
    options = Options(seed=1, temperature=0.5, effort="xhigh", parallel_tools=True)
    body = body_of(ModelRequest(talk, specs, 300), model, options)
    check(body)
    made: list[str] = []
    answered: list[str] = []
    for item in body["input"]:
        match item["type"]:
            case "function_call":
                made.append(item["call_id"])
                assert isinstance(json.loads(item["arguments"]), dict)
            case "function_call_output":
                assert item["call_id"] in made
                answered.append(item["call_id"])
            case "message":
                content = item["content"]
                assert content
                assert isinstance(content, str) or any(map(_said, content))
                assert item["role"] == "assistant" or all(map(_said, content))
            case "reasoning":
                assert item.get("encrypted_content") or item["content"]
    calls = [c.id for m in talk for c in m.calls]
    assert made == answered == calls
    said = "".join(p.text for m in talk if m.role == "assistant" for p in m.parts if isinstance(p, Text))
    assert said == "".join(map(_text, body["input"]))


def _text(item: dict[str, Any]) -> str:
    if item.get("role") != "assistant":
        return ""
    if isinstance(item["content"], str):
        return item["content"]
    return "".join(map(_said, item["content"]))


def _said(part: dict[str, Any]) -> str:
    return str(part.get("text") or part.get("refusal") or part.get("image_url") or "")


@settings(max_examples=60, deadline=None)
@given(conversations(), st.integers(0, 12), st.integers(16, 10**6))
def test_consecutive_requests_share_a_byte_exact_prefix(talk: tuple[Message, ...], at: int, room: int) -> None:
    at = max(at, next((n for n, m in enumerate(talk) if m.role != "system"), len(talk)))
    options = Options(effort="low", temperature=0.1)
    before = json.dumps(body_of(ModelRequest(talk[:at]), MODEL, options))
    stored = msgspec.json.decode(msgspec.json.encode(talk), type=tuple[Message, ...])
    after = json.dumps(body_of(ModelRequest(stored, (), room), MODEL, options))
    assert after.startswith(before.removesuffix("]}"))


def test_rules_before_the_first_message_are_instructions_and_later_ones_stay_in_their_place() -> None:
    talk = [("system", "A"), ("system", "B"), ("user", "u"), ("system", "C")]
    body = body_of(ModelRequest(tuple(Message.say(role, text) for role, text in talk)), MODEL)  # type: ignore[arg-type]
    assert body["instructions"] == "A\n\nB"
    assert [item["role"] for item in body["input"]] == ["user", "system"]


def test_the_order_of_words_and_calls_is_kept_when_an_answer_is_rebuilt() -> None:
    parts: tuple[Part, ...] = (Reasoning("hm"), Text("a"), Text("b"), ToolCall("1", "look"), Text("c"))
    assert input_of([Message("assistant", parts), Message("assistant", (Reasoning("only"),))], MODEL) == [
        {"type": "message", "role": "assistant", "content": "ab"},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": "c"},
    ]


# -- what is kept of an answer, and for whom ---------------------------------------------------------------------

SECRET = [reasoning("Sum", "gAAAA", status="completed"), message("Hi"), call("look", "{}")]


def test_kept_items_go_back_to_the_same_model_line_only() -> None:
    answer = assembled(streamed(SECRET))
    assert [part.model for part in answer.parts if isinstance(part, Opaque)] == [LINE]
    same, alias, foreign = (input_of([answer.message], model) for model in (MODEL, f"{LINE}-latest", "other"))
    assert same == alias
    assert [item["type"] for item in same] == ["reasoning", "message", "function_call"]
    # The published description has `status` for reasoning as input; api.openai.com refuses it.
    assert same[0] == {key: value for key, value in SECRET[0].items() if key != "status"}
    assert [item["type"] for item in foreign] == ["message", "function_call"]
    assert not any("id" in item for item in foreign)


def test_an_answer_whose_neutral_parts_lose_nothing_is_kept_only_once() -> None:
    plain = assembled(streamed([reasoning("Sum"), message("Hi"), call("look", "{}")]))
    assert plain.parts == (Reasoning("Sum"), Text("Hi"), ToolCall("call_1", "look"))


@pytest.mark.parametrize(
    "item",
    [
        message("Hi", phase="commentary"),
        call("look", "{}", namespace="eyes"),
        reasoning(content=[{"type": "reasoning_text", "text": "hm"}]),
        {"type": "shell_call", "id": "sh_1"},
    ],
)
def test_what_neutral_parts_would_lose_is_kept(item: dict[str, Any]) -> None:
    assert any(isinstance(part, Opaque) for part in assembled(streamed([item])).parts)


def test_kept_items_whose_calls_were_taken_out_of_the_message_are_not_sent() -> None:
    answer = assembled(streamed(SECRET))
    changed = Message("assistant", tuple(part for part in answer.parts if not isinstance(part, ToolCall)))
    assert input_of([changed], MODEL) == [{"type": "message", "role": "assistant", "content": "Hi"}]


def test_reasoning_that_led_to_nothing_is_not_sent() -> None:
    answer = assembled(streamed([message("Hi", phase="commentary"), reasoning("Sum", "gAAAA")]))
    assert [item["type"] for item in input_of([answer.message], MODEL)] == ["message"]


def test_items_that_were_sent_in_part_only_are_rebuilt() -> None:
    hollow = [{**event, "item": {**event["item"], "content": []}} if "item" in event else event for event in _hi()]
    answer = assembled([*hollow, ended([], "completed")])
    assert answer.parts == (Text("Hi"),)


def _hi() -> list[Any]:
    return [event for event in streamed([message("Hi", phase="commentary")]) if event["type"] != "response.completed"]


# -- streams -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(OUTPUTS, st.sampled_from(sorted(FORMS)))
def test_every_form_of_a_stream_gives_the_same_answer(output: list[dict[str, Any]], form: str) -> None:
    output = numbered(output, 0)
    plain, other = assembled(streamed(output)), assembled(FORMS[form](streamed(output)))
    assert _neutral(other) == _neutral(plain)
    assert (other.stop, other.usage) == (plain.stop, plain.usage)


@pytest.mark.parametrize("mark", ["item_id", "output_index"])
def test_calls_whose_pieces_come_in_turns_are_told_apart(mark: str) -> None:
    items = [call("look", "", "a"), call("go", "", "b")]
    marks: list[Any] = ["fc_a", "fc_b"] if mark == "item_id" else [0, 1]
    added = [
        {"type": "response.output_item.added", "item": item} | ({mark: place} if mark == "output_index" else {})
        for item, place in zip(items, marks, strict=True)
    ]
    pieces = [
        {"type": "response.function_call_arguments.delta", mark: place, "delta": text}
        for text in ('{"n"', ":1}")
        for place in marks
    ]
    assert assembled([*added, *pieces, ended([])]).parts == (
        ToolCall("a", "look", {"n": 1}),
        ToolCall("b", "go", {"n": 1}),
    )


def test_what_was_sent_finished_is_not_changed_by_the_list_at_the_end() -> None:
    other = [reasoning("Sum", "gBBBB", "rs_9"), message("Hi", "msg_9"), call("look", "{}", "call_9")]
    answer = assembled([*streamed(SECRET)[:-1], ended(other)])
    assert answer == assembled([*streamed(SECRET)[:-1], ended(SECRET)])


def test_a_message_that_was_opened_and_never_used_costs_nothing() -> None:
    opened = {"type": "response.output_item.added", "item": message("", "msg_0") | {"content": []}}
    turn = [SECRET[0], SECRET[2]]
    assert assembled([opened, *streamed(turn)]) == assembled(streamed(turn))


def test_messages_that_the_list_at_the_end_has_as_one_are_one() -> None:
    pieces = [
        {"type": "response.output_text.delta", "item_id": name, "output_index": place, "delta": text}
        for place, (name, text) in enumerate([("msg_a", "Hi "), ("msg_b", "there")])
    ]
    assert assembled([*pieces, ended([message("Hi there")])]).parts == (Text("Hi there"),)


def _neutral(answer: Answer) -> list[Part]:
    """Parts by kind: a server that leaves the places of its items out cannot mean their order."""
    kept = [part for part in answer.parts if not isinstance(part, Opaque)]
    return sorted(kept, key=lambda part: type(part).__name__)


@given(OUTPUTS, st.integers(0, 200))
def test_a_stream_cut_anywhere_is_cut_and_has_no_calls(output: list[dict[str, Any]], at: int) -> None:
    answer = assembled(streamed(numbered(output, 0))[:-1][:at])
    assert answer.stop == "cut"
    assert all(isinstance(part, Text | Reasoning) for part in answer.parts)


EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted({event["type"] for event in streamed([*SECRET, refusal("No")])}))},
    optional={
        "item": JSON | st.sampled_from(SECRET),
        "response": JSON | st.fixed_dictionaries({"output": JSON | st.lists(st.sampled_from(SECRET))}),
        "part": JSON,
        "delta": JSON,
        "text": JSON,
        "item_id": JSON,
        "output_index": JSON,
        "content_index": JSON,
    },
)


@given(st.lists(JSON | EVENTS, max_size=8))
def test_no_event_whatever_breaks_the_assembly(events: list[Any]) -> None:
    try:
        answer = assembled(events)
    except Refused:
        return
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
    check(body_of(ModelRequest((answer.message,)), "another"))
    assert all(item.get("type") for item in input_of([answer.message], MODEL))


def test_halves_of_a_character_are_joined_and_what_cannot_be_written_down_is_replaced() -> None:
    halves = [
        {"type": "response.output_text.delta", "item_id": "m", "delta": half} for half in ("\ud83d", "\ude00\ud800")
    ]
    assert assembled([*halves, ended([])]).parts == (Text("😀�"),)
    answer = assembled([ended([reasoning("\ud83d\ude00", "gAAAA\ude00"), message("ok")])])
    (opaque,) = (part for part in answer.parts if isinstance(part, Opaque))
    assert opaque.raw["output"][0]["encrypted_content"] == "gAAAA�"
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
