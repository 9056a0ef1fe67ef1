"""bert_ner: entities."""
