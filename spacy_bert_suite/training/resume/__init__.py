"""What a resumed run needs: position in the corpus, random generators, optimizer state."""
