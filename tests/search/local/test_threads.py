"""Threads of one process write and search one index."""

from concurrent.futures import ThreadPoolExecutor

from search.toys import random_vectors

from spacy_bert_suite.search import SemanticIndex

VECTORS = random_vectors(24, 8, seed=2)


def test_writers_queue_and_searches_see_what_they_scored(tmp_path):
    index = SemanticIndex(path=tmp_path / "index")
    index.add([f"d{i}" for i in range(24)], vectors=VECTORS)

    def write(n):
        index.add([f"new {n}"], vectors=-VECTORS[:1])
        index.compact()

    def search(n):
        return index.search(VECTORS[n], k=1)[0].text

    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(write, n) for n in range(8)]
        assert list(pool.map(search, range(24))) == [f"d{i}" for i in range(24)]
        assert [future.result() for future in writes] == [None] * 8
    assert len(index) == 32
