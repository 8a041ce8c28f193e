"""Campaign: from a small pilot to what a full campaign will hold, and whether its taxonomy is ready for it."""
