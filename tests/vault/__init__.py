"""Tests of keys: the ladder, the places it asks, the verbs, and that no value leaves."""
