import shutil

import srsly


def test_multitask_project(run_project):
    root = run_project("multitask", "all", steps=60, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert scores["ents_f"] > 0.2
    assert scores["cats_macro_f"] > 0.5
    assert scores["sentiment_acc"] > 0.5
    page = (root / "output" / "article.html").read_text(encoding="utf8")
    assert "<mark" in page
    assert "<dt>sport</dt>" in page
    assert page.count('class="sentence"') > 50
    assert page.count('class="sentence summary"') == 5
    examples = (root / "output" / "examples.html").read_text(encoding="utf8")
    assert '<section class="matrix">' in examples


def test_heads_learn_from_separate_corpora(run_project, template, tmp_path):
    """The other recipe, on the samples of the other templates laid out as a folder of data."""
    for task, dataset in [("ner", "ner/a"), ("textcat", "textclass/b"), ("sentiment", "mood/c")]:
        shutil.copytree(template / task / "assets" / "sample", tmp_path / "data" / dataset)
    root = run_project(
        "multitask",
        "separate",
        data=tmp_path / "data",
        ner="ner/a",
        textcat="textclass/b",
        sentiment="mood/c",
        separate_steps=100,
    )
    scores = {
        task: srsly.read_json(root / "metrics" / f"separate_{task}.json")
        for task in ("ner", "textcat", "sentiment")
    }
    assert scores["ner"]["ents_f"] > 0.1
    assert scores["textcat"]["cats_macro_f"] > 0.4
    assert scores["sentiment"]["sentiment_acc"] > 0.4
