"""Runs to tables: the only pass over pixels."""
