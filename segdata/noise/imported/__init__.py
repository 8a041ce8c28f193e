"""Predictions that were made elsewhere, as what a witness has seen."""
