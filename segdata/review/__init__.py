"""Review: decisions of reviewers on findings and segments, recorded, compared, and applied to the labels."""
