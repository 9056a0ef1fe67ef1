import srsly


def test_summarizer_project(run_project):
    root = run_project("summarizer", "all", steps=10, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["summary_rouge1"] > 0.4
    assert (root / "packages" / "en_bert_summarizer-0.1.0" / "en_bert_summarizer").is_dir()
    texts = (root / "assets" / "examples.txt").read_text(encoding="utf8").splitlines()
    summaries = (root / "output" / "summaries.txt").read_text(encoding="utf8").splitlines()
    assert len(summaries) == len(texts) == 3
    for text, summary in zip(texts, summaries):
        assert 0 < len(summary) < len(text) / 2
        assert all(f"{sentence}." in text for sentence in summary.rstrip(".").split(". "))
