"""Tests of what the house promises about itself."""
