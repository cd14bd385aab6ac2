"""What a model costs: counted, predicted, measured, matched. Knows models and their training, and no study."""
