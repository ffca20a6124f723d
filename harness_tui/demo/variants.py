"""What the site and whoever starts it agree on: its variants, its account's variables, how it says that it is up."""

from __future__ import annotations

VARIANTS = {
    "normal": "a login casts the vote that was asked for, and goes back to the list",
    "login_returns": "a login goes back to the list without casting the vote",
    "no_ids": "arrows have no id and are known by their href only",
    "already_voted": "the account has voted for the first story before, which only shows once it is signed in",
    "reorder": "the order changes after a vote",
    "wrong_story": "the arrow of the first story votes for the second",
    "hidden_arrow": "a script hides the arrow on a click, and no vote is cast",
    "no_vote_200": "the vote answers 200 and casts nothing",
    "login_wall": "a login page instead of the list, and every login is refused",
    "wrong_password": "the account has another password than the environment says",
    "down": "every page answers 503",
    "slow": "no page ever finishes",
}
USER, PASSWORD = "HARNESS_TUI_DEMO_USER", "HARNESS_TUI_DEMO_PASSWORD"
READY = "/ready"
"""Answers 200 in every variant, so that whoever started the site can tell `up` from `misbehaves on purpose`."""
