"""What the operator grants: one origin, and hosts by name, label by label (N07, C04)."""

from __future__ import annotations

import pytest

from harness_tui.domain.errors import UsageError
from harness_tui.domain.network.reach import Reach, problem
from harness_tui.domain.network.targets import Target, authority, target

from .wire import words


def to(url: str) -> Target:
    place = target(url)
    assert isinstance(place, Target)
    return place


def test_the_start_url_grants_its_origin_and_nothing_beside_it() -> None:
    reach = Reach("http://127.0.0.1:8000/login?a=b")
    assert reach.exempt(to("http://127.0.0.1:8000/other"))
    assert reach.exempt(to("http://127.1:8000/"))
    for url in ("https://127.0.0.1:8000/", "http://127.0.0.1/", "http://127.0.0.2:8000/", "http://localhost:8000/"):
        assert not reach.exempt(to(url))


def test_a_tunnel_is_the_starts_if_host_and_port_are() -> None:
    reach = Reach("http://127.0.0.1:8000/")
    assert reach.exempt(authority("127.0.0.1:8000"))  # type: ignore[arg-type]
    assert not reach.exempt(authority("127.0.0.1:8001"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("modelcontextprotocol.io", "https://modelcontextprotocol.io/", "https://modelcontextprotocol.io.example.com/"),
        ("modelcontextprotocol.io", "http://modelcontextprotocol.io:81/", "https://a.modelcontextprotocol.io/"),
        ("example.com:8080", "http://EXAMPLE.com:8080/", "http://example.com/"),
        ("*.example.com", "https://a.b.example.com/", "https://example.com/"),
        ("*.example.com", "https://a.example.com/", "https://aexample.com/"),
        ("*.example.com:444", "https://a.example.com:444/", "https://a.example.com/"),
        ("[::1]:80", "http://[0::1]/", "https://[::1]/"),
        ("[::1]", "https://[::1]/", "https://[::2]/"),
        ("127.0.0.1", "http://2130706433:99/", "http://127.0.0.2/"),
        ("bücher.example", "https://xn--bcher-kva.example/", "https://bucher.example/"),
    ],
)
def test_a_host_is_granted_label_by_label(entry: str, inside: str, outside: str) -> None:
    reach = Reach(allow_hosts=(entry,))
    assert reach.exempt(to(inside))
    assert not reach.exempt(to(outside))


@pytest.mark.parametrize(
    "entry",
    [
        *words("*google.com example.* *.*.com * *. *.com *.io *.co.uk *.localhost *.127.0.0.1 *.[::1] a.*.com"),
        *words("http://example.com example.com/path a@b a: a:0 a:99999 a:b ::1 [::1 a..b %61.com a\\b a#b a?b"),
        *["", " ", "a b", "a\n", "a\u200b.com", "\ud800", "a" * 300],
    ],
)
def test_an_entry_that_is_too_wide_or_no_host_is_refused(entry: str) -> None:
    assert problem(entry).endswith(".")
    with pytest.raises(UsageError):
        Reach(allow_hosts=("example.com", entry))


def test_a_start_url_that_leads_nowhere_grants_nothing() -> None:
    with pytest.raises(UsageError, match="user name"):
        Reach("https://example.com@evil.com/")
    assert not Reach().exempt(to("https://example.com/"))
