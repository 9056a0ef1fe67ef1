import srsly


def test_textcat_project(run_project):
    root = run_project("textcat", "all", steps=60, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["cats_macro_f"] > 0.8
    assert (root / "packages" / "en_bert_textcat-0.1.0" / "en_bert_textcat").is_dir()
    page = (root / "output" / "topics.html").read_text(encoding="utf8")
    assert page.count("<dt>science</dt>") == 5


def test_several_labels_per_text(run_project, template, tmp_path):
    """The topic, and whether the text is long."""
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "dev"):
        rows = srsly.read_jsonl(template / "textcat" / "assets" / "sample" / f"{split}.jsonl")
        srsly.write_jsonl(data / f"{split}.jsonl", map(add_label, rows))
    options = {"steps": 36, "batch_size": 8, "epochs": 0, "build": "none"}
    root = run_project("textcat", "all", data=data, config="multilabel", **options)
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["cats_macro_auc"] > 0.8
    assert scores["labels_macro_f"] > 0.6
    cfg = srsly.read_json(root / "training" / "model-best" / "bert_textcat_multilabel" / "cfg")
    assert cfg["thresholds"].keys() == set(cfg["labels"])


def add_label(row):
    labels = [row["label"], "long"] if len(row["text"]) > 90 else [row["label"]]
    return {"text": row["text"], "labels": labels}
