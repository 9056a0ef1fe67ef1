"""Several callbacks in one place."""

import pytest
import spacy
from spacy import registry
from thinc.api import Config

from spacy_bert_suite.training.callbacks.chain import make_chain_callbacks

CHAIN = "spacy-bert-suite.chain_callbacks.v1"
CONFIG = f"""
[training]
[training.before_to_disk]
@callbacks = "{CHAIN}"

[training.before_to_disk.callbacks]

[training.before_to_disk.callbacks.second_in_the_alphabet]
@callbacks = "spacy-bert-suite.calibrate.v1"
path = "pairs.jsonl"

[training.before_to_disk.callbacks.first]
@callbacks = "spacy-bert-suite.tune_null_threshold.v1"
path = "questions.json"
"""


def noting(calls, name):
    def note(nlp):
        calls.append((name, nlp.lang))
        return spacy.blank(name)

    return note


def test_each_gets_what_the_one_before_gave():
    calls = []
    callback = make_chain_callbacks({name: noting(calls, name) for name in ("fr", "de")})
    assert callback(spacy.blank("en")).lang == "de"
    assert calls == [("fr", "en"), ("de", "fr")]
    nlp = spacy.blank("en")
    assert make_chain_callbacks({})(nlp) is nlp


def test_what_gives_no_pipeline_back_is_named():
    callback = make_chain_callbacks({"fine": lambda nlp: nlp, "forgetful": lambda nlp: None})
    with pytest.raises(ValueError, match="B251.*'forgetful'.*NoneType.*return nlp"):
        callback(spacy.blank("en"))


def test_a_name_is_no_callback():
    with pytest.raises(ValueError, match="B022.*chain_callbacks.*sections"):
        make_chain_callbacks({"first": "spacy-bert-suite.calibrate.v1"})


def test_a_config_keeps_the_order_and_takes_overrides():
    overrides = {"training.before_to_disk.callbacks.first.path": "other.json"}
    config = Config().from_str(CONFIG)
    again = Config().from_str(config.to_str(), overrides=overrides)
    values = again["training"]["before_to_disk"]
    assert list(values["callbacks"]) == ["second_in_the_alphabet", "first"]
    assert values["callbacks"]["first"]["path"] == "other.json"
    callback = registry.resolve(again["training"])["before_to_disk"]
    nlp = spacy.blank("en")
    assert callback(nlp) is nlp  # no component of theirs: the files are not read
