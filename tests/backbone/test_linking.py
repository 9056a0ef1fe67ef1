"""Heads come and go, and move between pipelines: each finds the states of its backbone."""

import copy
import gc
import pickle
import random
import string
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
from conftest import bert_model, make_examples, write_tiny_bert
from thinc.api import Adam

from spacy_bert_suite.backbone.input.wordpieces import WordpieceTokenizer
from spacy_bert_suite.data.pairs import make_pair_example

TEXT = "Anna works in Paris."


@pytest.fixture
def nlp(make_nlp):
    return make_nlp("bert_ner", "bert_textcat")


def weights(nlp):
    bert = nlp.get_pipe("bert")
    bert.flush_pending_step()
    return bert.model.to_bytes()


@pytest.mark.parametrize("disabled", ["bert_ner", "bert_textcat"])
def test_a_head_that_was_off_at_load_is_switched_on(nlp, tmp_path, disabled, optimizer):
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path, disable=[disabled])
    again.enable_pipe(disabled)
    assert again(TEXT).cats == nlp(TEXT).cats
    again.update(make_examples(again), sgd=optimizer)


def test_a_head_is_added_and_trained_alone(nlp):
    expected = nlp(TEXT).cats
    nlp.add_pipe("bert_sentiment", after="bert")
    with nlp.select_pipes(enable=["bert", "bert_sentiment"]):
        nlp.get_pipe("bert_sentiment").initialize(lambda: make_examples(nlp), nlp=nlp)
    doc = nlp(TEXT)
    assert doc.cats == expected
    assert doc._.sentiment["label"] in ("negative", "positive")


@pytest.mark.parametrize("head", ["bert_textcat", "bert_similarity"])
def test_a_renamed_backbone_is_missed_by_name(make_nlp, head, tmp_path):
    nlp = make_nlp("bert_textcat") if head == "bert_textcat" else make_nlp()
    if head == "bert_similarity":
        nlp.add_pipe(head)
    nlp.rename_pipe("bert", "encoder")
    nlp.rename_pipe(head, "mine")
    nlp.to_disk(tmp_path)
    pipe = spacy.load(tmp_path).get_pipe("mine")
    run = pipe.predict if head == "bert_textcat" else lambda docs: pipe.encode(["Anna"])
    with pytest.raises(ValueError, match="B032.*'mine' listens to 'bert'"):
        run([nlp.make_doc(TEXT)])


def test_sourcing_leaves_the_origin_whole(nlp, tiny_bert):
    expected = nlp(TEXT).cats
    other = spacy.blank("en")
    other.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    other.add_pipe("bert_textcat", source=nlp)
    assert other(TEXT).cats == pytest.approx(expected)
    assert nlp(TEXT).cats == expected
    both = spacy.blank("en")
    both.add_pipe("bert", source=nlp)
    both(TEXT)
    assert nlp(TEXT).cats == expected


def test_a_removed_head_is_not_waited_for(nlp):
    nlp.remove_pipe("bert_ner")
    nlp._link_components()
    gc.collect()  # models refer to themselves
    list(nlp.pipe([TEXT] * 5))
    assert len(nlp.get_pipe("bert").store) == 0


def test_a_doc_that_comes_twice(nlp):
    doc = nlp.make_doc(TEXT)
    list(nlp.pipe([doc, nlp.make_doc("Ben"), doc]))
    assert doc.cats == pytest.approx(nlp(TEXT).cats, abs=1e-6)
    assert len(nlp.get_pipe("bert").store) == 0


@pytest.mark.parametrize("annotates", [["bert"], ["bert", "bert_ner"]])
def test_an_annotating_backbone_learns(nlp, optimizer, annotates):
    before = weights(nlp)
    nlp.update(make_examples(nlp), sgd=optimizer, annotates=annotates)
    assert weights(nlp) != before


def test_a_frozen_backbone_and_a_head_both_annotate(nlp, optimizer):
    before = weights(nlp)
    annotates = ["bert", "bert_ner", "bert_textcat"]
    losses = nlp.update(make_examples(nlp), sgd=optimizer, exclude=["bert"], annotates=annotates)
    assert losses["bert_ner"] > 0 and losses["bert_textcat"] > 0
    assert weights(nlp) == before


def test_merged_tokens_are_refused(nlp):
    ruler = nlp.add_pipe("entity_ruler", after="bert")
    ruler.add_patterns([{"label": "PER", "pattern": "Anna works"}])
    nlp.add_pipe("merge_entities", after="entity_ruler")
    with pytest.raises(ValueError, match="B037.*merged or split"):
        nlp(TEXT)


@pytest.mark.parametrize(
    "retokenize",
    [
        lambda doc: (doc[0:2], doc[3], ["Par", "is"]),  # as many tokens as before
        lambda doc: (doc[2:4], doc[1], ["wor", "ks"]),
        lambda doc: (None, doc[4], ["."]),
    ],
)
def test_tokens_that_begin_elsewhere_are_refused(nlp, retokenize):
    doc = nlp.get_pipe("bert")(nlp.make_doc(TEXT))
    merged, token, parts = retokenize(doc)
    with doc.retokenize() as retokenizer:
        if merged is not None:
            retokenizer.merge(merged)
        if len(parts) > 1:
            retokenizer.split(token, parts, heads=[token] * len(parts))
    if merged is None:
        nlp.get_pipe("bert_ner")(doc)
    else:
        with pytest.raises(ValueError, match="B037.*merged or split"):
            nlp.get_pipe("bert_ner")(doc)


def test_a_copy_in_the_middle_of_training(nlp, optimizer):
    nlp.update(make_examples(nlp), sgd=optimizer)
    again = pickle.loads(pickle.dumps(nlp))
    twin = copy.deepcopy(nlp)
    assert again(TEXT).cats == twin(TEXT).cats == nlp(TEXT).cats
    for pipeline in (again, twin):
        pipeline.update(make_examples(pipeline), sgd=optimizer)
        pipeline(TEXT)


def test_a_private_copy_of_a_frozen_backbone_is_frozen(make_nlp, optimizer, tmp_path):
    nlp = make_nlp("bert_textcat", bert={"trainable": False})
    nlp.replace_listeners("bert", "bert_textcat", ["model.bert"])
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        backbone = pipeline.get_pipe("bert_textcat").model.layers[0]
        before = backbone.to_bytes()
        losses = [
            pipeline.update(make_examples(pipeline), sgd=optimizer)["bert_textcat"]
            for _ in range(10)
        ]
        assert losses[-1] < losses[0]
        assert backbone.to_bytes() == before


def blank_with(source, *heads):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source)})
    for head in heads:
        nlp.add_pipe(head)
    return nlp


def test_a_private_copy_serves_all_passes_of_its_component(tiny_bert, optimizer, tmp_path):
    """Texts outside of Docs go through the copy as well, now and after loading."""
    nlp = blank_with(tiny_bert, "bert_similarity", "bert_textcat_multilabel")
    nlp.initialize(lambda: make_examples(nlp))
    nlp.replace_listeners("bert", "bert_similarity", ["model.bert"])
    before = nlp(TEXT).vector
    assert nlp.get_pipe("bert").listening_components == ["bert_textcat_multilabel"]
    for _ in range(3):
        nlp.update(make_examples(nlp), sgd=optimizer, exclude=["bert_similarity"])
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        pipe = pipeline.get_pipe("bert_similarity")
        assert numpy.allclose(pipeline(TEXT).vector, before, atol=1e-6)
        assert numpy.allclose(pipe.encode([TEXT])[0], before, atol=1e-6)


def test_passes_of_their_own_count_as_listening(tiny_bert):
    """So that spaCy warns where such a component is frozen and the backbone learns."""
    nlp = blank_with(tiny_bert, "bert_similarity", "bert_paraphrase")
    assert nlp.get_pipe("bert").listening_components == ["bert_similarity", "bert_paraphrase"]
    nlp.remove_pipe("bert_paraphrase")
    assert nlp.get_pipe("bert").listening_components == ["bert_similarity"]


def test_a_backbone_in_the_listeners_place(tiny_bert, optimizer):
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-bert-suite.TextClassifier.v1",
        "bert": bert_model(tiny_bert),
    }
    nlp.add_pipe("bert_textcat_multilabel", config={"model": model})
    nlp.initialize(lambda: make_examples(nlp))
    before = nlp(TEXT).cats
    nlp.update(make_examples(nlp), sgd=optimizer)
    assert nlp(TEXT).cats != before


def test_another_width_from_disk(make_nlp, tmp_path):
    wide = str(write_tiny_bert(tmp_path / "wide", hidden_size=24))
    make_nlp(source=wide).to_disk(tmp_path / "pipeline")
    nlp = make_nlp()
    nlp.get_pipe("bert").from_disk(tmp_path / "pipeline" / "bert", exclude=["vocab"])
    nlp.add_pipe("bert_textcat").add_label("home")
    nlp.get_pipe("bert_textcat").add_label("work")
    nlp.get_pipe("bert_textcat").initialize(lambda: make_examples(nlp), nlp=nlp)
    assert set(nlp(TEXT).cats) == {"home", "work"}


def test_trainable_and_keep_states_can_be_set_at_load(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    settings = {"trainable": False, "keep_states": True}
    again = spacy.load(tmp_path, config={"components": {"bert": settings}})
    assert not again.get_pipe("bert").is_trainable
    assert again(TEXT)._.bert_states["pieces"].shape[1] == 16


def test_threads_cut_texts_at_once(nlp):
    """Words that no thread has seen: the cache is filled while it is read."""
    rng = random.Random(0)
    texts = [
        " ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(30))
        for _ in range(300)
    ]
    tokenizer = nlp.get_pipe("bert").model.shims[0].tokenizer
    alone = WordpieceTokenizer(tokenizer)
    shared = WordpieceTokenizer(tokenizer)
    expected = [alone([text]).ids.tolist() for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: shared([text]).ids.tolist(), texts)) == expected


def test_a_ruinous_learn_rate_is_told_once(nlp, optimizer):
    optimizer.learn_rate = 1e-3
    with pytest.warns(UserWarning, match="B902.*0.001.*init-config") as seen:
        for _ in range(3):
            nlp.update(make_examples(nlp), sgd=optimizer)
    assert len([w for w in seen if "B902" in str(w.message)]) == 1


def test_a_frozen_backbone_without_weights_is_told(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_textcat")
    with nlp.select_pipes(disable=["bert"]), pytest.raises(ValueError, match="B03[28]"):
        nlp.initialize(lambda: make_examples(nlp))


def pairs_of(nlp):
    texts = [(["Anna works", "Ben lives"], "1"), (["The film", "Music"], "0")]
    return [make_pair_example(nlp, pair, label=label) for pair, label in texts]


@pytest.mark.parametrize("kind", ["excluded", "disabled"])
def test_a_backbone_outside_of_an_update_gets_no_gradient(tiny_bert, kind):
    """Or else its next step would be that of batches in which it took no part."""
    nlp = blank_with(tiny_bert, "bert_paraphrase")
    pairs, sgd = pairs_of(nlp), Adam(1e-3)
    nlp.initialize(lambda: pairs)
    nlp.update(pairs, sgd=sgd)
    nlp.get_pipe("bert").flush_pending_step()
    head = nlp.get_pipe("bert_paraphrase").model.shims[0].module
    before = [p.detach().clone() for p in head.parameters()]
    if kind == "excluded":
        nlp.update(pairs, sgd=sgd, exclude=["bert"])
    else:
        with nlp.select_pipes(enable=["bert_paraphrase"]):
            nlp.update(pairs, sgd=sgd)
    backbone = nlp.get_pipe("bert").model.shims[0].module
    assert all(p.grad is None for p in backbone.parameters())
    assert any(not p.equal(old) for p, old in zip(head.parameters(), before))
    nlp.update(pairs, sgd=False)
    assert any(p.grad is not None for p in backbone.parameters())


def test_a_private_copy_has_the_last_step(nlp, optimizer):
    nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.replace_listeners("bert", "bert_textcat", ["model.bert"])
    copied = nlp.get_pipe("bert_textcat").model.layers[0].shims[0].module
    ours = nlp.get_pipe("bert").model.shims[0].module
    nlp.get_pipe("bert").flush_pending_step()
    for mine, its in zip(copied.parameters(), ours.parameters()):
        assert mine.equal(its)


def test_a_private_copy_needs_no_other_backbone(tiny_bert, tmp_path):
    source = blank_with(tiny_bert, "bert_similarity")
    source.initialize(lambda: make_examples(source))
    source.replace_listeners("bert", "bert_similarity", ["model.bert"])
    nlp = spacy.blank("en")
    nlp.add_pipe("bert_similarity", source=source)
    expected = nlp(TEXT).vector
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert numpy.allclose(loaded(TEXT).vector, expected, atol=1e-6)
    assert numpy.allclose(loaded.get_pipe("bert_similarity").encode(TEXT)[0], expected, atol=1e-6)


def test_own_passes_of_a_copy_see_the_last_step(tiny_bert):
    nlp = blank_with(tiny_bert, "bert_ner", "bert_paraphrase")
    examples = [*make_examples(nlp), *pairs_of(nlp)]
    nlp.initialize(lambda: examples)
    again = pickle.loads(pickle.dumps(nlp))
    again.update(make_examples(again), sgd=Adam(1e-3))
    pipe = again.get_pipe("bert_paraphrase")
    found = pipe.predict_pairs([("Anna works", "Ben lives")])
    again.get_pipe("bert").flush_pending_step()
    assert pipe.predict_pairs([("Anna works", "Ben lives")]) == pytest.approx(found, abs=1e-7)
