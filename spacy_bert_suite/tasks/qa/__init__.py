"""bert_qa: answers to questions."""
