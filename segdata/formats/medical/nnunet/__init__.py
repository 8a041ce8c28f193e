"""nnU-Net: dataset.json, cases, and regions."""
