"""Which model a run gets: the forms of an address, the order of sources, and what is said when there is none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from harness_tui.domain.errors import SetupError, UsageError
from harness_tui.domain.task import ModelSpec
from harness_tui.models import api
from harness_tui.models.api import ApiKind, default_model
from harness_tui.models.endpoint import base_url, ollama_url


@contextmanager
def listing(body: Any, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A server with one answer for `/v1/models`; gives HOST:PORT and the keys it was shown."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", keys
    finally:
        server.shutdown()
        server.server_close()


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name} for name in names]}


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
    with listing(models("new", "old")) as (address, keys):
        spec = default_model({"OLLAMA_HOST": address})
        assert spec == ModelSpec("openai-chat", "new", f"http://{address}/v1")
        assert default_model({"OLLAMA_HOST": address}, model="old").model == "old"
    assert keys == ["/v1/models", "/v1/models"]


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


def test_with_nothing_at_all_the_three_ways_and_the_demo_are_named(nowhere: str) -> None:
    with pytest.raises(SetupError) as caught:
        default_model({"OLLAMA_HOST": nowhere})
    assert caught.value.exit_code == 78
    for word in ("--url URL --model NAME", "OPENAI_API_KEY", "OPENAI_BASE_URL", "Ollama", "harness-tui demo"):
        assert word in caught.value.next_step


def test_a_key_in_the_environment_comes_before_ollama_and_only_its_handle_is_kept() -> None:
    environ = {"OPENAI_API_KEY": "sk-canary"}
    spec = default_model(environ, model="m")
    assert spec == ModelSpec("openai-chat", "m", "https://api.openai.com/v1", "env:OPENAI_API_KEY")
    with pytest.raises(UsageError, match=r"No model is named for api\.openai\.com\. Give --model NAME\."):
        default_model(environ)


def test_a_base_url_with_one_model_needs_no_name() -> None:
    with listing(models("only")) as (address, keys):
        spec = default_model({"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": address})
    assert spec == ModelSpec("openai-chat", "only", f"http://{address}/v1", "env:OPENAI_API_KEY")
    assert keys == ["/v1/models Bearer sk-canary"]


def test_among_several_none_is_guessed() -> None:
    with listing(models(*"abcdefg")) as (address, _), pytest.raises(UsageError) as caught:
        default_model({}, url=address)
    assert caught.value.next_step == "Give --model NAME; it has a, b, c, d, e, ...."


def test_flags_come_before_the_environment() -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://other:1"}
    assert default_model(environ, url="box:8000", model="m") == ModelSpec(
        "openai-chat", "m", "http://box:8000/v1", "env:OPENAI_API_KEY"
    )
    assert default_model(environ, api="stand-in") == ModelSpec("stand-in", "stand-in")


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
