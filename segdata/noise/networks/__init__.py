"""Networks: folds, training and out-of-fold prediction."""
