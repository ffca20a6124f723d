"""Which server and which key: the order of sources, what one of them may say about another's server, and where a key
that lies around never goes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import ModelTable
from harness_tui.models.choice import Choice
from harness_tui.models.endpoint import base_url
from harness_tui.models.plan import Plan

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
GEMINI = "https://generativelanguage.googleapis.com/v1beta"
LOCAL = "http://127.0.0.1:11434/v1"


def planned(environ: dict[str, str] | None = None, **more: Any) -> Plan:
    flags = {name: more.pop(name) for name in ("url", "api", "model") if name in more}
    return Choice(environ or {}, **more).plan(**flags)


def settled(environ: dict[str, str] | None = None, **more: Any) -> tuple[str, str, str]:
    found = planned(environ, **more)
    return found.api, found.url, found.key


# -- the environment alone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("ollama", LOCAL, "")),
        ({"OPENAI_API_KEY": "k"}, ("openai-responses", OPENAI, "vault:OPENAI_API_KEY")),
        ({"ANTHROPIC_API_KEY": "k"}, ("anthropic", ANTHROPIC, "vault:ANTHROPIC_API_KEY")),
        ({"ANTHROPIC_AUTH_TOKEN": "k"}, ("anthropic", ANTHROPIC, "vault:ANTHROPIC_AUTH_TOKEN")),
        ({"GEMINI_API_KEY": "k"}, ("gemini", GEMINI, "vault:GEMINI_API_KEY")),
        ({"GOOGLE_API_KEY": "k"}, ("gemini", GEMINI, "vault:GOOGLE_API_KEY")),
        ({"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "g"}, ("gemini", GEMINI, "vault:GOOGLE_API_KEY")),
        ({"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": " "}, ("gemini", GEMINI, "vault:GEMINI_API_KEY")),
        ({"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "k"}, ("anthropic", ANTHROPIC, "vault:ANTHROPIC_API_KEY")),
        ({"OPENAI_BASE_URL": "gw.example"}, ("openai-chat", "https://gw.example/v1", "")),
        (
            {"OPENAI_BASE_URL": "h:11434", "OPENAI_API_KEY": "k"},
            ("ollama", "http://h:11434/v1", "vault:OPENAI_API_KEY"),
        ),
        ({"OPENAI_BASE_URL": "https://gw.example/anthropic"}, ("openai-chat", "https://gw.example/anthropic", "")),
        (
            {"ANTHROPIC_BASE_URL": "http://h:9/v1", "ANTHROPIC_API_KEY": "k"},
            ("anthropic", "http://h:9", "vault:ANTHROPIC_API_KEY"),
        ),
        ({"OLLAMA_HOST": "0.0.0.0"}, ("ollama", LOCAL, "")),
        (
            {"OLLAMA_URL": "https://ollama.com", "OLLAMA_API_KEY": "k"},
            ("ollama", "https://ollama.com:443/v1", "vault:OLLAMA_API_KEY"),
        ),
        ({"OLLAMA_API_KEY": "k"}, ("ollama", LOCAL, "")),
    ],
    ids=str,
)
def test_each_vendors_variables_name_its_server_and_its_key(environ: dict[str, str], expected: Any) -> None:
    assert settled(environ) == expected


def test_among_several_keys_the_order_is_fixed_and_told() -> None:
    keys = {"GEMINI_API_KEY": "g", "ANTHROPIC_API_KEY": "a"}
    found = planned(keys)
    assert found.key == "vault:ANTHROPIC_API_KEY"
    assert found.note.startswith("Settings of Anthropic and of Gemini are there; Anthropic is asked.")
    assert planned({**keys, "OPENAI_API_KEY": "o"}).key == "vault:OPENAI_API_KEY"
    assert planned(dict(reversed(keys.items()))).note == found.note
    assert planned(keys, api="gemini").note == planned({"GEMINI_API_KEY": "g"}).note == ""


def test_a_key_that_is_kept_elsewhere_counts_like_a_variable_and_says_so() -> None:
    found = planned(known={"GEMINI_API_KEY": "keyring"}.get)
    assert (found.key, found.where["key"]) == ("vault:GEMINI_API_KEY", "GEMINI_API_KEY (keyring)")
    assert planned({"GEMINI_API_KEY": "k"}).where["key"] == "GEMINI_API_KEY (environment)"
    assert "sk-canary" not in repr(planned({"OPENAI_API_KEY": "sk-canary"}))


# -- layers ------------------------------------------------------------------------------------------------------------

GATEWAY = ModelTable(url="https://gw.example/v1", model="big", key="vault:WORK", temperature=0.5, extra={"a": 1})
ALL_KEYS = {f"{maker}_API_KEY": "k" for maker in ("OPENAI", "ANTHROPIC", "GEMINI", "OLLAMA")}


def test_flags_come_before_the_task_file_before_the_configuration_before_the_environment() -> None:
    environ = {"OPENAI_BASE_URL": "http://env:1"}
    task = ModelTable(url="http://task:1", temperature=0.1)
    assert planned(environ).url == "http://env:1/v1"
    assert planned(environ, config=GATEWAY).url == "https://gw.example/v1"
    assert planned(environ, config=GATEWAY, task=task).url == "http://task:1/v1"
    found = planned(environ, config=GATEWAY, task=task, url="http://flag:1", model="m")
    assert (found.url, found.table.model, found.table.temperature) == ("http://flag:1/v1", "m", 0.1)
    assert {name: found.where[name] for name in ("url", "model", "temperature")} == {
        "url": "--url",
        "model": "--model",
        "temperature": "the task file",
    }


def test_another_model_of_the_same_server_keeps_its_key() -> None:
    found = planned(ALL_KEYS, config=GATEWAY, task=ModelTable(model="small"))
    assert (found.url, found.key, found.table.model, found.table.extra) == (
        GATEWAY.url,
        "vault:WORK",
        "small",
        {"a": 1},
    )


@pytest.mark.parametrize("above", [{"url": "http://other:1"}, {"task": ModelTable(url="http://other:1")}], ids=str)
def test_another_server_keeps_nothing_that_was_said_of_the_first(above: dict[str, Any]) -> None:
    found = planned(config=GATEWAY, **above)
    assert (found.table.model, found.key, found.table.extra) == ("", "", {})
    assert found.table.temperature == 0.5, "a wish holds wherever it is granted"


def test_another_protocol_is_spoken_with_the_same_server_where_it_can_speak_it() -> None:
    assert settled(ALL_KEYS, config=GATEWAY, api="anthropic") == ("anthropic", "https://gw.example", "vault:WORK")
    vendor = ModelTable(url=OPENAI, model="big", key="vault:WORK")
    assert settled(ALL_KEYS, config=vendor, api="openai-chat") == ("openai-chat", OPENAI, "vault:WORK")
    assert settled(ALL_KEYS, config=vendor, api="anthropic") == ("anthropic", ANTHROPIC, "vault:ANTHROPIC_API_KEY")
    named = ModelTable(api="anthropic", model="big", key="vault:WORK")
    assert settled(ALL_KEYS, config=named, api="gemini") == ("gemini", GEMINI, "vault:GEMINI_API_KEY")
    assert settled(ALL_KEYS, config=named, api="anthropic") == ("anthropic", ANTHROPIC, "vault:WORK")


def test_an_installed_kind_is_taken_as_it_is() -> None:
    assert settled(ALL_KEYS, config=GATEWAY, api="stand-in") == ("stand-in", "", "")
    assert settled(ALL_KEYS, config=ModelTable(api="stand-in", url="x", key="env:K")) == ("stand-in", "x", "env:K")
    assert settled(ALL_KEYS, config=ModelTable(api="stand-in"), api="gemini")[0] == "gemini"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (OPENAI, "vault:OPENAI_API_KEY"),
        (ANTHROPIC, "vault:ANTHROPIC_API_KEY"),
        (f"{ANTHROPIC}/v1", "vault:ANTHROPIC_API_KEY"),
        (f"{GEMINI}/openai", "vault:GEMINI_API_KEY"),
        ("https://gw.example/anthropic", "vault:ANTHROPIC_API_KEY"),
        ("https://gw.example/v1", "vault:OPENAI_API_KEY"),
        ("box:11434", "vault:OLLAMA_API_KEY"),
    ],
)
def test_the_operators_address_gets_the_key_of_whom_it_belongs_to(url: str, key: str) -> None:
    for said in ({"url": url}, {"config": ModelTable(url=url)}):
        assert planned(ALL_KEYS, **said).key == key
    chat = planned(ALL_KEYS, url=url, api="openai-chat")
    assert chat.key == ("vault:OPENAI_API_KEY" if "gw." in url or "box" in url else key)


# -- a task file may come with a repository ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "more", "key", "withheld"),
    [
        ("https://evil.example/v1", {}, "", "OPENAI_API_KEY"),
        ("https://api.openai.com.evil.example/v1", {}, "", "OPENAI_API_KEY"),
        ("http://api.openai.com/v1", {}, "", "OPENAI_API_KEY"),
        ("https://api.openai.com:444/v1", {}, "", "OPENAI_API_KEY"),
        ("http://api.openai.com:443/v1", {}, "", "OPENAI_API_KEY"),
        ("https://api.openai.com@evil.example/v1", {}, "", "OPENAI_API_KEY"),
        ("http://127.0.0.1:11434/v1", {}, "", "OLLAMA_API_KEY"),
        (OPENAI, {}, "vault:OPENAI_API_KEY", ""),
        ("https://api.openai.com:443/v1", {}, "vault:OPENAI_API_KEY", ""),
        ("https://gw.example/other", {"config": GATEWAY}, "vault:OPENAI_API_KEY", ""),
        ("http://gw.example/v1", {"config": GATEWAY}, "", "OPENAI_API_KEY"),
        ("http://env:1/v1", {"environ": {"OPENAI_BASE_URL": "http://env:1"}}, "vault:OPENAI_API_KEY", ""),
        ("http://env:1/v1", {"environ": {"ANTHROPIC_BASE_URL": "http://env:1"}}, "", "OPENAI_API_KEY"),
    ],
)
def test_a_key_that_lies_around_goes_only_where_the_operator_says(
    url: str, more: dict[str, Any], key: str, withheld: str
) -> None:
    environ = {**ALL_KEYS, **more.pop("environ", {})}
    found = planned(environ, task=ModelTable(url=url, model="m"), **more)
    assert (found.key, found.withheld) == (key, withheld)
    flagged = planned(environ, task=ModelTable(url=url, model="m"), url=url, **more)
    assert flagged.key, "the operator's own flag says so"


URLS = st.sampled_from(
    [
        "",
        OPENAI,
        ANTHROPIC,
        GEMINI,
        "https://gw.example/v1",
        "http://gw.example/v1",
        "http://127.0.0.1:11434",
        "evil:80",
    ]
)
NAMES = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OLLAMA_API_KEY",
]
BASES = ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"]
KINDS = st.sampled_from(["", "openai-chat", "openai-responses", "anthropic", "gemini", "ollama"])
TABLES = st.builds(ModelTable, url=URLS, api=KINDS, model=st.sampled_from(["", "m"]))
OWN = {"OPENAI": OPENAI, "ANTHROPIC": ANTHROPIC, "GEMINI": GEMINI, "GOOGLE": GEMINI, "OLLAMA": "https://ollama.com"}


def origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(base_url(url))
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]


@settings(deadline=None, max_examples=400)
@given(st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(BASES), URLS), TABLES, TABLES, URLS, KINDS)
def test_no_task_file_draws_a_key_to_itself(
    keys: set[str], bases: dict[str, str], config: ModelTable, task: ModelTable, url: str, api: str
) -> None:
    environ = {**dict.fromkeys(keys, "sk-canary"), **bases}
    found = planned(environ, config=config, task=task, url=url, api=api)
    assert planned(environ, config=config, task=task, url=url, api=api) == found
    assert "canary" not in repr(found)
    if found.key:
        maker = found.key.removeprefix("vault:").partition("_")[0]
        variable = {"OPENAI": "OPENAI_BASE_URL", "ANTHROPIC": "ANTHROPIC_BASE_URL", "OLLAMA": "OLLAMA_HOST"}.get(
            maker, ""
        )
        operators = [OWN[maker], url, config.url, bases.get(variable, "")]
        assert origin(found.url) in {origin(each) for each in operators if each}


def test_what_is_no_address_is_refused_with_the_place_it_stands_in() -> None:
    for said, place in (({"url": "ftp://x"}, "--url"), ({"task": ModelTable(url="a b")}, "the task file")):
        with pytest.raises(UsageError, match=f'{place} ".*" is not the address of a model server'):
            planned(**said)
    with pytest.raises(UsageError, match='OPENAI_BASE_URL "ftp://x" is not the address'):
        planned({"OPENAI_BASE_URL": "ftp://x"})
