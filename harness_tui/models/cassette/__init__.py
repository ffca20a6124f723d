"""Recordings of talks with models, at our own seam and at the HTTP seam."""
