"""Training that can be resumed where it was interrupted."""
