"""Pixels: what annotators say of each."""
