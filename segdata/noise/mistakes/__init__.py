"""Mistakes made on purpose, to learn from and to measure with."""
