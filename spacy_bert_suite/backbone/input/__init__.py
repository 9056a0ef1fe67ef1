"""Texts to wordpieces and windows."""
