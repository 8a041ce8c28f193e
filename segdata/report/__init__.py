"""Reports: findings, datasets and results as text, JSON, CSV, HTML and pictures."""
