"""The three input embeddings, against transformers."""

import numpy
import pytest
import spacy
import torch
from conftest import bert_model
from transformers import (
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from spacy_bert_suite.analysis.input_embeddings import input_embeddings

PAIR = ("Anna works in Paris.", "Ben lives near Oslo!")


@pytest.fixture
def bert(tiny_bert):
    nlp = spacy.blank("en")
    return nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})


@pytest.mark.parametrize("text", ["Anna works in Paris.", PAIR, "", "\ud800 Paris"])
def test_equal_to_transformers(bert, tiny_bert, text):
    found = input_embeddings(bert, text)
    texts = [text] if isinstance(text, str) else text
    clean = [each.replace("\ud800", "\ufffd") for each in texts]
    encoder = AutoModel.from_pretrained(tiny_bert)
    inputs = AutoTokenizer.from_pretrained(tiny_bert)(*clean, return_tensors="pt")
    with torch.no_grad():
        first = encoder(**inputs, output_hidden_states=True).hidden_states[0][0]
    numpy.testing.assert_allclose(found.normalized, first, rtol=1e-6, atol=1e-6)
    assert found.ids.tolist() == inputs.input_ids[0].tolist()
    assert found.segments.tolist() == inputs.token_type_ids[0].tolist()


def test_parts_are_rows_of_the_tables(bert, tiny_bert):
    found = input_embeddings(bert, PAIR)
    tables = AutoModel.from_pretrained(tiny_bert).embeddings
    assert found.pieces[:7] == ["[CLS]", "anna", "works", "in", "paris", ".", "[SEP]"]
    assert found.segments.tolist() == [0] * 7 + [1] * (len(found.pieces) - 7)
    assert found.positions.tolist() == list(range(len(found.pieces)))
    paris = found.pieces.index("paris")
    token = AutoTokenizer.from_pretrained(tiny_bert).convert_tokens_to_ids("paris")
    with torch.no_grad():
        numpy.testing.assert_array_equal(found.token[paris], tables.word_embeddings.weight[token])
        numpy.testing.assert_array_equal(found.segment[-1], tables.token_type_embeddings.weight[1])
        numpy.testing.assert_array_equal(
            found.position, tables.position_embeddings.weight[: len(found.pieces)]
        )
        total = torch.from_numpy(found.token + found.segment + found.position)
        expected = torch.nn.functional.layer_norm(
            total, total.shape[1:], tables.LayerNorm.weight, tables.LayerNorm.bias, eps=1e-12
        )
    numpy.testing.assert_allclose(found.normalized, expected, rtol=1e-6, atol=1e-6)


def test_encoders_that_count_otherwise(tmp_path, tiny_bert):
    """RoBERTa has one segment, and counts positions from above its padding."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(tmp_path)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, type_vocab_size=1, pad_token_id=0,
    )  # fmt: skip
    encoder = RobertaModel(config).eval()
    encoder.save_pretrained(tmp_path)
    bert = spacy.blank("en").add_pipe("bert", config={"model": bert_model(str(tmp_path))})
    found = input_embeddings(bert, PAIR)
    with torch.no_grad():
        ids = torch.from_numpy(found.ids)[None]
        expected = encoder(ids, output_hidden_states=True).hidden_states[0][0]
    numpy.testing.assert_allclose(found.normalized, expected, rtol=1e-6, atol=1e-6)
    assert found.positions[0] == 1 and not found.segments.any()


def test_texts_longer_than_the_window(bert):
    assert len(input_embeddings(bert, "good " * 30).pieces) == 32
    with pytest.raises(ValueError, match="B169.*33 wordpieces, and the window takes 32"):
        input_embeddings(bert, "good " * 31)


def test_too_many_texts(bert):
    with pytest.raises(ValueError, match="B169.*one text, or two"):
        input_embeddings(bert, ("a", "b", "c"))


def test_encoders_without_the_tables(tmp_path, tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(tmp_path)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=1, n_heads=2, hidden_dim=16
    )
    DistilBertModel(config).save_pretrained(tmp_path)
    bert = spacy.blank("en").add_pipe("bert", config={"model": bert_model(str(tmp_path))})
    with pytest.raises(ValueError, match="B169.*DistilBertModel has no token_type_embeddings"):
        input_embeddings(bert, "Anna")
