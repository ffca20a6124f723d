"""What stands on the demo's front page: thirty made-up stories, the same in every run. Nobody in them exists."""

from __future__ import annotations

from typing import TypedDict

FIRST_ID = 4100
"""Id of the story that is first on a fresh site; the others count up in steps of seven."""


class Story(TypedDict):
    """One story. `points` are those it had before anybody voted here, `age` is in hours."""

    id: str
    title: str
    site: str
    by: str
    points: int
    age: int
    comments: int


_TITLES = (
    "A database that fits in one file and one afternoon",
    "The terminal is a fine place to read the news",
    "Show: a chess clock made of two light switches",
    "Why our night trains run on a 40-year-old scheduler",
    "Counting every tree in a small town, twice",
    "How to keep a paper notebook searchable",
    "What a lighthouse keeper knew about uptime",
    "A compiler for knitting patterns",
    "We turned off half of our alerts",
    "The quiet art of naming folders",
    "Ask: what do you still write by hand?",
    "Weather maps from the sound of rain",
    "Sorting ten million postcards on a laptop",
    "A bridge, a bolt and a rounding error",
    "Restoring the village telephone exchange",
    "Small batteries, long winters",
    "An index for a library without shelves",
    "The last elevator with a paper log",
    "Show: type set in sand and photographed",
    "Tide tables, and how they were computed by brass",
    "Reading a river with nine cheap sensors",
    "Queues are not a place to store things",
    "A field guide to the error messages of ovens",
    "Mapping footpaths from fifty years of postcards",
    "Why the archive keeps its clocks wrong",
    "Ask: how do you hand over a project?",
    "A spreadsheet that a harbour depends on",
    "Learning to listen to a failing fan",
    "Printing with potatoes, a practical note",
    "The museum of things that still work",
)
_SITES = ("plainpages.example", "nightdesk.example", "slowlab.example", "harbourlog.example", "papertools.example")
_PEOPLE = ("marn", "oktavia9", "tull", "bee_line", "rowan_k", "zed42", "pim")


def stories() -> list[Story]:
    """The thirty stories in the order of a fresh front page."""
    return [
        Story(
            id=str(FIRST_ID + 7 * place),
            title=title,
            site=_SITES[place * 3 % len(_SITES)],
            by=_PEOPLE[place * 2 % len(_PEOPLE)],
            points=412 - 13 * place,
            age=2 + place * 5 % 23,
            comments=(place * 37 + 18) % 160,
        )
        for place, title in enumerate(_TITLES)
    ]
