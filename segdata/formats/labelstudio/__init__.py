"""Task files of Label Studio."""
