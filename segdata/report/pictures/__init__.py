"""Pictures: images with their segments and findings drawn on them."""
