"""The core of a graph's run: a pure state machine, held against a naive model of itself."""
