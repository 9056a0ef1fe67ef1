"""Which backbone feeds a component."""

import pytest
import spacy
from conftest import bert_model

from spacy_bert_suite.checkpoints.upstream import backbones, find_upstream


@pytest.fixture
def nlp(tiny_bert):
    nlp = spacy.blank("en")
    for name in ("bert", "other"):
        nlp.add_pipe("bert", name, config={"model": bert_model(tiny_bert)})
    return nlp


def weights_of(nlp, name):
    return nlp.get_pipe(name).model.shims[0]


@pytest.mark.parametrize("upstream", ["bert", "other"])
@pytest.mark.parametrize("factory, key", [("bert_ner", "bert"), ("bert_qa", "pairs")])
def test_the_one_that_the_config_names(nlp, factory, key, upstream):
    pipe = nlp.add_pipe(factory, config={"model": {key: {"upstream": upstream}}})
    nlp.get_pipe(upstream).find_listeners(pipe)
    assert find_upstream(nlp, pipe) is weights_of(nlp, upstream)
    assert [bert.name for bert in backbones(nlp)] == ["bert", "other"]


def test_its_own(nlp):
    pipe = nlp.add_pipe("bert_ner")
    nlp.replace_listeners("bert", "bert_ner", ["model.bert"])
    assert find_upstream(nlp, pipe) not in [weights_of(nlp, "bert"), weights_of(nlp, "other")]


def test_none(tiny_bert):
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match="B032.*bert_ner"):
        find_upstream(nlp, nlp.add_pipe("bert_ner"))


def test_mixed_layers_have_no_counterpart(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert, layers="last4_sum")})
    with pytest.raises(ValueError, match='B229.*layers = "last"'):
        find_upstream(nlp, nlp.add_pipe("bert_ner"))
