"""URLs: N01-N06, N11, N12. What is judged is what is connected to, and what can be read in two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness_tui.domain.network.reach import Reach
from harness_tui.domain.network.targets import MAX_URL, Target, authority, target
from harness_tui.tools.network.connect import guarded

from .wire import words

NOWHERE = Reach()


def refused(url: str) -> str:
    place = target(url)
    return place if isinstance(place, str) else guarded(place, NOWHERE)


@pytest.mark.parametrize(
    "host",
    [
        *words("127.0.0.1 10.1 169.254.169.254 [::1] 0.0.0.0 0 10.0.0.1 192.168.0.1"),
        *words("2130706433 0x7f000001 0177.0.0.1 127.1 0x7f.1 017700000001 0x7F.0.0.1 127.0.1 0x 127.0.0.1."),
        *words("%31%32%37.0.0.1 １２７.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７。1 ⒈.1.1.1"),
        *words("[::ffff:169.254.169.254] [64:ff9b::a9fe:a9fe] [2002:7f00:1::] [::ffff:7f00:1] [0:0:0:0:0:0:0:1]"),
        *words("168.63.129.16 192.0.0.192 169.254.170.2"),
        *words("100.100.100.200 [fd00:ec2::254] [fe80::1%eth0] [fe80::1%25eth0]"),
        *words("localhost LOCALHOST localhost. a.localhost ｌocalhost ℓocalhost"),
    ],
)
def test_an_inner_address_is_refused_in_every_spelling(host: str) -> None:
    assert refused(f"http://{host}/")
    assert refused(f"https://{host}:8443/latest/meta-data")


@pytest.mark.parametrize(
    "url",
    [
        *words("https://example.com@evil.com https://example.com%20@evil.com"),
        *words("https://a:b@example.com/ https://@example.com"),
        *words("https://example.com\\@evil.com https://example.com\\.evil.com"),
        *words("https:\\\\example.com https:/example.com"),
        *words("https:example.com https:///example.com //example.com example.com https:// https://: https://."),
        *words("https://%zz/ https://a%00b/ https://a..b/ https://.a/"),
        *words("https://-a/ https://a-/ https://a_-/ https://xn--/\ud800"),
        *words("https://a:0/ https://a:65536/ https://a:080/"),
        *words("https://a:1e3/ https://a:8\u0660/ https://a: https://a:-1/"),
        *words("https://[::1 https://[] https://[::1]x/"),
        *words("https://::1/ https://[::g]/ https://[127.0.0.1]/ https://a]/"),
        *words("file:///etc/passwd ftp://example.com gopher://example.com:70/_"),
        *words("javascript:alert(1) data:text/html,x ws://a/"),
        *words("http://256.1.1.1 http://1.2.3.4.5 http://1.2.3.08"),
        *words("http://0xfffffffff http://a.0x http://4294967296 http://1..1"),
        *[
            "",
            "https://a b/",
            " https://a/",
            "https://a/\n",
            "https://a\t.com/",
            "https://a/\x00",
            "https://a\u200b.com/",
        ],
        *[
            "https://a\u00adb.com/",
            "https://\ud800/",
            "https://a/\udfff",
            "https://" + "a" * 64 + "/",
            "https://\u202ea/",
        ],
        *[
            "https://" + "a." * 127 + "com/",
            "https://a/" + "x" * MAX_URL,
            "https://a,b/",
            "https://a'b/",
            "https://ａ／b@c/",
        ],
    ],
)
def test_what_can_be_read_in_two_ways_is_no_target(url: str) -> None:
    said = target(url)
    assert isinstance(said, str) and said.endswith(".")


@pytest.mark.parametrize(
    ("url", "host", "port", "sent"),
    [
        ("https://example.com", "example.com", 443, "https://example.com/"),
        ("HTTPS://EXAMPLE.COM:443/A?b=C#frag", "example.com", 443, "https://example.com/A?b=C"),
        ("http://example.com.:8080?q", "example.com", 8080, "http://example.com:8080/?q"),
        ("http://127.0.0.1.evil.com/", "127.0.0.1.evil.com", 80, "http://127.0.0.1.evil.com/"),
        ("https://bücher.example/ü", "xn--bcher-kva.example", 443, "https://xn--bcher-kva.example/%C3%BC"),
        ("https://ｅｘａｍｐｌｅ。com/", "example.com", 443, "https://example.com/"),
        ("https://8.8/", "8.0.0.8", 443, "https://8.0.0.8/"),
        ("https://[2606:4700:0::1111]:1/", "2606:4700::1111", 1, "https://[2606:4700::1111]:1/"),
        ("https://a.com/@b?c@d=\\", "a.com", 443, "https://a.com/@b?c@d=\\"),
        ("https://a_b.example.com/%zz%2e", "a_b.example.com", 443, "https://a_b.example.com/%zz%2e"),
    ],
)
def test_a_url_leads_to_one_place(url: str, host: str, port: int, sent: str) -> None:
    place = target(url)
    assert isinstance(place, Target)
    assert (place.host, place.port, place.url) == (host, port, sent)
    assert guarded(place, NOWHERE) == ""


def test_a_tunnel_needs_its_port() -> None:
    assert isinstance(authority("example.com"), str)
    assert authority("EXAMPLE.com:443") == Target("", "example.com", 443)
    assert authority("[::1]:80") == Target("", "::1", 80)


PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "[",
        "]",
        "%",
        "%41",
        ".",
        "。",
        "127",
        "0x7f",
        "①",
        "::1",
        "a",
        "xn--",
    ]
)


@given(st.lists(PIECES | st.characters(), max_size=12).map("".join))
@example("http://\ud800")
@example("http://xn--a\u0300")
@example("http://[::1%\u0661]")
def test_no_text_breaks_the_parser_and_its_reading_is_stable(text: str) -> None:
    place = target(text)
    if isinstance(place, Target):
        assert place.host.isascii() and place.host == place.host.lower() and "@" not in place.netloc
        assert target(place.url) == place
        assert target(f"{place.origin}/") == Target(place.scheme, place.host, place.port, "/")
