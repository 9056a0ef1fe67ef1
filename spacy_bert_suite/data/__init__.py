"""Files and Examples, without a model."""
