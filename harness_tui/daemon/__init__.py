"""Hosts an engine: lock, socket, sessions, and starting one that outlives its terminal."""
