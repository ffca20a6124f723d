"""Models behind one seam: protocol families, the retry table, and which model a run gets."""
