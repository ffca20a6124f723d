"""Which model a run gets: the forms of an address, the order of sources, and what is said when there is none."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from msgspec import structs

from harness_tui.domain.errors import CredentialError, SetupError, UsageError
from harness_tui.domain.task import ModelSpec, ModelTable, Options
from harness_tui.models import api
from harness_tui.models.api import ApiKind, Choice, default_model
from harness_tui.models.endpoint import base_url, ollama_url

from .listing_server import gemini_models, listing, models, redirecting


@pytest.fixture
def nowhere() -> str:
    """HOST:PORT where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("localhost", "http://localhost/v1"),
        ("gpu-box:8000", "http://gpu-box:8000/v1"),
        ("api.example.com", "https://api.example.com/v1"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
        ("https://api.example.com", "https://api.example.com/v1"),
        ("https://api.example.com/", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com/openai/v2", "https://api.example.com/openai/v2"),
        ("https://api.example.com/v1/chat/completions", "https://api.example.com/v1"),
        (" http://h:1/v1?api-version=3 ", "http://h:1/v1?api-version=3"),
    ],
)
def test_an_address_becomes_a_base(given: str, base: str) -> None:
    assert base_url(given) == base
    assert base_url(base) == base


@pytest.mark.parametrize(
    "given", ["", "ftp://x", "http://", "http://h:99999", "http://h:0", "a b", "http://h\x00", "::"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a model server"):
        base_url(given)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000/v1"),
        (":9000", "http://127.0.0.1:9000/v1"),
        ("[::]:9000", "http://[::1]:9000/v1"),
        ("box", "http://box:11434/v1"),
        ("http://box:1234", "http://box:1234/v1"),
        ("http://box", "http://box:80/v1"),
        ("https://box.example/", "https://box.example:443/v1"),
        ("https://box.example/ollama", "https://box.example:443/ollama"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(given: str, url: str) -> None:
    assert ollama_url({"OLLAMA_HOST": given}) == url
    assert ollama_url({"OLLAMA_URL": given, "OLLAMA_HOST": given}) == url


def test_a_local_ollama_gives_its_newest_model_and_gets_no_key() -> None:
    with listing(models("new", "old")) as (address, seen):
        environ = {"OLLAMA_HOST": address}
        assert default_model(environ) == ModelSpec("ollama", "new", f"http://{address}/v1")
        assert default_model(environ, model="old").model == "old"
    assert seen == ["/v1/models", "/v1/models"]


def test_an_ollama_without_models_says_what_to_do() -> None:
    with (
        listing({"object": "list", "data": None}) as (address, _),
        pytest.raises(SetupError, match="ollama pull") as caught,
    ):
        default_model({"OLLAMA_HOST": address})
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("body", "status"), [(b"<html>", 200), (b"[" * 5000, 200), ([], 200), ({"data": [1]}, 200), ({}, 500)]
)
def test_something_else_on_the_port_is_no_ollama(body: Any, status: int) -> None:
    with listing(body, status) as (address, _), pytest.raises(SetupError, match="no Ollama answers"):
        default_model({"OLLAMA_HOST": address})


def test_with_nothing_at_all_the_ways_and_the_demo_are_named(nowhere: str) -> None:
    with pytest.raises(SetupError) as caught:
        default_model({"OLLAMA_HOST": nowhere, "OPENAI_API_KEY": " ", "ANTHROPIC_BASE_URL": ""})
    assert caught.value.exit_code == 78
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_BASE_URL")
    for word in ("--url URL --model NAME", *keys, "Ollama", "harness-tui demo"):
        assert word in caught.value.next_step


LISTINGS = [
    ("openai-chat", models, "/v1/models authorization=Bearer sk-canary"),
    ("openai-responses", models, "/v1/models authorization=Bearer sk-canary"),
    ("ollama", models, "/v1/models authorization=Bearer sk-canary"),
    ("anthropic", models, "/v1/models?limit=100 authorization=Bearer sk-canary x-api-key=sk-canary"),
    ("gemini", gemini_models, "/v1beta/models?pageSize=1000 x-goog-api-key=sk-canary"),
]
KEYED = {f"{maker}_API_KEY": "sk-canary" for maker in ("OPENAI", "ANTHROPIC", "GEMINI", "OLLAMA")}


@pytest.mark.parametrize(("api", "listed", "request_line"), LISTINGS, ids=[api for api, *_ in LISTINGS])
def test_each_family_is_asked_for_its_list_in_its_own_words(
    api: str, listed: Callable[..., Any], request_line: str
) -> None:
    with listing(listed("only")) as (address, seen):
        spec = default_model(KEYED, url=address, api=api)
    assert (spec.api, spec.model, seen) == (api, "only", [request_line])
    with listing(listed(*"abcdefg")) as (address, _), pytest.raises(UsageError) as caught:
        default_model(KEYED, url=address, api=api)
    assert caught.value.what == f"No model is named for {address}."
    assert caught.value.next_step == "Give --model NAME; it has a, b, c, d, e, ...."


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_asks_for_another_key_is_named_with_where_the_key_came_from(status: int) -> None:
    with listing({}, status) as (address, _):
        with pytest.raises(
            CredentialError, match=r"refused the key\. It came from OPENAI_API_KEY \(environment\)"
        ) as no:
            default_model({"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": address})
        assert (no.value.exit_code, "canary" in str(no.value)) == (7, False)
        with pytest.raises(CredentialError, match=r"asks for a key\. Set ANTHROPIC_API_KEY, or keep one with: harness"):
            default_model({}, url=address, api="anthropic")
        assert default_model({}, url=address, model="m").model == "m", "a named model needs no list"


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with listing(models("stolen")) as (elsewhere, seen):
        with (
            redirecting(f"http://{elsewhere}/v1/models") as address,
            pytest.raises(UsageError, match="No model is named"),
        ):
            default_model({"OPENAI_API_KEY": "sk-canary"}, url=address)
        assert seen == []


def test_a_key_that_cannot_travel_is_refused_without_being_shown() -> None:
    with listing(models("m")) as (address, seen), pytest.raises(CredentialError) as caught:
        default_model({"OPENAI_API_KEY": "sk-canary\r\nX: y"}, url=address)
    assert ("canary" in str(caught.value), seen) == (False, [])


def test_the_key_of_a_store_is_read_to_ask_for_the_list() -> None:
    asked: list[tuple[str, str]] = []

    def secret(handle: str, url: str) -> str:
        asked.append((handle, url))
        return "sk-kept"

    with listing(models("only")) as (address, seen):
        having = Choice({}, known={"OPENAI_API_KEY": "keyring"}.get, secret=secret)
        assert having.main(url=address).key == "vault:OPENAI_API_KEY"
    assert asked == [("vault:OPENAI_API_KEY", f"http://{address}/v1")]
    assert seen == ["/v1/models authorization=Bearer sk-kept"]


# -- addresses only a task file names ----------------------------------------------------------------------------------


def test_a_key_that_lies_around_is_not_sent_where_only_a_task_file_says() -> None:
    told: list[str] = []
    with listing(models("only")) as (address, seen):
        having = Choice({"OPENAI_API_KEY": "sk-canary"}, task=ModelTable(url=address))
        spec = having.main(tell=told.append)
    assert (spec.key, spec.model, seen) == ("", "only", ["/v1/models"])
    assert told == [f"OPENAI_API_KEY is not sent to {address}: only the task file names that address."]


@pytest.mark.parametrize("model", ["", "named"])
def test_when_that_server_asks_for_the_key_the_reason_is_said(model: str) -> None:
    with listing({}, 401) as (address, seen):
        having = Choice({"OPENAI_API_KEY": "sk-canary"}, task=ModelTable(url=address, model=model))
        with pytest.raises(
            CredentialError, match=r"OPENAI_API_KEY is not sent to .*: only the task file names"
        ) as caught:
            having.main()
    assert (caught.value.exit_code, seen) == (7, ["/v1/models"])


def test_a_key_the_task_file_names_itself_goes_there_and_it_is_said() -> None:
    told: list[str] = []
    with listing(models("only")) as (address, seen):
        having = Choice({"MINE": "sk-mine"}, task=ModelTable(url=address, key="env:MINE"))
        assert having.main(tell=told.append).key == "env:MINE"
    assert seen == ["/v1/models authorization=Bearer sk-mine"]
    assert told == [f"The task file sends env:MINE to {address}."]


# -- roles and fallbacks -----------------------------------------------------------------------------------------------


NAMED = {
    "spare": ModelTable(model="small"),
    "cloud": ModelTable(api="anthropic", model="wise", max_tokens=5, fallback=("spare",)),
}
CONFIG = ModelTable(url="gw.example", model="big", key="vault:WORK", temperature=0.5, fallback=("spare", "cloud"))


def test_roles_and_fallbacks_come_from_the_configuration() -> None:
    having = Choice({"ANTHROPIC_API_KEY": "k"}, config=CONFIG, named=NAMED)
    main = having.main()
    small = ModelSpec("openai-chat", "small", "https://gw.example/v1", "vault:WORK")
    wise = ModelSpec("anthropic", "wise", "https://api.anthropic.com", "vault:ANTHROPIC_API_KEY", Options(max_tokens=5))
    big = ModelSpec("openai-chat", "big", small.url, "vault:WORK", Options(temperature=0.5), (small, wise))
    assert main == big
    assert having.roles(main) == {"spare": small, "cloud": structs.replace(wise, fallbacks=(small,))}


def test_flags_for_another_server_leave_the_configured_ones_companions_behind() -> None:
    having = Choice({}, config=CONFIG, named=NAMED)
    main = having.main(url="box:8000", model="m")
    assert (main.fallbacks, main.key, main.options) == ((), "", Options(temperature=0.5))
    assert set(having.roles(main)) == {"cloud"}, "it names a server of its own"


def test_a_fallback_nobody_configured_is_refused() -> None:
    having = Choice({}, task=ModelTable(url="box:1", model="m", fallback=("spre",)), named=NAMED)
    with pytest.raises(UsageError, match=r"of the task file is not configured\. Write \[models\.spre\]"):
        having.main()


# -- kinds that other packages bring -----------------------------------------------------------------------------------


class Installed:
    """A model of an entry point."""

    name = label = "installed"

    def __init__(self, url: str, model: str, key: str) -> None:
        self.given = (url, model, key)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("mine", f"{__name__}:Installed", api.GROUP),
            EntryPoint("gone", "no_such_package:Model", api.GROUP),
        ]
    )
    monkeypatch.setattr(api, "_installed", lambda: points)


@pytest.mark.usefixtures("installed")
def test_an_installed_kind_is_built_by_its_factory() -> None:
    model = ApiKind.build("u", "m", "k", api="mine")
    assert isinstance(model, Installed)
    assert model.given == ("u", "m", "k")


@pytest.mark.usefixtures("installed")
def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r'no model API "mind"; did you mean "mine"\? Known: .*gone, mine, .*openai-chat'
    ):
        ApiKind.build("u", "m", api="mind")
    with pytest.raises(SetupError, match='model API "gone" cannot be loaded'):
        ApiKind.build("u", "m", api="gone")


def test_the_stand_in_is_known_to_this_installation() -> None:
    with pytest.raises(UsageError, match="stand-in"):
        ApiKind.build("", "m", api="nothing-like-it")


@pytest.mark.parametrize("kind", list(ApiKind))
def test_a_kind_builds_models_of_its_own_family_whatever_the_url_looks_like(kind: ApiKind) -> None:
    assert kind.build("http://127.0.0.1:1/v1", "m", "k").api == kind  # type: ignore[attr-defined]
    assert kind.build("", "m").name == "m"
    assert ApiKind.build("", "m", api=kind).api == kind  # type: ignore[attr-defined]


def test_without_a_kind_the_url_tells() -> None:
    def family(url: str) -> str:
        return ApiKind.build(url, "m", "k").api  # type: ignore[attr-defined]

    assert family("https://api.anthropic.com") == "anthropic"
    assert family("https://gateway.example/anthropic") == "anthropic"
    assert family("https://generativelanguage.googleapis.com") == "gemini"
    assert family("https://generativelanguage.googleapis.com/v1beta/openai") == "openai-chat"
    assert family("https://api.openai.com/v1") == "openai-responses"
    assert family("box:11434") == "ollama"
    assert family("box:8000") == "openai-chat"


def test_a_model_needs_a_name() -> None:
    with pytest.raises(UsageError, match="No model is named"):
        ApiKind.build("localhost:1", "  ")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, harness_tui.models.api as api\n"
        "heavy = {'openai', 'anthropic', 'pydantic', 'asyncio', 'httpx2', 'textual', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
        "api.ApiKind.build('127.0.0.1:1', 'm')\n"
        "print(sorted((heavy - {'asyncio'}) & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
