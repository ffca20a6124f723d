"""The programs that are known, by name: what of each only reads, a file for each family."""

from __future__ import annotations

from . import compare, find, git, listing, search, sed, system, text, version
from .program import Program

_FAMILIES = (text, listing, search, find, sed, compare, system, version, git)

TABLE: dict[str, Program] = {
    program.name: program for family in _FAMILIES for program in family.PROGRAMS
} | search.NAMES
"""Every program some calls of which are proven to only read."""
