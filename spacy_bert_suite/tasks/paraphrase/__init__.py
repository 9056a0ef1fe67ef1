"""bert_paraphrase: two texts read together."""
