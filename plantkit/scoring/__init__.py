"""From masks and accuracies to records, and from records to scores and standings."""
