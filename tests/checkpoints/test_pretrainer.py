"""`bert_pretrainer` from a masked language model, and as one."""

import pytest
import torch

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import logits_of

TEXT = "anna works in paris near the bank of london"


@pytest.mark.parametrize("kind", ["BertForPreTraining", "BertForMaskedLM"])
def test_pretrained_models(make_original, kind, tmp_path):
    path = make_original(kind)
    nlp = import_checkpoint(path)
    assert nlp.pipe_names == ["bert", "bert_pretrainer"]
    exported = export_checkpoint(nlp, "bert_pretrainer", tmp_path / "exported")
    theirs = logits_of(path, "AutoModelForMaskedLM", TEXT).logits
    assert torch.allclose(logits_of(exported, "AutoModelForMaskedLM", TEXT).logits, theirs)
    place = 3
    masked = TEXT.split()
    masked[place] = "[MASK]"
    logits = logits_of(path, "AutoModelForMaskedLM", " ".join(masked)).logits[0, 1 + place]
    (best,) = nlp.get_pipe("bert_pretrainer").fill_mask(" ".join(masked), top_k=1)
    assert best.score == pytest.approx(logits.softmax(0).max().item(), abs=1e-5)


def test_words_predicted_by_another_table(make_original):
    path = make_original("BertForMaskedLM", tie_word_embeddings=False)
    with pytest.raises(ValueError, match="B235"):
        import_checkpoint(path)
    sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    path = make_original("DistilBertForMaskedLM", folder="distil", **sizes)
    with pytest.raises(ValueError, match="B222.*distilbert.*task = 'bert'"):
        import_checkpoint(path)
