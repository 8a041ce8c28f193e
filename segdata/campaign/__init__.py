"""Campaign: project a full campaign from a pilot, and assess whether its taxonomy is ready."""
