"""The project `demo loops` works on: a made-up word counter, as its first commits left it. Nobody wrote it."""

from __future__ import annotations

BRANCH = "old-parser"
"""Merged long ago, and still there."""

_README = """# words

Counts words, lines and characters of a text.

    python words.py FILE
"""

_CHANGELOG = """# Changelog

## 0.1.0

### Added
- Count words of a file
"""

_WORDS = '''"""Count words, lines and characters."""

import sys


def count(text):
    # TODO: words in scripts that use no spaces
    return {"words": len(text.split()), "characters": len(text)}


if __name__ == "__main__":
    print(count(open(sys.argv[1]).read()))
'''

_LINES = _WORDS.replace('"characters": len(text)}', '"lines": text.count("\\n"), "characters": len(text)}')

_FIXED = _LINES.replace('text.count("\\n")', "len(text.splitlines())")

_RENAMED = _FIXED.replace(
    "open(sys.argv[1]).read()))", 'open(sys.argv[1], encoding="utf-8").read()))  # FIXME: other encodings'
)

_SETUP = "\n".join(
    (
        "Setting up   ",
        "",
        "1. Install Python 3.11 or newer.  ",
        "2. Run it on a text of your own:",
        "   python words.py notes/setup.txt\t",
        "3. Tell us what it counted wrong.",
        "",
    )
)

HISTORY: tuple[tuple[str, dict[str, str]], ...] = (
    ("Begin with a word count", {"README.md": _README, "words.py": _WORDS}),
    ("Write down what 0.1.0 brings", {"CHANGELOG.md": _CHANGELOG}),
    ("Add a count of lines", {"words.py": _LINES}),
    ("Fix the count of a last line without an end", {"words.py": _FIXED}),
    ("Read files as UTF-8 wherever it runs", {"words.py": _RENAMED}),
    ("Add notes on setting up", {"notes/setup.txt": _SETUP}),
)
"""Subject, and what each commit writes; oldest first, a day between two."""
