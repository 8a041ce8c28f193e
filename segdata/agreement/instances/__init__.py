"""Instances: which segments of several annotators are the same thing."""
