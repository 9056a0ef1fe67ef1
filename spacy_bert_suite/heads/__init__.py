"""What every component that learns is built from."""
