"""Traps: small files on which label tools go wrong, each with what is right. For any tool, not only for this one.

`python -m segdata.testing.traps FOLDER` writes them all, a folder each with `expected.json` beside the files.
"""
