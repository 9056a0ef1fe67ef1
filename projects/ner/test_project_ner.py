import srsly


def test_ner_project(run_project):
    root = run_project("ner", "all", as_user=True, steps=60, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["ents_f"] > 0.6
    assert set(scores["ents_per_type"]) == {"LOC", "ORG", "PER"}
    assert (root / "packages" / "en_bert_ner-0.1.0" / "en_bert_ner").is_dir()
    page = (root / "output" / "entities.html").read_text(encoding="utf8")
    assert page.count("<article") == 6
    assert "<mark" in page
