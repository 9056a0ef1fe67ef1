"""One folder per task, named as its factory without bert_; no task imports another."""
