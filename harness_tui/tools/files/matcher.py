"""The child that holds a model's regular expression: Python's may take for ever, and only a process can be stopped.

It is started by its path, with nothing but the standard library, and opens no file. On stdin: a line of JSON
`[pattern, ignore_case, most, width]`, then texts, each a line with its length in bytes and that many bytes. On stdout,
for the pattern and each text, a line of JSON: `{"error": ...}`, or `{"found": [[line, preview], ...]}`, `most` of them.
"""

from __future__ import annotations

import json
import re
import resource
import sys

CPU = 60
"""Seconds of processor time, should nobody be left to stop it."""
MEMORY = 2 * 1024 * 1024 * 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    source = sys.stdin.buffer
    pattern, ignore_case, most, width = json.loads(source.readline())
    try:
        search = re.compile(pattern, re.IGNORECASE if ignore_case else 0).search
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return answer({"error": str(error) or type(error).__name__})
    answer({"found": []})
    while length := source.readline():
        text = source.read(int(length)).decode("utf-8", "replace")
        found = []
        for number, line in enumerate(text.split("\n"), 1):
            if match := search(line.removesuffix("\r")):
                found.append([number, preview(line.removesuffix("\r"), match.start(), width)])
                if len(found) >= most:
                    break
        answer({"found": found})


def answer(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def preview(line: str, start: int, width: int) -> str:
    """The line, or the part of it that begins a little before the match."""
    if len(line) <= width:
        return line
    first = max(0, min(start - width // 4, len(line) - width))
    return ("..." if first else "") + line[first : first + width] + ("..." if first + width < len(line) else "")


if __name__ == "__main__":
    main()
