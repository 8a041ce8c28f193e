"""Datumaro's own JSON: labels, items with their annotations, and both ways between these and segments."""
