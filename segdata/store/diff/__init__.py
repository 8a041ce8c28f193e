"""Diff: the differences between two datasets of any formats. Start at `compare`; `difference` holds the results."""
