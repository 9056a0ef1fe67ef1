"""Training in several processes: launch, averaged gradients, tensors passed between processes."""
