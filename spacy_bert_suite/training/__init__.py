"""`bert train`: `spacy train` that can be resumed and run in several processes."""
