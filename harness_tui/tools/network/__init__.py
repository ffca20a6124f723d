"""The network guard: which addresses a run may reach, and the only two ways out: fetch and the browser's proxy."""
