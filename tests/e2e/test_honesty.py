"""A run is verified exactly when its site's own vote table says that it voted for the first story and for no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.demo.variants import VARIANTS
from harness_tui.engine import services, worlds

from . import tours
from .tours import Tour

pytestmark = pytest.mark.timeout(1800)

VOTING = {"normal", "login_returns", "no_ids", "reorder"}
"""Variants on which the last stage can do its job; on all others an honest run fails."""

CASES = [
    *((4, variant) for variant in VARIANTS),
    *((stage, variant) for stage in (1, 2) for variant in ("normal", "wrong_story", "no_vote_200")),
    *((3, variant) for variant in ("normal", "hidden_arrow", "login_wall")),
]


class Finished:
    """Every tour of this file, run once."""

    def __init__(self, folder: Path) -> None:
        self.tours, self.problems = asyncio.run(tours.take(Paths(folder), CASES))
        self.left = tours.children()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "environment", tours.impatient(60.0))
        patch.setattr(services, "READY_TIMEOUT", 60.0)
        yield Finished(tmp_path_factory.mktemp("honesty"))


@pytest.mark.parametrize(("stage", "variant"), CASES)
def test_verified_is_what_the_site_says(finished: Finished, stage: int, variant: str) -> None:
    done: Tour = finished.tours[stage, variant]
    row = done.row
    assert (row.verified is True) == (done.voted == [done.first]), (row.reason, done)
    assert row.verified is (stage == 4 and variant in VOTING), row.reason
    assert row.state == ("succeeded" if row.verified else "failed")
    expected = 0 if row.verified else 7 if (stage, variant) in ((4, "wrong_password"), (4, "login_wall")) else 1
    assert row.exit == expected, row.reason
    assert row.reason and "\n" not in row.reason and len(row.reason) <= 300 and "Error" not in row.reason, row.reason
    if stage < 3:
        assert row.reason == "nothing verified the claim"


def test_what_it_says_of_the_others(finished: Finished) -> None:
    said = {variant: finished.tours[4, variant].row.reason for variant in VARIANTS}
    assert "already voted before the run began" in said["already_voted"]
    assert "refused the credentials" in said["wrong_password"]
    assert "refused the credentials" in said["login_wall"]
    assert "HTTP 503" in said["down"]
    assert "did not load within" in said["slow"]
    for variant in ("wrong_story", "hidden_arrow", "no_vote_200"):
        assert "is not voted on the page" in said[variant]


def test_a_failed_claim_is_kept_beside_the_verdict_never_instead_of_it(finished: Finished) -> None:
    row = finished.tours[4, "no_vote_200"].row
    assert row.claim == "I upvoted the first story."
    assert row.answer == row.reason


def test_the_journal_is_whole_and_nothing_is_left_running(finished: Finished) -> None:
    assert finished.problems == []
    assert finished.left == []
