"""bert_textcat and bert_textcat_multilabel: categories."""
