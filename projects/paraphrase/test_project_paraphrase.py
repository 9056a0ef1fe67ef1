import srsly


def test_paraphrase_project(run_project):
    root = run_project("paraphrase", "all", steps=60, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["paraphrase_ap"] > 0.7
    assert scores["paraphrase_acc"] > 0.7  # one answer to all: 0.64
    assert 0.05 <= srsly.read_json(cfg_of(root))["temperature"] <= 20
    assert (root / "packages" / "en_bert_paraphrase-0.1.0" / "en_bert_paraphrase").is_dir()


def cfg_of(root):
    return root / "training" / "model-best" / "bert_paraphrase" / "cfg"
