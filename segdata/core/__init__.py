"""Runs, batches, the taxonomy, findings: what every other room stands on, and what imports nothing of ours."""
