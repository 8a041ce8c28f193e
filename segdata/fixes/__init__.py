"""Fixes: one file each, found by its decorator, as rules are."""
