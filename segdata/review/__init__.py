"""Review: what reviewers say of findings and segments, kept, weighed, and brought into the labels."""
