"""From a body to what a model reads: the right letters, the text of a page without its furniture, head and tail."""

from __future__ import annotations

import codecs
import re

TEXT = re.compile(
    r"text/.*|application/((.+\+)?(json|xml|yaml)|x-(ndjson|yaml|sh|javascript)|javascript|ndjson|toml|sql)|image/svg\+xml"
)
HTML = ("text/html", "application/xhtml+xml")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
_KNOWN = re.compile(
    r"utf-?8|utf-?16(-?[lb]e)?|(us-)?ascii|iso-?8859-\d+|latin-?\d|windows-\d+|cp\d+|koi8-[ru]|gb(2312|k|18030)|"
    r"big5(-hkscs)?|euc-(jp|kr)|shift[_-]?jis|iso-2022-(jp|kr)|macintosh|tis-620",
    re.I,
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SNIFFED = 1_024

_EXTRACTED = 1_000_000
"""Characters of a page up to which its main text is looked for; longer ones are read as they are."""
_ARTICLE = 500
"""Characters of a text that has a main part at all."""
_FURNITURE = ("script", "style", "nav", "footer", "header", "noscript", "iframe", "svg", "template")
_BLOCKS = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, fieldset, figcaption, figure, form, h1, h2, h3, h4, h5, "
    "h6, hr, li, main, ol, p, pre, section, table, tr, ul"
)
_END, _SPACE, _TAB = "\ufdd0", "\ufdd1", "\ufdd2"  # noncharacters: no text holds them
_KEPT = str.maketrans({"\n": _END, " ": _SPACE, "\t": _TAB})
_BACK = str.maketrans({_SPACE: " ", _TAB: "\t"})


def media_type(content_type: str, body: bytes) -> str:
    """`text/html`; what the server does not say is guessed from the first bytes."""
    said = content_type.partition(";")[0].strip().lower()
    if said:
        return said
    head = body[:_SNIFFED]
    if re.match(rb"\s*<(!doctype html|html|head|body)\b", head, re.I):
        return "text/html"
    return "application/octet-stream" if b"\0" in head else "text/plain"


def decoded(body: bytes, content_type: str) -> str:
    """The letters, in the encoding of its byte order mark, of the server, of the page's own word, or UTF-8."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    for said in (content_type, body[:_SNIFFED].decode("latin-1")):
        found = _CHARSET.search(said)
        if found and _KNOWN.fullmatch(found[1]):
            try:
                return body.decode(found[1], "replace")
            except LookupError:
                continue
    return body.decode("utf-8", "replace")


def readable(html: str, url: str) -> tuple[str, str]:
    """Title and text of a page. A hostile page takes hours: `reader` calls it in a child."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    heading = tree.css_first("title")
    title = " ".join(heading.text().split()) if heading else ""
    plain = _plain(tree)
    main = _main(html, url) if len(plain) >= _ARTICLE and len(html) <= _EXTRACTED else ""
    return title, main if len(main) >= _ARTICLE else plain


def _main(html: str, url: str) -> str:
    """The main text as Markdown; "" without trafilatura, or when it finds none."""
    try:
        import trafilatura
    except ImportError:
        return ""
    try:
        return trafilatura.extract(html, url=url, output_format="markdown", include_links=True) or ""
    except Exception:  # a page can hold anything, and the plain text is at hand
        return ""


def _plain(tree: object) -> str:
    from selectolax.lexbor import LexborHTMLParser

    assert isinstance(tree, LexborHTMLParser)
    tree.strip_tags(list(_FURNITURE))
    for node in tree.css("pre"):
        node.replace_with(f"{_END}{node.text()}{_END}".translate(_KEPT))
    for node in tree.css(_BLOCKS):
        node.insert_before(_END)
        node.insert_after(_END)
    for node in tree.css("td, th"):
        node.insert_after(" ")
    text = tree.body.text() if tree.body else ""
    lines = (" ".join(line.split()) for line in text.split(_END))
    return "\n".join(line for line in lines if line).translate(_BACK)


def excerpt(text: str, most: int) -> str:
    """`text` if it has `most` characters at most, else its first four fifths and its end, and what is left out."""
    if len(text) <= most:
        return text
    gap = f"\n[... {len(text) - most} or more of {len(text)} characters left out ...]\n"
    tail = (most - len(gap)) // 5
    return text[: most - len(gap) - tail] + gap + text[len(text) - tail :]
