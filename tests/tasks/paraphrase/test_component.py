"""bert_paraphrase: pairs read together."""

import copy
import json
import pickle
from functools import partial

import numpy
import pytest
import spacy
import torch
from conftest import bert_model
from spacy import registry
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.pairs import PairAnnotation, get_pair, make_pair_example
from spacy_bert_suite.search import SemanticIndex
from spacy_bert_suite.tasks.paraphrase.calibration import best_temperature
from spacy_bert_suite.tasks.paraphrase.scorer import score_predictions

PAIRS = [
    (("Anna works in Paris.", "Ben lives near Oslo."), 1, 0.9, "entailment"),
    (("The film was awful.", "The film was great."), 0, 0.1, "contradiction"),
    (("Carla met Ben at the bank.", "Anna works in London."), 0, 0.3, "neutral"),
    (("Ben lives in Paris.", "The film was great."), 1, 0.6, "entailment"),
]
GOLD = {"binary": "label", "graded": "score", "classes": "label"}


def make(source, mode="binary", bert=None, **config):
    options = {key: config.pop(key) for key in ("symmetric",) if key in config}
    model = {
        "@architectures": "spacy-bert-suite.PairClassifier.v1",
        "pairs": {"@architectures": "spacy-bert-suite.PairEncoder.v1"},
        **config,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source), **(bert or {})})
    nlp.add_pipe("bert_paraphrase", config={"mode": mode, "model": model, **options})
    return nlp


def examples_for(nlp, mode):
    column = {"binary": 1, "graded": 2, "classes": 3}[mode]
    return [make_pair_example(nlp, row[0], **{GOLD[mode]: row[column]}) for row in PAIRS]


def initialized(source, mode="binary", **config):
    nlp = make(source, mode, **config)
    examples = examples_for(nlp, mode)
    nlp.initialize(lambda: examples)
    return nlp, examples, nlp.get_pipe("bert_paraphrase")


@pytest.mark.parametrize("mode", GOLD)
@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_learns_and_survives_saving(tiny_bert, optimizer, tmp_path, mode, pooling):
    nlp, examples, pipe = initialized(tiny_bert, mode, pooling=pooling)
    first = nlp.update(examples, sgd=optimizer)["bert_paraphrase"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_paraphrase"]
    assert last < first
    scores = nlp.evaluate(examples)
    assert scores["paraphrase_score"] > 0.9
    texts = [row[0] for row in PAIRS]
    expected = pipe.predict_pairs(texts)
    nlp.to_disk(tmp_path)
    for again in (spacy.load(tmp_path), pickle.loads(pickle.dumps(nlp))):
        loaded = again.get_pipe("bert_paraphrase")
        assert loaded.predict_pairs(texts) == pytest.approx(expected, abs=1e-5)
        assert loaded.labels == pipe.labels


def test_logits_equal_hugging_face(still_bert):
    _, _, pipe = initialized(still_bert, pooling="cls")
    model = AutoModel.from_pretrained(still_bert).eval()
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    output = pipe.model.shims[0].module.output
    for (pair, *_), found in zip(PAIRS, pipe.predict_pairs([row[0] for row in PAIRS])):
        with torch.no_grad():
            cls = model(**tokenizer(*pair, return_tensors="pt")).last_hidden_state[0, 0]
            yes = output(cls).softmax(0)[1]
            assert float(yes) == pytest.approx(float(found), abs=1e-5)


def test_gradients_equal_plain_torch(still_bert):
    nlp, examples, pipe = initialized(still_bert, "graded", dropout=0.0)
    nlp.update(examples, sgd=False)
    model = AutoModel.from_pretrained(still_bert).train()
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    head = copy.deepcopy(pipe.model.shims[0].module)
    head.zero_grad()
    states = [model(**tokenizer(*row[0], return_tensors="pt")).last_hidden_state for row in PAIRS]
    logits = head.output(head.pooler(torch.cat([found[:, 0] for found in states])))
    gold = torch.tensor([[1 - row[2], row[2]] for row in PAIRS])
    torch.nn.functional.cross_entropy(logits, gold).backward()
    for expected, module in (
        (head, pipe.model.shims[0].module),
        (model, nlp.get_pipe("bert").model.shims[0].module.transformer),
    ):
        found = dict(module.named_parameters())
        for name, parameter in expected.named_parameters():
            if parameter.grad is not None:
                wanted = pytest.approx(parameter.grad, rel=1e-3, abs=1e-6)
                assert found[name].grad == wanted, name


def test_the_pooler_begins_as_that_of_bert(tiny_bert, optimizer):
    """Also where the backbone does not learn, that of the head does."""
    nlp, examples, pipe = initialized(tiny_bert, bert={"trainable": False})
    dense = pipe.model.shims[0].module.pooler[0]
    theirs = nlp.get_pipe("bert").model.shims[0].module.transformer.pooler.dense
    assert torch.equal(dense.weight, theirs.weight)
    nlp.update(examples, sgd=optimizer)
    assert not torch.equal(dense.weight, theirs.weight)


def test_docs_ask_about_others(tiny_bert):
    nlp, _, pipe = initialized(tiny_bert)
    doc = nlp("Anna works in Paris.")
    expected = float(pipe.predict_pairs([(doc.text, "Ben lives")])[0])
    for other in ("Ben lives", nlp("Ben lives"), nlp("Ben lives near")[:2]):
        assert doc._.paraphrase(other) == pytest.approx(expected, abs=1e-6)
    assert doc.copy()._.paraphrase("Ben lives") == pytest.approx(expected, abs=1e-6)
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())  # without a warning of lost hooks
    (sent,) = nlp.pipe([doc.text], n_process=2)
    for each in (again, sent):
        assert each._.paraphrase("Ben lives") == pytest.approx(expected, abs=1e-6)
    for lost in (spacy.blank("en")("Anna"), pickle.loads(pickle.dumps(doc))):
        with pytest.raises(ValueError, match="B071"):
            lost._.paraphrase("Ben")


def test_classes_have_names(tiny_bert):
    nlp, _, pipe = initialized(tiny_bert, "classes")
    assert pipe.labels == ("contradiction", "entailment", "neutral")
    found = nlp("Anna")._.paraphrase("Ben")
    assert list(found) == list(pipe.labels) and sum(found.values()) == pytest.approx(1.0)
    strange = make_pair_example(nlp, ["a", "b"], label="other")
    with pytest.raises(ValueError, match="B068.*other"):
        nlp.update([strange])


def test_symmetric_is_the_mean_of_both_orders(tiny_bert):
    _, _, pipe = initialized(tiny_bert)
    there, back = pipe.predict_pairs([("Anna works", "Ben"), ("Ben", "Anna works")])
    assert abs(there - back) > 1e-4
    pipe.symmetric = True
    assert pipe.predict_pairs([("Anna works", "Ben")])[0] == pytest.approx((there + back) / 2)


def test_batches_do_not_matter(tiny_bert):
    _, _, pipe = initialized(tiny_bert)
    pairs = [("", ""), ("a", " "), ("Anna " * 200, "Ben " * 300), ("x" * 900, "\x00\ud800")]
    pairs += [row[0] for row in PAIRS]
    together = pipe.predict_pairs(pairs)
    one_by_one = [pipe.predict_pairs([pair])[0] for pair in pairs]
    assert together == pytest.approx(one_by_one, abs=1e-5)
    assert ((together > 0) & (together < 1)).all()
    assert pipe.predict_pairs([]).shape == (0,)


def test_lone_surrogates_are_replaced(tiny_bert):
    _, _, pipe = initialized(tiny_bert)
    found = pipe.predict_pairs([("Anna \ud800", "\udfff Ben")])
    assert found == pytest.approx(pipe.predict_pairs([("Anna \ufffd", "\ufffd Ben")]), abs=1e-6)


def test_temperature_makes_the_likelihood_best(tiny_bert, optimizer):
    nlp, examples, pipe = initialized(tiny_bert)
    wrong = make_pair_example(nlp, ["Anna works in Paris.", "Ben lives near Oslo."], label=0)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    sure = pipe.predict_pairs([PAIRS[0][0]])[0]
    assert pipe.calibrate([*examples, wrong]) > 1.0
    assert 0.5 < pipe.predict_pairs([PAIRS[0][0]])[0] < sure


def written(path, nlp, mode):
    """Write the pairs as the kind of file that the path names."""
    if path.suffix == ".spacy":
        docs = [eg.reference for eg in examples_for(nlp, mode)]
        DocBin(docs=docs, store_user_data=True).to_disk(path)
        return
    column = {"binary": 1, "graded": 2, "classes": 3}[mode]
    rows = [(*row[0], row[column] * 5 if mode == "graded" else row[column]) for row in PAIRS]
    names = ("text1", "text2", GOLD[mode])
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row))) for row in rows]
    else:
        between = {".tsv": "\t", ".csv": ","}[path.suffix]
        lines = [between.join(map(str, row)) for row in (names, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")


def test_temperature_of_both_orders(tiny_bert, optimizer):
    """It makes best what is predicted, which is the mean of both."""
    nlp, examples, pipe = initialized(tiny_bert)
    pipe.symmetric = True
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    wrong = make_pair_example(nlp, ["Anna works in Paris.", "Ben lives near Oslo."], label=0)
    examples = [*examples, wrong]

    def loss(temperature):
        pipe.cfg["temperature"] = temperature
        pairs = [(eg.predicted.text, get_pair(eg)) for eg in examples]
        found = pipe.predict_pairs([(text, pair.others[0]) for text, pair in pairs])
        gold = numpy.asarray([pair.label == "1" for _, pair in pairs])
        return -numpy.log(numpy.where(gold, found, 1 - found)).mean()

    best = pipe.calibrate(examples)
    assert loss(best) <= min(loss(best * factor) for factor in (0.8, 0.95, 1.05, 1.25))


def test_calibration_leaves_unknown_classes_out(tiny_bert):
    nlp, examples, pipe = initialized(tiny_bert, "classes")
    expected = pipe.calibrate(examples)
    strange = make_pair_example(nlp, ["a", "b"], label="other")
    with pytest.warns(UserWarning, match="B942.*1 of .*other"):
        assert pipe.calibrate([*examples, strange]) == pytest.approx(expected)
    with pytest.warns(UserWarning, match="B942"), pytest.raises(ValueError, match="B250"):
        pipe.calibrate([strange])


def test_labels_that_come_twice(tiny_bert):
    nlp, examples, pipe = initialized(tiny_bert, "classes")
    pipe.initialize(lambda: examples, nlp=nlp, labels=["neutral", "entailment", "neutral"])
    assert pipe.labels == ("neutral", "entailment")


def test_only_the_first_window_is_read(tiny_bert):
    _, _, pipe = initialized(tiny_bert, long_texts="first")
    encoder = pipe.model.layers[0]
    long, short = "Ben lives near Oslo. " * 40, "Ben lives near Oslo. " * 10
    assert len(encoder.predict([("Anna", long)]).starts) == 1
    assert pipe.predict_pairs([("Anna", long)]) == pytest.approx(
        pipe.predict_pairs([("Anna", short)]), abs=1e-6
    )


@pytest.mark.parametrize("mode", GOLD)
@pytest.mark.parametrize("suffix", [".spacy", ".jsonl", ".tsv", ".csv"])
def test_calibrates_before_saving(tiny_bert, tmp_path, mode, suffix):
    nlp, examples, pipe = initialized(tiny_bert, mode)
    expected = pipe.calibrate(examples)
    pipe.cfg["temperature"] = 77.0
    path = tmp_path / f"dev{suffix}"
    written(path, nlp, mode)
    scale = {"max_score": 5.0} if mode == "graded" and suffix != ".spacy" else {}
    callback = registry.callbacks.get("spacy-bert-suite.calibrate.v1")(str(path), **scale)
    assert callback(nlp) is nlp
    assert pipe.cfg["temperature"] == pytest.approx(expected, rel=1e-4) != 1.0
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp").get_pipe("bert_paraphrase")
    assert loaded.cfg["temperature"] == pytest.approx(expected, rel=1e-4)
    empty = spacy.blank("en")
    assert callback(empty) is empty


def test_nothing_to_calibrate_on(tiny_bert, tmp_path):
    nlp, examples, pipe = initialized(tiny_bert)
    with pytest.raises(ValueError, match="B250.*label.*bert_paraphrase"):
        pipe.calibrate(examples_for(nlp, "graded"))
    calibrate = registry.callbacks.get("spacy-bert-suite.calibrate.v1")
    DocBin(docs=[nlp.make_doc("Anna")]).to_disk(tmp_path / "dev.spacy")
    with pytest.raises(ValueError, match="B250"):
        calibrate(str(tmp_path / "dev.spacy"))(nlp)
    assert pipe.cfg["temperature"] == 1.0


def test_scores_of_classes():
    """As scikit-learn counts them; a class that nobody predicts counts too."""
    from sklearn.metrics import accuracy_score, f1_score

    labels, gold, chosen = list("enc"), "eenccec", "eneccee"
    pairs = [PairAnnotation(["b"], label=label) for label in gold]
    predicted = numpy.asarray([[label == c for label in labels] for c in chosen], dtype="float32")
    found = score_predictions(pairs, predicted, labels=labels, mode="classes")
    assert found["paraphrase_acc"] == found["paraphrase_score"]
    assert found["paraphrase_acc"] == pytest.approx(accuracy_score(list(gold), list(chosen)))
    macro_f = f1_score(list(gold), list(chosen), average="macro")
    assert found["paraphrase_macro_f"] == pytest.approx(macro_f)
    always = numpy.asarray([[1.0, 0.0, 0.0]] * len(pairs))
    found = score_predictions(pairs, always, labels=labels, mode="classes")
    assert found["paraphrase_macro_f"] == pytest.approx(2 * 3 / (3 + 7) / 3)


def test_best_temperature():
    logits, gold = torch.tensor([4.0, 4.0, 4.0, -4.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    # Three of four are right: the best probability of being right is 3/4.
    found = best_temperature(lambda t: float(loss(logits / t, gold)))
    assert 4 / found == pytest.approx(numpy.log(3), abs=1e-2)


def test_reranks(tiny_bert, optimizer):
    class Hit:
        def __init__(self, text):
            self.text = text

    _, _, pipe = initialized(tiny_bert)
    hits = [Hit("Ben lives near Oslo."), Hit("The film was great.")]
    expected = pipe.predict_pairs([("Anna", hit.text) for hit in hits]).tolist()
    assert pipe.rerank("Anna", hits) == expected
    _, _, pipe = initialized(tiny_bert, "classes")
    expected = pipe.predict_pairs([("Anna", hit.text) for hit in hits])[:, 1].tolist()
    assert pipe.rerank("Anna", hits) == pytest.approx(expected)


def classes(source, labels):
    nlp = make(source, "classes")
    nlp.initialize(lambda: [make_pair_example(nlp, ["a", "b"], label=label) for label in labels])
    return nlp.get_pipe("bert_paraphrase")


@pytest.mark.parametrize("labels", ["enc", "012", ["0.0", "1.0", "2.0"], ["entailment", "same"]])
def test_reranks_by_the_class_that_is_named(tiny_bert, labels):
    """SNLI counts 0 entailment, 1 neutral, 2 contradiction: its 1 says not yes."""
    pipe = classes(tiny_bert, labels)
    index = SemanticIndex()
    texts = ["Ben lives near Oslo.", "The film was great."]
    index.add(texts, vectors=numpy.eye(2, dtype="float32"))
    with pytest.raises(ValueError, match=r"B249.*bert_paraphrase.*label="):
        index.search("ben film", mode="bm25", rerank=pipe.rerank)
    first = labels[0]
    hits = index.search("ben film", mode="bm25", rerank=partial(pipe.rerank, label=first))
    found = pipe.predict_pairs([("ben film", hit.text) for hit in hits])
    expected = found[:, pipe.labels.index(first)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected, reverse=True))


def test_the_class_to_rank_by_is_one_of_its_own(tiny_bert):
    with pytest.raises(ValueError, match=r"B022.*label of.*'x'.*one of its classes \(0, 1\)"):
        classes(tiny_bert, "01").rerank("Anna", [], label="x")
    _, _, pipe = initialized(tiny_bert)
    with pytest.raises(ValueError, match="B022.*label.*None"):
        pipe.rerank("Anna", [], label="yes")


def test_others_and_bare_examples_are_skipped(tiny_bert, optimizer):
    nlp, examples, _ = initialized(tiny_bert)
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in ("Anna", "")]
    others = [stamped(eg, "bert_ner") for eg in examples]
    assert nlp.update(bare + others, sgd=optimizer)["bert_paraphrase"] == 0.0
    assert "paraphrase_score" not in nlp.evaluate(bare)
    assert isinstance(nlp("")._.paraphrase("a"), float)


def test_docs_cost_no_pass_that_nobody_reads(tiny_bert, monkeypatch):
    nlp, _, pipe = initialized(tiny_bert)
    shim = nlp.get_pipe("bert").model.shims[0]
    passes = []
    run = shim.run
    monkeypatch.setattr(shim, "run", lambda rows, train: passes.append(1) or run(rows, train))
    docs = [*nlp.pipe(["Anna", "Ben"]), nlp("Carla")]
    assert passes == []
    docs[0]._.paraphrase("Ben")
    assert passes == [1]


def test_a_frozen_backbone(tiny_bert, optimizer):
    nlp, examples, _ = initialized(tiny_bert, bert={"trainable": False})
    before = nlp.get_pipe("bert").to_bytes()
    first = nlp.update(examples, sgd=optimizer)["bert_paraphrase"]
    for _ in range(40):
        last = nlp.update(examples, sgd=optimizer)["bert_paraphrase"]
    assert last < first and nlp.get_pipe("bert").to_bytes() == before


def test_wrong_gold(tiny_bert):
    nlp = make(tiny_bert, "graded")
    with pytest.raises(ValueError, match="B070.*score"):
        nlp.initialize(lambda: examples_for(nlp, "binary"))
    nlp = make(tiny_bert, "classes")
    one = [make_pair_example(nlp, ["a", "b"], label="same")]
    with pytest.raises(ValueError, match="B052.*same"):
        nlp.initialize(lambda: one)


@pytest.mark.parametrize("labels", [("0", "0"), ("1", "yes"), ("different", "other"), "012"])
def test_labels_that_do_not_say_yes_and_no(tiny_bert, labels):
    nlp = make(tiny_bert)
    pairs = [make_pair_example(nlp, ["a", "b"], label=label) for label in labels]
    with pytest.raises(ValueError, match="B073.*classes"):
        nlp.initialize(lambda: pairs)


@pytest.mark.parametrize(
    "config, code",
    [
        ({"mode": "triple"}, "B022.*mode"),
        ({"pooling": "max"}, "B022.*pooling"),
        ({"long_texts": "last"}, "B022.*long_texts"),
        ({"dropout": 1.0}, "B022.*dropout"),
        ({"activation": "Sine"}, "B022.*activation"),
    ],
)
def test_wrong_config(tiny_bert, config, code):
    with pytest.raises(ValueError, match=code):
        make(tiny_bert, **config)


def test_what_is_read(tiny_bert):
    nlp, _, pipe = initialized(tiny_bert)
    first, second = PAIRS[0][0]
    expected = pipe.predict_pairs([(first, second)])
    doc = nlp.make_doc(first)
    assert pipe.predict_pairs([(doc, nlp.make_doc(second)[:])]) == expected
    with pytest.raises(ValueError, match=r"B074.*number 3.*NoneType"):
        pipe.predict_pairs([(first, second), (first, None)])
    for wrong in ((first, second), [first], [(first, second, first)]):
        with pytest.raises(ValueError, match=r"B075.*number 0"):
            pipe.predict_pairs(wrong)


def test_labels_are_a_list(tiny_bert):
    _, examples, pipe = initialized(tiny_bert, "classes")
    with pytest.raises(ValueError, match="B022.*labels"):
        pipe.initialize(lambda: examples, labels="yes")


def test_not_initialized(tiny_bert):
    nlp = make(tiny_bert)
    with pytest.raises(ValueError, match="B050.*bert_paraphrase"):
        nlp("Anna")._.paraphrase("Ben")
    assert Doc.has_extension("paraphrase")
    alone = spacy.blank("en")
    pipe = alone.add_pipe("bert_paraphrase")
    with pytest.raises(ValueError, match="B050|B032"):
        pipe.predict_pairs([("a", "b")])
