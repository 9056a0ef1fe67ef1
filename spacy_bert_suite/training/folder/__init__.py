"""The output folder of a training run: checkpoints, manifest, resume state."""
