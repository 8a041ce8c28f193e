"""Boundaries: how far apart annotators draw them."""
