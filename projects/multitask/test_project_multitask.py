import shutil

import srsly

# Corpora of the other templates, laid out as a folder of data.
SAMPLES = {
    "ner": "ner/a",
    "textcat": "textclass/b",
    "sentiment": "mood/c",
    "similarity": "near/d",
    "paraphrase": "same/e",
    "qa": "asked/f",
    "summaries": "short/g",
}
QUICK = {
    "batch_size": 8,
    "qa_batch_size": 4,
    "summaries_batch_size": 2,
    "epochs": 0,
    "build": "none",
}
FOLDERS = {"summaries": "summarizer"}  # templates that have another name


def test_multitask_project(run_project):
    root = run_project("multitask", "all", steps=60, **QUICK)
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["ents_f"] > 0.3
    assert scores["cats_macro_f"] > 0.6
    assert scores["sentiment_acc"] > 0.6
    assert scores["similarity_spearman"] > 0.3
    assert scores["paraphrase_acc"] is not None
    assert scores["qa_f1"] is not None
    assert scores["summary_rouge1"] > 0.2
    paraphrase = srsly.read_json(root / "training" / "model-best" / "bert_paraphrase" / "cfg")
    assert paraphrase["temperature"] != 1.0
    answers = srsly.read_json(root / "training" / "model-best" / "bert_qa" / "cfg")
    assert answers["null_threshold"] not in (None, 0.0)
    page = (root / "output" / "article.html").read_text(encoding="utf8")
    assert "<mark" in page
    assert "<dt>sport</dt>" in page
    assert page.count('class="sentence"') > 50
    assert page.count('class="sentence summary"') == 5
    examples = (root / "output" / "examples.html").read_text(encoding="utf8")
    assert '<section class="matrix">' in examples


def test_heads_learn_from_separate_corpora(run_project, template, tmp_path):
    """The other recipe, on the samples of the other templates."""
    for task, dataset in SAMPLES.items():
        sample = template / FOLDERS.get(task, task) / "assets" / "sample"
        shutil.copytree(sample, tmp_path / "data" / dataset)
    folders = {"data": tmp_path / "data", **SAMPLES}
    root = run_project("multitask", "separate", separate_steps=100, **folders, **QUICK)
    scores = {task: srsly.read_json(root / "metrics" / f"separate_{task}.json") for task in SAMPLES}
    assert scores["ner"]["ents_f"] > 0.3
    assert scores["textcat"]["cats_macro_f"] > 0.6
    assert scores["sentiment"]["sentiment_acc"] > 0.7
    assert scores["similarity"]["similarity_spearman"] > 0.6
    assert scores["paraphrase"]["paraphrase_acc"] is not None
    assert scores["qa"]["qa_f1"] is not None
    assert scores["summaries"]["summary_rouge1"] > 0.2
    assert "ents_f" not in scores["qa"] or scores["qa"]["ents_f"] is None
