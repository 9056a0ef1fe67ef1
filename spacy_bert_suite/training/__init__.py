"""Training that goes on where it was broken off."""
