"""One goal as a graph of jobs, at work."""
