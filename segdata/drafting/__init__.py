"""Labels drafted by machine for images that nobody annotated, for people to correct; never called human work."""
