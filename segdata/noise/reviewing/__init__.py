"""What a reviewer looks at, and what follows from the verdicts."""
