"""Loading, checking and saving weights."""
