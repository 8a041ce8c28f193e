"""Evidence for and against labels: what a model sees, beside what was drawn."""
