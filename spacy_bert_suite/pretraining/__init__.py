"""BERT's own training: plain text, instances of two segments, masks, and what is learnt."""
