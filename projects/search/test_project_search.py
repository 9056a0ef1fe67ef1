import srsly


def test_search_project(run_project, tmp_path, monkeypatch):
    """Without the extra `search`: a small collection is scanned."""
    for library in ("qdrant_edge", "qdrant_client"):
        (tmp_path / f"{library}.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    root = run_project("search", "all")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert set(scores) == {"vector", "bm25", "hybrid"}
    assert scores["vector"]["ndcg@10"] > 0.8
    assert scores["hybrid"]["ndcg@10"] > scores["bm25"]["ndcg@10"] > 0.4
    assert scores["hybrid"]["recall@100"] == 1.0
    assert (root / "output" / "index" / "manifest.json").exists()
