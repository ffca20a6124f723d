"""What an operator reads when a model endpoint fails: the variable, where the key came from, the next step; no key."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain.errors import CredentialError, ModelError
from harness_tui.models.api import ApiKind
from harness_tui.models.endpoint import Endpoint

from .conversation import ASK, KEY
from .endpoint_server import EndpointServer, chunk, serving, sse, status

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.upper, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


async def failing(url: str, key: str = KEY, api: str = "openai-chat", source: str = "MY_KEY (keyring)") -> ModelError:
    model = ApiKind.build(url, "tiny", key, api, key_source=source)
    with pytest.raises(ModelError) as caught:
        _ = [item async for item in model.stream(ASK)]
    await model.close()
    assert not key or key not in f"{caught.value!r} {caught.value}"
    return caught.value


async def refused(*answer: Any, path: str = "/v1", **how: Any) -> tuple[ModelError, EndpointServer]:
    async with serving(list(answer)) as server:
        return await failing(server.url.removesuffix("/v1") + path, **how), server


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_refused_key_names_its_source_and_how_to_replace_it() -> None:
    error, _ = await refused(*status(401, {"error": {"message": "no", "code": "invalid_api_key"}}))
    assert (error.kind, error.exit_code) == ("auth", 7)
    assert "The key came from MY_KEY (keyring)" in error.next_step
    assert "`harness-tui key set MY_KEY`" in error.next_step


async def test_a_missing_key_and_an_empty_one_are_told_apart() -> None:
    missing, _ = await refused(*status(401, {}), key="", source="no key")
    assert "asks for a key, and none is set" in missing.what
    empty, _ = await refused(*status(401, {}), key="  \n", source="OPENAI_API_KEY (environment)")
    assert "asks for a key, and OPENAI_API_KEY (environment) is empty" in empty.what
    for error in (missing, empty):
        assert "`harness-tui key set OPENAI_API_KEY`" in error.next_step
        assert "Set OPENAI_API_KEY to" in error.next_step


@pytest.mark.parametrize(
    ("key", "vendor"),
    [
        ("sk-ant-api03-canary", "Anthropic"),
        ("sk-or-v1-canary", "OpenRouter"),
        ("sk-proj-canary", "OpenAI"),
        ("AIzaCanary", "Google"),
        ("gsk_canary", "Groq"),
        ("xai-canary", "xAI"),
        ("hf_canary", "Hugging Face"),
    ],
)
async def test_a_key_of_another_provider_is_recognised(key: str, vendor: str) -> None:
    error, _ = await refused(*status(401, {}), key=key)
    assert f"the key from MY_KEY (keyring) looks like one of {vendor} (HTTP 401)" in error.what


async def test_a_key_of_no_known_form_is_called_nobodys() -> None:
    error, _ = await refused(*status(401, {}), key="canary-1234")
    assert "looks like" not in str(error)


@pytest.mark.parametrize(
    "echo",
    [
        "Incorrect API key provided: {key}.",
        "Incorrect API key provided: sk-ca*********7890.",
        "Invalid key sk-canar... given",
        "token='{key}' expired",
        "bad: {key}{key}",
        "your key begins with sk-canary-123",
    ],
)
async def test_no_part_of_a_key_that_a_server_echoes_is_shown(echo: str) -> None:
    error, _ = await refused(*status(401, {"error": {"message": echo.format(key=KEY)}}))
    assert "[the key]" in error.what
    assert "canar" not in str(error) and "7890" not in str(error)


def test_masked_words_that_are_no_key_stay_readable() -> None:
    at = Endpoint("http://h/v1", "m", KEY)
    assert at.quote("see docs... or **bold** text, skim") == "see docs... or **bold** text, skim"


@pytest.mark.parametrize("key", ['"sk-canary"', "sk canary", "sk-\x1bcanary"])
def test_a_key_with_quotes_or_odd_characters_is_refused_before_it_travels(key: str) -> None:
    with pytest.raises(CredentialError, match="MY_KEY") as caught:
        ApiKind.build("localhost:1", "tiny", key, key_source="MY_KEY")
    assert "canary" not in str(caught.value)


# -- addresses -------------------------------------------------------------------------------------------------------


async def test_an_address_without_its_version_is_told_with_one() -> None:
    for answer in (status(404, b"<html><title>Not found</title>"), status(405, {}), status(200, b"<html>home</html>")):
        error, server = await refused(*answer, path="/api")
        assert error.kind == "refused"
        assert error.next_step == f"Try --url http://127.0.0.1:{server.port}/api/v1 instead."


async def test_an_unknown_model_is_named() -> None:
    error, _ = await refused(*status(404, {"error": {"message": 'model "tiny" not found, try pulling it first'}}))
    assert "has no model tiny (HTTP 404)" in error.what
    assert "try pulling it first" in error.what


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_told_and_never_followed_with_the_key(code: int) -> None:
    async with serving(sse(chunk("stop", content="stolen"))) as elsewhere:
        target = f"http://user:pw@127.0.0.1:{elsewhere.port}/v1/chat/completions?token=secret"
        error, _ = await refused(*status(code, b"", Location=target))
    assert elsewhere.seen == []
    assert error.kind == "refused"
    assert f"give --url http://127.0.0.1:{elsewhere.port}/v1 instead" in error.next_step
    assert "secret" not in str(error) and "pw" not in str(error)


async def test_a_redirect_to_nowhere_is_told_as_well() -> None:
    error, _ = await refused(*status(302, b"", Location="http://[broken"))
    assert "sends on to another address (HTTP 302)" in error.what


async def test_plain_http_to_a_tls_port_is_told_with_https() -> None:
    error, server = await refused(*status(400, b"Client sent an HTTP request to an HTTPS server.\n"))
    assert error.next_step == f"Give --url https://127.0.0.1:{server.port}/v1 instead."


async def test_tls_to_a_plain_port_is_told_with_http() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failing(f"https://127.0.0.1:{port}/v1")
    server.close()
    assert error.what == f"https://127.0.0.1:{port}/v1 does not speak TLS."
    assert f"http://127.0.0.1:{port}/v1" in error.next_step


# -- bodies ----------------------------------------------------------------------------------------------------------


async def test_an_endless_error_body_is_read_no_further_than_anybody_needs() -> None:
    head = b"HTTP/1.1 500 X\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    error, _ = await refused(head, *[b"x" * 1_000_000] * 6, asyncio.Event())
    assert error.kind == "retry"
    assert len(str(error)) < 500


async def test_a_huge_error_object_still_has_its_ruling() -> None:
    body = {"error": {"message": "y" * 2_000_000, "code": "context_length_exceeded"}}
    error, _ = await refused(*status(400, body))
    assert error.kind == "context"
    assert len(str(error)) < 600


@pytest.mark.parametrize("name", ["x-request-id", "request-id"])
async def test_the_request_id_is_in_the_message(name: str) -> None:
    error, _ = await refused(*status(500, {"error": {"message": "oops"}}, **{name: "req_0123"}))
    assert error.what.endswith("(HTTP 500): oops. Request req_0123.")


async def test_the_request_id_of_a_stream_that_failed_is_there_too() -> None:
    head, *events = sse({"error": {"message": "busy"}})
    error, _ = await refused(head.replace(b"\r\n\r\n", b"\r\nx-request-id: req_9\r\n\r\n"), *events)
    assert error.what.endswith("Request req_9.")


async def test_a_used_up_quota_and_an_empty_account_say_so() -> None:
    quota = {"error": {"code": 429, "details": [{"violations": [{"quotaId": "RequestsPerDay"}]}]}}
    error, _ = await refused(*status(429, quota))
    assert error.kind == "retry" and "The day's quota of" in error.what
    assert error.retry_after is not None and 0 < error.retry_after <= 25 * 3600
    error, _ = await refused(*status(402, {"error": {"message": "Insufficient Balance"}}))
    assert (error.kind, error.exit_code) == ("spent", 5)
    assert "MY_KEY (keyring)" in error.next_step


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1 and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "model server")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = (tmp_path_factory.mktemp("tls") / name for name in ("cert.pem", "key.pem"))
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, secret)
    return cert, context


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    here = EndpointServer([sse(chunk("stop", content="trusted"))])
    server = await asyncio.start_server(here.handle, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


async def test_a_certificate_nobody_trusts_names_the_reason_and_the_variable(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    async with tls_server(certificate[1]) as url:
        error = await failing(url)
    assert error.kind == "refused"
    assert error.what == f"The certificate of {url} is not trusted by this machine: self-signed certificate."
    assert "ca-certificates" in error.next_step and "SSL_CERT_FILE" in error.next_step


async def test_with_its_ca_in_ssl_cert_file_the_same_server_answers(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with tls_server(certificate[1]) as url:
        model = ApiKind.build(url, "tiny", KEY, "openai-chat")
        items: list[Any] = [item async for item in model.stream(ASK)]
        await model.close()
    assert items[-1].message.text == "trusted"


async def test_an_ssl_cert_file_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("missing.pem", "empty.pem"):
        (tmp_path / "empty.pem").write_text("no certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        error = await failing("https://127.0.0.1:1/v1")
        assert error.kind == "refused"
        assert name in error.what and error.what.startswith("SSL_CERT_FILE names ")


# -- the way there ---------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_asks_for_a_password_is_named_by_its_variable(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"{scheme.upper()}_PROXY"
    head = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with serving([head]) as proxy:
        monkeypatch.setenv(variable, f"http://user:pw@127.0.0.1:{proxy.port}")
        error = await failing(f"{scheme}://models.invalid/v1")
    assert error.kind == "refused"
    assert variable in error.what and "407" in error.what
    assert variable in error.next_step
    assert "pw" not in str(error)


async def test_a_dead_proxy_is_told_from_a_dead_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    error = await failing("https://models.invalid/v1")
    assert error.what.startswith("The proxy from HTTPS_PROXY cannot be reached")
    assert "put models.invalid into NO_PROXY" in error.next_step
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "Nothing listens at" in (await failing(f"http://127.0.0.1:{closed_port()}/v1")).what


@pytest.mark.parametrize("value", ["foo://proxy:1", "socks5://127.0.0.1:1"])
async def test_a_proxy_address_that_cannot_be_used_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = await failing("https://models.invalid/v1")
    assert error.kind == "refused"
    assert error.what == "The proxy address in HTTPS_PROXY cannot be used."


async def test_a_proxys_own_page_is_told_from_a_refused_key(monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<html><head><title>Access denied by policy</title></head></html>"
    async with serving(status(403, page)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        error = await failing("http://models.invalid/v1")
    assert error.kind == "refused"
    assert 'it answered with an HTML page titled "Access denied by policy"' in error.what
    assert "Check HTTP_PROXY" in error.next_step


async def test_an_unknown_host_is_told_as_one() -> None:
    error = await failing("http://models.invalid/v1")
    assert (error.kind, error.status) == ("retry", None)
    assert "The host name of http://models.invalid/v1 is not known." in error.what


@pytest.mark.parametrize("api", ["openai-responses", "anthropic"])
async def test_the_other_families_of_an_sdk_say_the_same(api: str) -> None:
    error, _ = await refused(*status(401, {"error": {"message": "no"}}), api=api, key="", source="no key")
    name = "ANTHROPIC_API_KEY" if api == "anthropic" else "OPENAI_API_KEY"
    assert f"`harness-tui key set {name}`" in error.next_step
    redirected, _ = await refused(*status(307, b"", Location="https://elsewhere.invalid/v1/messages"), api=api)
    assert "elsewhere.invalid" in redirected.next_step
