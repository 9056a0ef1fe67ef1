import numpy
import pytest
import spacy
from conftest import bert_model, make_examples
from spacy.cli import find_threshold
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bert_suite.core.torch_shim import get_shim
from spacy_bert_suite.data.multitask import TASK
from spacy_bert_suite.tasks.textcat.scorer import score_categories
from spacy_bert_suite.tasks.textcat.thresholds import best_threshold, make_tune_thresholds


def f1(chosen, gold):
    return 2 * (chosen & gold).sum() / (chosen.sum() + gold.sum())


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_is_the_best_of_all(seed):
    random = numpy.random.default_rng(seed)
    gold = random.random(40) < 0.4
    predicted = (gold * 0.3 + random.random(40)).round(1) / 1.3
    best = best_threshold(predicted, gold)
    others = [f1(predicted >= cut, gold) for cut in numpy.linspace(0.01, 0.99, 99)]
    assert f1(predicted >= best, gold) == pytest.approx(max(others))


def test_thresholds_decide_and_are_saved(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat_multilabel")
    pipe = nlp.get_pipe("bert_textcat_multilabel")
    doc = nlp("Anna works in Paris.")
    pipe.cfg["thresholds"] = {label: p + 1e-3 for label, p in doc.cats.items()}
    assert nlp(doc.text)._.labels == []
    pipe.cfg["thresholds"] = {label: p - 1e-3 for label, p in doc.cats.items()}
    expected = sorted(doc.cats, key=doc.cats.get, reverse=True)
    assert nlp(doc.text)._.labels == expected
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)(doc.text)._.labels == expected


def test_tuning_callback(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat_multilabel")
    docs = [eg.reference for eg in make_examples(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    assert make_tune_thresholds(str(tmp_path / "dev.spacy"))(nlp) is nlp
    thresholds = nlp.get_pipe("bert_textcat_multilabel").cfg["thresholds"]
    assert set(thresholds) == {"home", "work", "positive"}
    texts = [doc.text for doc in docs]
    for label, threshold in thresholds.items():
        predicted = numpy.asarray([doc.cats[label] for doc in nlp.pipe(texts)])
        gold = numpy.asarray([doc.cats[label] > 0 for doc in docs])
        assert f1(predicted >= threshold, gold) >= f1(predicted >= 0.5, gold)


def test_one_threshold_is_found_by_spacy(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat_multilabel")
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "dev.spacy")
    nlp.to_disk(tmp_path / "model")
    best, score, scores = find_threshold(
        str(tmp_path / "model"),
        tmp_path / "dev.spacy",
        "bert_textcat_multilabel",
        "threshold",
        "labels_micro_f",
        n_trials=5,
        silent=True,
    )
    assert scores[0.0] > scores[1.0] == 0  # all labels, none
    assert score == scores[best] == max(scores.values())


def test_thresholds_need_predictions(make_nlp):
    nlp = make_nlp("bert_textcat_multilabel")
    with pytest.raises(ValueError, match="B057.*number 0.*home"):
        nlp.get_pipe("bert_textcat_multilabel").tune_thresholds(make_examples(nlp))


def test_thresholds_go_with_what_was_learnt(make_nlp):
    nlp = make_nlp("bert_textcat_multilabel")
    nlp.get_pipe("bert_textcat_multilabel").cfg["thresholds"] = {"home": 0.9}
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("bert_textcat_multilabel").cfg["thresholds"] == {}


def test_a_category_that_is_no_number(make_nlp):
    nlp = make_nlp("bert_textcat")
    eg = Example.from_dict(nlp.make_doc("Anna"), {"cats": {"home": 1.0}})
    eg.reference.cats = {"home": "yes"}
    with pytest.raises(ValueError, match="B058.*home.*yes"):
        nlp.update([eg], sgd=False)


def with_cats(nlp, cats):
    eg = Example.from_dict(nlp.make_doc("Anna works"), {"cats": {"home": 1.0}})
    eg.reference.cats = cats
    return eg


@pytest.mark.parametrize("head", ["bert_textcat", "bert_textcat_multilabel"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 5.0, 1.01])
def test_a_category_is_a_number_from_0_to_1(make_nlp, head, value):
    nlp = make_nlp(head)
    for cats in ({"home": value}, {"home": value, "work": 1.0}):
        with pytest.raises(ValueError, match=f"B058.*home.*{head}.*from 0 to 1"):
            nlp.update([with_cats(nlp, cats)], sgd=False)


def test_exclusive_categories_exclude_one_another(make_nlp, backbone_config):
    """Moods that are taken as topics are found out so too."""
    nlp = make_nlp("bert_textcat")
    with pytest.raises(ValueError, match=r"B059.*bert_textcat.*'Anna works': home, work.*labels"):
        nlp.update([with_cats(nlp, {"home": 1, "work": 1})], sgd=False)
    for soft in ({"home": 0.4, "work": 0.6}, {"home": 1.0, "work": 0.5}, {"home": True}, {}):
        assert nlp.update([with_cats(nlp, soft)], sgd=False)["bert_textcat"] >= 0
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config=backbone_config)
    nlp.add_pipe("bert_textcat")
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="B059.*positive, work"):
        nlp.update(examples, sgd=False)


def test_exclusive_probabilities_sum_to_one(make_nlp):
    doc = make_nlp("bert_textcat")("Anna works")
    assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-6)
    assert doc._.labels == [max(doc.cats, key=doc.cats.get)]


def test_two_categorizers_share_a_doc(make_nlp):
    nlp = make_nlp("bert_textcat_multilabel", "bert_textcat")
    nlp.get_pipe("bert_textcat").cfg["labels"] = ["x", "y"]
    doc = nlp("Anna works")
    assert set(doc.cats) == {"home", "work", "positive", "x", "y"}
    assert len([label for label in doc._.labels if label in ("x", "y")]) == 1


def test_labels_missing_from_the_gold_are_not_negative(make_nlp, optimizer):
    nlp = make_nlp("bert_textcat_multilabel")
    pipe = nlp.get_pipe("bert_textcat_multilabel")
    eg = Example.from_dict(nlp.make_doc("Anna works"), {"cats": {"work": 1.0}})
    nlp.get_pipe("bert").update([eg])
    scores, _ = pipe.model.begin_update([eg.predicted])
    _, (gradient, _) = pipe.get_loss([eg], scores)
    assert gradient[0, [0, 2]].tolist() == [0.0, 0.0]
    assert gradient[0, 1] < 0


def test_labels_begin_at_their_frequencies(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    pipe = nlp.add_pipe("bert_textcat_multilabel")
    cats = [{"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 0.0}, {"a": 0.5, "b": 1.0}, {}]
    examples = [Example.from_dict(nlp.make_doc("A film."), {"cats": gold}) for gold in cats]
    examples[-1].reference.user_data[TASK] = "another"
    examples[-1].reference.cats = {"a": 0.0, "b": 0.0, "c": 0.0}
    nlp.initialize(lambda: examples)
    bias = get_shim(pipe.model).module.output.bias.tolist()
    assert bias == pytest.approx(numpy.log([3.5 / 1.5, 2 / 2, 1 / 2]).tolist())
    nlp.initialize()
    assert get_shim(pipe.model).module.output.bias.tolist() == [0.0, 0.0, 0.0]


def test_one_label_is_not_enough(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_textcat").add_label("only")
    with pytest.raises(ValueError, match="B052.*only"):
        nlp.initialize(lambda: make_examples(nlp))


def scored(nlp, gold, chosen, exclusive):
    eg = Example.from_dict(nlp.make_doc("Anna works"), {"cats": gold})
    eg.predicted.cats = {label: float(label in chosen) for label in ("home", "work")}
    eg.predicted._.labels = chosen
    return score_categories([eg], labels=["home", "work"], exclusive=exclusive)


def test_labels_missing_from_the_gold_are_not_scored(make_nlp):
    nlp = make_nlp("bert_textcat_multilabel")
    both = ["home", "work"]
    scores = scored(nlp, {"home": 1.0}, both, exclusive=False)
    assert scores["labels_micro_f"] == 1.0
    assert scores["labels_macro_f"] == scores["cats_macro_f"] == 0.5  # of all labels, as in spaCy
    assert scored(nlp, {"home": 1.0, "work": 0.0}, both, False)["labels_micro_f"] < 1.0


def test_the_highest_gold_is_the_one_if_labels_are_exclusive(make_nlp):
    nlp = make_nlp("bert_textcat")
    soft = {"home": 0.4, "work": 0.3}
    assert scored(nlp, soft, ["home"], exclusive=True)["labels_micro_f"] == 1.0
    assert scored(nlp, soft, ["work"], exclusive=True)["labels_micro_f"] == 0.0
    wrong = scored(nlp, {"home": 1.0}, ["work"], exclusive=True)
    assert wrong["labels_micro_f"] == wrong["cats_micro_f"] == 0.0


@pytest.mark.parametrize("threshold", [5, -0.1])
def test_a_threshold_is_a_probability(threshold):
    config = {"threshold": threshold}
    with pytest.raises(ValueError, match="B022.*threshold.*between 0 and 1"):
        spacy.blank("en").add_pipe("bert_textcat_multilabel", config=config)


@pytest.mark.parametrize("head", ["bert_textcat", "bert_textcat_multilabel"])
def test_scores_follow_the_threshold(make_nlp, head):
    nlp = make_nlp(head)
    examples = make_examples(nlp)

    def recall(**scorer_cfg):
        return nlp.evaluate(examples, scorer_cfg=scorer_cfg)["cats_macro_r"]

    if head == "bert_textcat_multilabel":
        assert recall(threshold=1.0) == 0.0 and recall(threshold=0.0) == 1.0
        nlp.get_pipe(head).cfg["threshold"] = 1.0
        assert recall() == 0.0
    else:  # there spaCy takes the best category, whatever its value
        assert recall() == recall(threshold=0.0) == recall(threshold=1.0)


BAD_GOLD = [
    ("bert_textcat", {"home": 1.5, "work": 0.0}, "B058.*home"),
    ("bert_textcat_multilabel", {"home": -0.1, "work": 0.0}, "B058.*home"),
    ("bert_sentiment", {"negative": "no", "positive": 1.0}, "B058.*negative"),
    ("bert_sentiment", {"negative": 1, "positive": 1}, "B059.*negative, positive"),
]


@pytest.mark.parametrize("head, cats, code", BAD_GOLD)
def test_gold_is_looked_at_before_training(tiny_bert, head, cats, code):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe(head)
    examples = [Example.from_dict(nlp.make_doc("Anna"), {"cats": cats})]
    with pytest.raises(ValueError, match=code):
        nlp.initialize(lambda: examples)


@pytest.mark.parametrize("head", ["bert_ner", "bert_textcat", "bert_sentiment"])
@pytest.mark.parametrize("get_examples", [lambda: None, [], None])
def test_initialize_takes_a_function_that_gives_examples(make_nlp, head, get_examples):
    with pytest.raises(TypeError, match=f"B381.*{head}"):
        make_nlp(head).get_pipe(head).initialize(get_examples)


@pytest.mark.parametrize("name", ["bert_textcat", "bert_textcat_multilabel"])
def test_no_text_is_no_evidence(make_nlp, name):
    nlp = make_nlp(name)
    nlp.get_pipe(name).cfg["threshold"] = 0.0
    *empty, full = nlp.pipe(["", " \n", "\u200b", "Anna works"])
    assert all(not any(doc.cats.values()) and doc._.labels == [] for doc in empty)
    assert {*empty[0].cats} == {*full.cats}
    assert all(full.cats.values()) and full._.labels
