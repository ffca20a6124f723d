"""Wires it all: supervisor, recovery, approval desk, ledger, services and the bus. Draws nothing."""
