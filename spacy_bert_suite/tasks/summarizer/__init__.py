"""bert_summarizer: extractive summaries."""
