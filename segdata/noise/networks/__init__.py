"""Networks that predict images which they have not seen: folds, training, prediction."""
