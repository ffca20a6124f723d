"""A key from a real keyring through a real run: it reaches the server it is bound to, nothing else, and no file."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from harness_tui.config.paths import Paths

from ..secret_service import SecretService
from .conftest import Key

CANARY = "canary-v4lue-77"


class Refusing(http.server.ThreadingHTTPServer):
    """A model server that refuses every key, and repeats it."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        key = self.headers["authorization"] or ""
        self.server.keys.append(key)
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error": {"message": "bad key: %s"}}' % key.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Refusing]:
    with Refusing() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def configure(home: Paths, url: str) -> None:
    model = f'[model]\nurl = "{url}"\napi = "openai-chat"\nmodel = "m"\nkey = "vault:MINE"\n'
    (home.home / "config.toml").write_text(model)


def test_a_kept_key_is_sent_to_its_own_server_only(
    session: SecretService, home: Paths, key: Key, server: Refusing
) -> None:
    session.unlock()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    assert key("set", "MINE", "--origin", url, typed=f"{CANARY}\n").code == 0
    configure(home, url)
    refused = key("hello", "--output-format", "json", verb="run")
    assert (refused.code, server.keys) == (7, [f"Bearer {CANARY}"])
    assert "MINE" in refused.json["error"]

    configure(home, url.replace("127.0.0.1", "localhost"))
    elsewhere = key("hello", "--output-format", "json", verb="run")
    assert elsewhere.code == 7 and "MINE is bound to http://127.0.0.1" in elsewhere.json["error"]

    configure(home, url)
    session.again("not the password")
    locked = key("hello", "--output-format", "json", verb="run")
    assert locked.code == 7 and "the keyring is locked" in locked.json["error"]
    assert len(server.keys) == 1

    shown = "".join(done.out + done.err for done in (refused, elsewhere, locked))
    assert CANARY not in shown
    assert not [file for file in home.home.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]
