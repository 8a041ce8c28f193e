"""Findings and datasets, shown to people and programs."""
