"""What a training run reports."""
