"""The encoder, in pure torch."""
