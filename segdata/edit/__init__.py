"""Edit: datasets compared, and later cut, joined and changed."""
