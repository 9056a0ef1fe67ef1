"""Which checkpoints share the backbone of a pipeline."""

import pytest
import spacy
import torch
from conftest import write_tiny_bert
from transformers import AutoTokenizer

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import change_config, entities_of, logits_of

TAGGER, QA = "BertForTokenClassification", "BertForQuestionAnswering"
NAMES = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
TEXT = "anna works in paris near the bank of london"


def test_several_share_nothing_and_say_so(make_original, tmp_path):
    one = make_original(TAGGER, names=NAMES)
    two = make_original(QA, folder="two", initializer_range=0.4)
    nlp = import_checkpoint(one)
    expected = entities_of(nlp(TEXT))
    with pytest.warns(UserWarning, match="B939.*'bert_2' is a backbone beside bert"):
        assert import_checkpoint(two, nlp=nlp) is nlp
    assert nlp.pipe_names == ["bert", "bert_ner", "bert_2", "bert_qa"]
    nlp.to_disk(tmp_path / "nlp")
    for pipeline in (nlp, spacy.load(tmp_path / "nlp")):
        assert entities_of(pipeline(TEXT)) == expected
        found = pipeline.get_pipe("bert_qa").model.predict([("who", TEXT)]).logits[:, 0]
        output = logits_of(two, "AutoModelForQuestionAnswering", "who", TEXT)
        assert torch.allclose(found, output.start_logits[0], atol=1e-5)
    assert [entry["backbone"] for entry in nlp.meta["bert_checkpoints"]] == ["bert", "bert_2"]


def test_heads_with_the_same_encoder_share_it(make_nlp, tmp_path):
    """Two heads that were trained on one backbone, exported, and brought together again."""
    nlp = make_nlp("bert_ner", "bert_textcat", bert={"window": 64, "stride": 48},
                   bert_textcat={"model": {"@architectures":
                       "spacy-bert-suite.TextClassifier.v1", "pooling": "pooler"}})  # fmt: skip
    for name in ("bert_ner", "bert_textcat"):
        export_checkpoint(nlp, name, tmp_path / name)
    again = import_checkpoint(tmp_path / "bert_ner")
    import_checkpoint(tmp_path / "bert_textcat", nlp=again, name="topics")
    assert again.pipe_names == ["bert", "bert_ner", "topics"]
    before, after = nlp(TEXT), again(TEXT)
    assert after.cats == pytest.approx(before.cats, abs=1e-5)
    assert [e[:3] for e in entities_of(after)] == [e[:3] for e in entities_of(before)]


def test_a_tokenizer_that_truncates_is_the_same(make_original, tiny_bert, tmp_path):
    """Tokenizers are saved with the truncation of the last call; windows are cut without it."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer(["anna"], truncation=True, max_length=8, padding="max_length")
    path = make_original(TAGGER, names=NAMES, tokenizer=tokenizer)
    nlp = import_checkpoint(path)
    import_checkpoint(path, nlp=nlp, name="again")
    assert nlp.pipe_names == ["bert", "bert_ner", "again"]


@pytest.mark.parametrize("change", ["precision", "heads"])
def test_what_computes_otherwise_is_not_shared(make_original, change):
    path = make_original(TAGGER, names=NAMES)
    nlp = import_checkpoint(path, precision="bf16" if change == "precision" else "fp32")
    if change == "heads":
        change_config(path, num_attention_heads=4)
    with pytest.warns(UserWarning, match="B939.*in the same precision"):
        import_checkpoint(path, nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_ner", "bert_2", "bert_ner_2"]


def test_a_different_model_is_not_shared(tmp_path, tiny_bert):
    other = write_tiny_bert(tmp_path / "other", type_vocab_size=3)
    nlp = import_checkpoint(tiny_bert, task="similarity")
    with pytest.warns(UserWarning, match="B939"):
        import_checkpoint(other, task="similarity", nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_similarity", "bert_2", "bert_similarity_2"]
