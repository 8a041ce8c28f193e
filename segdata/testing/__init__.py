"""Pictures, strategies and laws, for our tests and for those of plugin authors."""
