"""Keeping secrets out of every text that is written, shown or sent on: the value and the forms it travels in."""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

T = TypeVar("T")
HIDDEN = "[secret]"
_SHORT = 4
_GLANCE = 8
"""Characters looked at before a whole tail is compared."""
_SPELLED_OUT = 512
"""Characters up to which a value is also looked for with every character of it encoded."""


def distinctive(value: str) -> bool:
    """Whether a value is unlikely to stand in a text by chance.

    Keys like `test`, `ollama` or `not-needed`, which servers without keys are given, are not: hiding them would only
    spoil every text that holds the word.
    """
    return len(value) >= 16 or (len(value) >= 8 and any(char.isdigit() for char in value))


class Redaction:
    """Values that must not leave; `repr` shows none of them."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._forms: list[str] = []
        self._words: set[str] = set()
        self._longest = 0
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Redaction({len(self._values)} values)"

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self._values)

    def add(self, values: Iterable[str]) -> None:
        """Hide these from now on; empty ones are ignored."""
        fresh = {value for value in values if value.strip()} - self._values
        if fresh:
            self._values |= fresh
            anywhere = {form for value in self._values if len(value) >= _SHORT for form in _forms(value)}
            # A short value is hidden only as a word of its own: hiding every "a" would leave no text to read.
            self._words = {form for value in self._values if len(value) < _SHORT for form in _forms(value)} - anywhere
            self._forms = sorted(anywhere | self._words)
            self._longest = max(map(len, self._forms))
            self._pattern = _pattern(self._forms, self._words)

    def __call__(self, text: str) -> str:
        """`text` with every known form of every value replaced. Apply before cutting a text, never after."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def contains(self, text: str) -> bool:
        """Whether any form of any value stands in `text`."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def deep(self, given: T) -> T:
        """`given` with every string in it redacted, keys too; the same object when nothing changes.

        Goes through structs, dicts, lists and tuples. Fields of a struct that only take fixed words are left alone:
        a password `denied` must not make a record unreadable.
        """
        clean: T = self._deep(given) if self._pattern else given
        return clean

    def stream(self) -> Stream:
        """Redacts a text that comes in pieces."""
        return Stream(self)

    def split(self, text: str, start: int, *, final: bool = False) -> tuple[str, int]:
        """`text[start:]` redacted as far as it is settled, and where the rest begins that may begin a secret.

        final: nothing follows, so all of it is settled.
        """
        if self._pattern is None:
            return text[start:], len(text)
        late = len(text) if final else max(start, len(text) - self._longest)
        held = [at for at in range(late, len(text)) if self._may_begin(text, at)]
        out: list[str] = []
        done = start
        for match in self._pattern.finditer(text, start):
            if any(done <= at <= match.start() for at in held):
                break
            out += text[done : match.start()], HIDDEN
            done = match.end()
        rest = next((at for at in held if at >= done), len(text))
        out.append(text[done:rest])
        return "".join(out), rest

    def _may_begin(self, text: str, at: int) -> bool:
        """Whether `text`, going on, may hold a form from `at` on (or a longer one than it holds already)."""
        head = text[at : at + _GLANCE]
        index = bisect_left(self._forms, head)
        if index == len(self._forms) or not self._forms[index].startswith(head):
            return False
        tail = text[at:]
        index = bisect_left(self._forms, tail, index)
        if index < len(self._forms) and self._forms[index] == tail:
            if tail in self._words:  # a word only ends with the character after it
                return True
            index += 1
        return index < len(self._forms) and self._forms[index].startswith(tail)

    def _deep(self, given: Any) -> Any:
        match given:
            case str():
                return self(given) if self.contains(given) else given
            case dict():
                pairs = [(self._deep(key), self._deep(value)) for key, value in given.items()]
                same = all(k is key and v is value for (k, v), (key, value) in zip(pairs, given.items(), strict=True))
                return given if same else dict(pairs)
            case list() | tuple():
                items = [self._deep(item) for item in given]
                if all(new is old for new, old in zip(items, given, strict=True)):
                    return given
                return type(given)(*items) if hasattr(given, "_fields") else type(given)(items)
            case msgspec.Struct():
                old = {name: getattr(given, name) for name in _free_fields(type(given))}
                changed = {name: new for name, value in old.items() if (new := self._deep(value)) is not value}
                return msgspec.structs.replace(given, **changed) if changed else given
            case _:
                return given


class Stream:
    """One text in pieces: what may be the beginning of a secret waits until it is decided.

    All that `feed` and `flush` return, joined, is what the whole text would have become at once.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._before = ""  # the last character shown: a short secret is hidden as a word only, so it matters
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece; returns what can be shown of it and of what waited."""
        whole = self._before + self._held + text
        shown, rest = self._redaction.split(whole, len(self._before))
        self._before, self._held = whole[max(0, rest - 1) : rest], whole[rest:]
        return shown

    def flush(self) -> str:
        """The end: what waited, redacted."""
        shown, _ = self._redaction.split(self._before + self._held, len(self._before), final=True)
        self._before = self._held = ""
        return shown


@cache
def _free_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Names of the fields that may hold any text."""
    from msgspec import inspect

    closed = (inspect.LiteralType, inspect.EnumType, inspect.BoolType, inspect.IntType, inspect.FloatType)
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    free = []
    for field in info.fields:
        parts = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        if not all(isinstance(part, (*closed, inspect.NoneType)) for part in parts):
            free.append(field.name)
    return tuple(free)


def _pattern(forms: list[str], words: set[str]) -> re.Pattern[str]:
    """One pattern for all, leftmost and longest; grouped by first character, so that most of a text is skipped."""
    groups: dict[str, list[str]] = {}
    for form in sorted(forms, key=len, reverse=True):
        first, rest = re.escape(form[0]), re.escape(form[1:])
        groups.setdefault(first, []).append(rf"(?<!\w{first}){rest}(?!\w)" if form in words else rest)
    return re.compile("|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in groups.items()))


# -- the forms of one value ----------------------------------------------------------------------------------------


def _forms(value: str) -> set[str]:
    spellings = {value, " ".join(value.split())} | {unicodedata.normalize(kind, value) for kind in ("NFC", "NFD")}
    found = set(spellings)
    for text in spellings:
        raw = text.encode("utf-8", "surrogatepass")
        found.update(_in_urls(text, raw), _in_html(text), _in_json(text), (raw.hex(), raw.hex().upper()))
        if len(text) >= _SHORT:
            found.update(_in_base64(raw))
    return {form for form in found if form}


def _in_urls(text: str, raw: bytes) -> Iterator[str]:
    """Percent-encoding as Python, JavaScript and HTML forms write it, digits in both cases, also twice over."""
    once = {quote(raw, safe=kept) for kept in ("", "/", "!'()*", ";,/?:@&=+$!*'()#")}
    once |= {quote_plus(raw), quote_plus(raw, safe="*").replace("~", "%7E")}
    if len(text) <= _SPELLED_OUT:
        once.add("".join(f"%{byte:02X}" for byte in raw))
    yield quote(quote(raw, safe=""), safe="")
    for form in once:
        yield form
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form)


def _in_html(text: str) -> Iterator[str]:
    whole = html.escape(text)
    for form in (whole, html.escape(text, quote=False)):
        for quoted in ("&#x27;", "&#39;", "&apos;"):
            for double in ("&quot;", "&#34;"):
                written = form.replace("&#x27;", quoted).replace("&quot;", double)
                yield written
                yield written.encode("ascii", "xmlcharrefreplace").decode()
    if len(text) <= _SPELLED_OUT:
        yield "".join(f"&#{ord(char)};" for char in text)
        yield from ("".join(f"&#x{code};" for code in codes) for codes in _hexes(text))


def _hexes(text: str) -> Iterator[list[str]]:
    yield [f"{ord(char):x}" for char in text]
    yield [f"{ord(char):X}" for char in text]


def _in_json(text: str) -> Iterator[str]:
    """Inside a JSON string, or inside one inside another (tool arguments), and as Python's repr writes it."""
    yield repr(text)[1:-1]
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        # Encoders that mind HTML escape these as well.
        wary = re.sub("[<>&']", lambda found: f"\\u{ord(found[0]):04x}", plain)
        for form in (plain, plain.replace("/", "\\/"), wary, wary.replace("/", "\\/")):
            yield form
            yield json.dumps(form, ensure_ascii=False)[1:-1]
            yield re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), form)


def _in_base64(raw: bytes) -> Iterator[str]:
    """Alone, and inside a longer text at each of the three alignments: the characters that are the value's only."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for form in (coded[first:], coded[first:last]):
            yield form
            yield form.replace("+", "-").replace("/", "_")
