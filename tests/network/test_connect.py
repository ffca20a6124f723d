"""Connecting: one resolution, every answer judged, only a judged address connected to (N09, N11, N13)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness_tui.domain.network.reach import Reach
from harness_tui.domain.network.targets import Target, target
from harness_tui.tools.network.connect import Connector, Refused, Unreachable

from .wire import Site, answering, connects, response


def to(url: str) -> Target:
    place = target(url)
    assert isinstance(place, Target)
    return place


async def tried(connector: Connector, url: str) -> list[str]:
    """The addresses a connection to `url` was tried at; nothing leaves this machine."""
    with connects() as seen, pytest.raises((Refused, Unreachable)):
        await connector.open(to(url))
    return [address for address, _ in seen]


@pytest.mark.parametrize(
    "answers",
    [("127.0.0.1",), ("1.1.1.1", "127.0.0.1"), ("::ffff:10.0.0.1", "1.1.1.1"), ("fe80::1%2",), ("1.1.1.1", "nonsense")],
)
async def test_one_inner_answer_refuses_them_all(answers: tuple[str, ...]) -> None:
    connector = Connector(Reach(), answering(*answers))
    with connects() as seen, pytest.raises(Refused, match="not public") as refused:
        await connector.open(to("https://example.com/"))
    assert not seen
    assert "--allow-host example.com" in refused.value.next_step


async def test_public_answers_are_tried_in_their_order() -> None:
    connector = Connector(Reach(), answering("1.1.1.1", "2606:4700::1111"))
    assert await tried(connector, "https://127.0.0.1.evil.com/") == ["1.1.1.1", "2606:4700::1111"]


async def test_a_name_is_resolved_once_for_each_connection() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    connector = Connector(Reach(), rebinding)
    assert await tried(connector, "http://rebind.example/") == ["1.1.1.1"]
    assert len(asked) == 1
    assert await tried(connector, "http://rebind.example/") == []


async def test_a_name_the_operator_gave_may_be_inside_but_not_turn_inward() -> None:
    answers = [["127.0.0.1"], ["1.1.1.1"], ["169.254.169.254"]]

    async def turning(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async with Site(response()) as site:
        connector = Connector(Reach(allow_hosts=("intranet.example",)), turning)
        url = f"http://intranet.example:{site.port}/"
        _, writer = await connector.open(to(url))
        writer.close()
        assert await tried(connector, url) == ["1.1.1.1"]
        with connects() as seen, pytest.raises(Refused, match="public before"):
            await connector.open(to(url))
        assert not seen


async def test_the_resolver_is_not_asked_about_addresses_and_this_machine() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    for url in ("http://127.1/", "http://[::1]/", "http://localhost:81/", "http://x.localhost/"):
        assert await tried(Connector(Reach(), never), url) == []
    assert await tried(Connector(Reach(), never), "http://1.1.1.1/") == ["1.1.1.1"]


async def test_what_cannot_be_found_or_reached_is_said() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Unreachable, match="cannot be found: name or service not known"):
        await Connector(Reach(), nobody).open(to("http://nosuch.example/"))
    with pytest.raises(Unreachable, match="no address"):
        await Connector(Reach(), answering()).open(to("http://nosuch.example/"))
    async with Site(response()) as site:
        gone = site.url
    with pytest.raises(Unreachable, match="cannot be reached"):
        await Connector(Reach(gone)).open(to(gone))


async def test_proxies_of_the_surroundings_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Site(response()) as site, Site(response()) as trap:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        with connects() as seen:
            _, writer = await Connector(Reach(site.url)).open(to(site.url))
            writer.close()
        assert seen == [("127.0.0.1", site.port)]


async def test_a_certificate_must_hold_for_the_name(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "right.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    async with Site(response(), server) as site:
        reach = Reach(allow_hosts=("right.example", "wrong.example"))
        trusting = Connector(reach, answering("127.0.0.1"), tls=ssl.create_default_context(cafile=str(pem)))
        _, writer = await trusting.open(to(f"https://right.example:{site.port}/"))
        writer.close()
        with pytest.raises(Unreachable, match="certificate does not hold"):
            await trusting.open(to(f"https://wrong.example:{site.port}/"))
        with pytest.raises(Unreachable, match="certificate does not hold"):
            await Connector(reach, answering("127.0.0.1")).open(to(f"https://right.example:{site.port}/"))


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key, for a test's day."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = made.sign(key, hashes.SHA256())
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    path = folder / "both.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path
