"""Consensus: one annotation made of those of several annotators."""
