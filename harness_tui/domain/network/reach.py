"""What a run may connect to besides public addresses: the origin it starts at, and the hosts the operator named."""

from __future__ import annotations

from ..errors import UsageError
from .targets import MAX_HOST, Target, authority, target

__all__ = ["Reach", "Target", "authority", "problem", "target"]

_SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gob", "gov", "go", "ne", "net", "nom", "or", "org"))


class Reach:
    """What the operator granted a run by name. Raises UsageError for an entry that is too wide or no host.

    Args:
        start_url: its origin (scheme, host and port) is granted, and nothing beside it.
        allow_hosts: `host`, `host:port`, `[v6]`, `[v6]:port` or `*.host`; without a port, every port.
    """

    def __init__(self, start_url: str = "", allow_hosts: tuple[str, ...] = ()) -> None:
        start = target(start_url) if start_url else None
        if isinstance(start, str):
            raise UsageError(f"The start URL cannot be reached. {start}", "Correct it.")
        self._start = start
        self._entries = [_entry(each) for each in allow_hosts]

    def exempt(self, place: Target) -> bool:
        """Whether the operator named it. A tunnel is the start's if host and port are: its scheme cannot be seen."""
        start = self._start
        if start and (place.host, place.port) == (start.host, start.port) and place.scheme in ("", start.scheme):
            return True
        return any(
            port in (0, place.port) and (place.host.endswith(f".{name}") if below else place.host == name)
            for below, name, port in self._entries
        )


def problem(entry: str) -> str:
    """What is wrong with a host to allow, in one sentence; "" when nothing is."""
    return _read(entry)[1]


def _entry(entry: str) -> tuple[bool, str, int]:
    found, wrong = _read(entry)
    if wrong:
        raise UsageError(wrong, "Name a host as `host`, `host:port`, `[v6]:port` or `*.host`.")
    return found


def _read(entry: str) -> tuple[tuple[bool, str, int], str]:
    """(names below it only, canonical name, port or 0 = every one), and what is wrong."""
    nothing = (False, "", 0)
    shown = repr(entry[:MAX_HOST])
    if any(c in entry for c in "/?#@\\") or not entry.isprintable():
        return nothing, f"{shown} is no host: a scheme, path, user name or blank cannot be allowed."
    below = entry.startswith("*.")
    rest = entry[2:] if below else entry
    if "*" in rest:
        return nothing, f"{shown} is too wide: * stands only for the names below a host, as in *.example.com."
    with_port = ":" in rest.rpartition("]")[2]
    found = authority(rest, "" if with_port else "https")
    if isinstance(found, str):
        return nothing, f"{shown} is no host or host:port."
    if below and (found.address or _registry(found.host)):
        return nothing, f"{shown} is too wide: names of everybody are below {found.host}."
    return (below, found.host, found.port if with_port else 0), ""


def _registry(host: str) -> bool:
    """Whether anybody can register names below it: `com`, `co.uk`."""
    labels = host.split(".")
    return len(labels) == 1 or (len(labels) == 2 and labels[0] in _SECOND_LEVEL and len(labels[1]) == 2)
