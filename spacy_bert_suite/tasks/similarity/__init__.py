"""bert_similarity: vectors and similarity."""
