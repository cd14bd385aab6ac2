"""Training: one run of one network, exactly repeatable and exactly resumable. `train.fit` is the way in."""
