"""What can be exported, and what is refused."""

import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from transformers import AutoModel

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import entities_of

TEXT = "anna works in paris near the bank of london"


def test_exports_that_cannot_be(make_nlp, tmp_path, tiny_bert):
    nlp = make_nlp("bert_ner")
    nlp.add_pipe("bert_summarizer")
    for name, code in (("sentencizer", "B228"), ("bert_summarizer", "B228"), ("none", "B231")):
        with pytest.raises(ValueError, match=code):
            export_checkpoint(nlp, name, tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="B232"):
        export_checkpoint(nlp, "bert_ner", tmp_path / "full")
    mixed = make_nlp("bert_ner", bert={"layers": "last4_sum"})
    with pytest.raises(ValueError, match='B229.*layers = "last"'):
        export_checkpoint(mixed, "bert_ner", tmp_path / "new")
    unknown = spacy.blank("en")
    unknown.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    unknown.add_pipe("bert_ner")
    with pytest.raises(ValueError, match="B050"):
        export_checkpoint(unknown, "bert_ner", tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_the_backbone_alone_is_exported(make_nlp, tmp_path):
    nlp = make_nlp("bert_ner")
    (tmp_path / "new").mkdir()
    path = export_checkpoint(nlp, "bert", tmp_path / "new")
    model = AutoModel.from_pretrained(path)
    mine = nlp.get_pipe("bert").model.shims[0].module.transformer.state_dict()
    assert all(torch.equal(value, mine[key]) for key, value in model.state_dict().items())


def test_a_private_backbone_is_exported(make_nlp, tmp_path, optimizer):
    nlp = make_nlp("bert_ner")
    nlp.replace_listeners("bert", "bert_ner", ["model.bert"])
    nlp.update(make_examples(nlp), sgd=optimizer)
    export_checkpoint(nlp, "bert_ner", tmp_path / "new")
    again = import_checkpoint(tmp_path / "new")
    assert entities_of(again(TEXT)) == entities_of(nlp(TEXT))
