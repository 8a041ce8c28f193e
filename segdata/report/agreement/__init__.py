"""Reports of agreement: conclusions in words and tables of figures, as text, HTML, JSON and CSV."""
