"""Analysis of a BERT: its input embeddings."""
