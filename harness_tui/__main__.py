"""`python -m harness_tui` is the same program as `harness-tui`."""

from __future__ import annotations


def main() -> None:
    from .cli.main import main as run

    run()


if __name__ == "__main__":
    main()
