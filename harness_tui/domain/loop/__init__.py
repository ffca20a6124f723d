"""Governed loops as data and rules: what one is, how a round goes, what its level lets it do, and what is on record."""
