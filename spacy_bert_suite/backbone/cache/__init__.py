"""States of a frozen backbone on disk."""
