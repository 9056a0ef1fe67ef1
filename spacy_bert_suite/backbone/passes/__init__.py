"""Layers that run texts of their own through the shared weights."""
