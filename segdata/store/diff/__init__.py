"""Diff: what two datasets of any formats do not have in common. `compare` begins; `difference` is what comes out."""
