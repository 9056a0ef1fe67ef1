"""`bert_similarity` from a Sentence-BERT folder, and as one."""

import json

import numpy
import pytest
import spacy
import torch
from conftest import bert_model
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import change_config

TEXT = "anna works in paris near the bank of london"


def test_sentence_bert_folders(tmp_path, tiny_bert):
    library = pytest.importorskip("sentence_transformers")
    texts = ["anna works in paris", "", "ben " * 10]
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert, window=64)})
    model = {"@architectures": "spacy-bert-suite.SentenceEncoder.v1", "pooling": "cls+mean"}
    model.update(dense_width=12, truncate_dim=8)
    pipe = nlp.add_pipe("bert_similarity", config={"model": model})
    expected = pipe.encode(texts)
    assert expected.shape == (3, 8)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    theirs = library.SentenceTransformer(str(path), device="cpu")
    assert numpy.allclose(theirs.encode(texts, show_progress_bar=False), expected, atol=1e-5)
    again = import_checkpoint(path)
    assert again.pipe_names == ["bert", "bert_similarity"]
    assert numpy.allclose(again.get_pipe("bert_similarity").encode(texts), expected, atol=1e-5)
    model["pooling"] = "pooler"
    nlp.add_pipe("bert_similarity", "other", config={"model": model})
    with pytest.raises(ValueError, match="B229"):
        export_checkpoint(nlp, "other", tmp_path / "other")


def similarity(source, window=32, **model):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source, window=window)})
    model["@architectures"] = "spacy-bert-suite.SentenceEncoder.v1"
    nlp.add_pipe("bert_similarity", config={"model": model})
    return nlp


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("long_documents", ["mean", "first"])
def test_vectors_come_back(tmp_path, tiny_bert, normalize, long_documents):
    nlp = similarity(tiny_bert, normalize=normalize, long_documents=long_documents)
    texts = ["anna works in paris", TEXT * 20]
    expected = nlp.get_pipe("bert_similarity").encode(texts)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    again = import_checkpoint(path)
    assert again.get_pipe("bert").model.shims[0].window == 32
    assert again.get_pipe("bert_similarity").encode(texts) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("file", ["sentence_bert_config.json", "tokenizer_config.json"])
def test_texts_end_where_the_folder_says(tmp_path, tiny_bert, file):
    """As in sentence-transformers, of which our export keeps what it cannot know."""
    nlp = similarity(tiny_bert, normalize=False)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    change_config(path, spacy_bert_suite=None)
    key = {"sentence_bert_config.json": "max_seq_length"}.get(file, "model_max_length")
    (path / "sentence_bert_config.json").unlink()
    (path / file).write_text(json.dumps({key: 20}))
    cut = {"truncation": True, "max_length": 20, "return_tensors": "pt"}
    inputs = AutoTokenizer.from_pretrained(tiny_bert)(TEXT * 20, **cut)
    with torch.no_grad():
        states = AutoModel.from_pretrained(tiny_bert)(**inputs).last_hidden_state[0]
    found = import_checkpoint(path).get_pipe("bert_similarity").encode([TEXT * 20])[0]
    assert found == pytest.approx(states.mean(0).numpy(), abs=1e-5)


def test_vectors_share_no_backbone_of_another_folder(tmp_path, tiny_bert):
    """They read its modules, which may be others for the same weights."""
    nlp = similarity(tiny_bert, window=64, normalize=False)
    expected = nlp.get_pipe("bert_similarity").encode([TEXT])
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    both = import_checkpoint(tiny_bert)
    with pytest.warns(UserWarning, match="B939"):
        import_checkpoint(path, nlp=both)
    assert both.get_pipe("bert_similarity").encode([TEXT]) == pytest.approx(expected, abs=1e-5)
    import_checkpoint(path, nlp=both, name="again")
    assert both.pipe_names == ["bert", "bert_2", "bert_similarity", "again"]
