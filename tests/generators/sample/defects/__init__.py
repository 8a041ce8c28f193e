"""Defects of every kind, seeded into datasets on disk, with their exact truth."""
