"""bert_sentiment: sentiment of docs and sentences."""
