"""The tests: one folder for each room, and `pty`, `contracts` and `bench` beside them."""
