"""An index in a folder: segments of vectors, metadata, HNSW."""
