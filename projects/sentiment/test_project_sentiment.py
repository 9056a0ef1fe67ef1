import srsly


def test_sentiment_project(run_project):
    root = run_project("sentiment", "all", steps=48, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["sentiment_acc"] > 0.8
    assert (root / "packages" / "en_bert_sentiment-0.1.0" / "en_bert_sentiment").is_dir()
    page = (root / "output" / "sentiment.html").read_text(encoding="utf8")
    assert page.count('class="sentence"') == 6
    assert "data-mood" in page
