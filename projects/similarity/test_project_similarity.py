import srsly


def test_similarity_project(run_project):
    root = run_project("similarity", "all", steps=20, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["similarity_spearman"] > 0.7
    assert (root / "packages" / "en_bert_similarity-0.1.0" / "en_bert_similarity").is_dir()
    page = (root / "output" / "similarity.html").read_text(encoding="utf8")
    assert page.count("<td style=") == 36
