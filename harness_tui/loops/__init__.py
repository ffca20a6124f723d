"""Governed loops at work: a round and its world, what its gate says, and what is done on a yes."""
