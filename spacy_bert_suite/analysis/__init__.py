"""What BERT's layers hold."""
