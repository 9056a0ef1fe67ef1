import srsly


def test_textcat_project(run_project):
    root = run_project("textcat", "all", steps=60, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["cats_macro_f"] > 0.6
    assert (root / "packages" / "en_bert_textcat-0.1.0" / "en_bert_textcat").is_dir()
    page = (root / "output" / "topics.html").read_text(encoding="utf8")
    assert page.count("<dt>science</dt>") == 5
