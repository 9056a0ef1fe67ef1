import re
from collections import Counter
from itertools import islice

import pytest
import spacy
from spacy.training import Example

from spacy_bert_suite.data.batchers import make_task_batcher
from spacy_bert_suite.data.multitask import TASK, examples_for, is_for, make_multi_task_corpus


def make_corpus(name, n):
    def corpus(nlp):
        return [Example.from_dict(nlp.make_doc(f"{name} {i}"), {}) for i in range(n)]

    return corpus


CORPORA = {"bert_ner": make_corpus("ner", 60), "bert_textcat": make_corpus("cat", 20)}


def blank(*names):
    """A pipeline with components of these names, which do nothing to the point."""
    nlp = spacy.blank("en")
    for name in names or CORPORA:
        nlp.add_pipe("sentencizer", name=name)
    return nlp


def read(corpus):
    return [(eg.reference.user_data[TASK], eg.text) for eg in corpus(blank())]


def test_every_example_once_at_temperature_one():
    rows = read(make_multi_task_corpus(CORPORA))
    assert len(rows) == len(set(rows)) == 80
    assert Counter(task for task, _ in rows) == {"bert_ner": 60, "bert_textcat": 20}
    assert all(text.startswith("ner") == (task == "bert_ner") for task, text in rows)
    assert len({task for task, _ in rows[:20]}) == 2  # mixed


def test_temperature_favours_small_corpora():
    counts = Counter(task for task, _ in read(make_multi_task_corpus(CORPORA, temperature=2)))
    assert counts["bert_ner"] == 60  # every example at least once
    assert counts["bert_textcat"] == round(60 * 20**0.5 / 60**0.5)


def test_nothing_is_left_out_at_any_temperature():
    for temperature in (0.5, 1.5, 10.0):
        rows = read(make_multi_task_corpus(CORPORA, temperature=temperature))
        assert len(set(rows)) == 80


def test_weights_multiply_the_proportion():
    counts = Counter(
        task for task, _ in read(make_multi_task_corpus(CORPORA, weights={"bert_textcat": 3}))
    )
    assert counts == {"bert_ner": 60, "bert_textcat": 60}
    rows = read(
        make_multi_task_corpus(CORPORA, weights={"bert_ner": 0.5})
    )  # no example is left out
    assert Counter(task for task, _ in rows) == {"bert_ner": 60, "bert_textcat": 40}
    assert len(set(rows)) == 80
    both = {"bert_ner + bert_textcat": CORPORA["bert_ner"], "bert_textcat": CORPORA["bert_textcat"]}
    rows = read(make_multi_task_corpus(both, temperature=2, weights={"bert_ner+bert_textcat": 2}))
    assert Counter(task for task, _ in rows)["bert_ner+bert_textcat"] == round(2 * 20 * 3**0.5)


def test_deterministic_and_new_in_every_epoch():
    first, second = make_multi_task_corpus(CORPORA), make_multi_task_corpus(CORPORA)
    epoch = read(first)
    assert epoch == read(second)
    assert epoch != read(first)


def test_whole_and_in_order_for_evaluation():
    rows = read(make_multi_task_corpus(CORPORA, shuffle=False))
    assert [text for _, text in rows[:2]] == ["ner 0", "ner 1"]
    assert len(rows) == 80


def test_bad_values():
    with pytest.raises(ValueError, match="B100"):
        make_multi_task_corpus({})
    for temperature in (0, 0.001, float("nan")):
        with pytest.raises(ValueError, match="B102"):
            make_multi_task_corpus(CORPORA, temperature=temperature)
    with pytest.raises(ValueError, match="B103"):
        read(make_multi_task_corpus(CORPORA, temperature=0.1))
    with pytest.raises(ValueError, match="B103.*weights"):
        read(make_multi_task_corpus(CORPORA, weights={"bert_ner": 500}))
    with pytest.raises(ValueError, match="B188.*'bert_qa'.*bert_ner, bert_textcat"):
        make_multi_task_corpus(CORPORA, weights={"bert_qa": 2})
    for weight in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="B189.*'bert_ner'"):
            make_multi_task_corpus(CORPORA, weights={"bert_ner": weight})
    with pytest.raises(ValueError, match="B101.*bert_ner"):
        read(make_multi_task_corpus({"bert_ner": make_corpus("x", 0)}))


@pytest.mark.parametrize(
    "key, unknown", [("similarity", "similarity"), ("bert_ner+x", "x"), ("bert_ner+", "")]
)
def test_a_corpus_for_no_component(key, unknown):
    message = rf"B185.*'{re.escape(key)}'.*'{unknown}'.*available: bert_ner, bert_textcat\."
    with pytest.raises(ValueError, match=message):
        read(make_multi_task_corpus({**CORPORA, key: make_corpus("x", 3)}))


def test_blanks_in_a_key():
    nlp = blank()
    nlp.disable_pipe("bert_ner")  # as a frozen one is while others learn
    corpus = make_multi_task_corpus({"bert_ner + bert_textcat ": make_corpus("x", 6)})
    examples = list(corpus(nlp))
    assert {eg.reference.user_data[TASK] for eg in examples} == {"bert_ner+bert_textcat"}
    assert is_for(examples[0], "bert_ner") and is_for(examples[0], "bert_textcat")
    assert not is_for(examples[0], "bert_qa")
    batches = make_task_batcher(6, {"bert_ner +bert_textcat": 2})(examples)
    assert [len(batch) for batch in batches] == [2, 2, 2]


def test_tasks_may_share_examples():
    examples = list(make_corpus("both", 3)(spacy.blank("en")))
    shared = {name: lambda nlp: examples for name in CORPORA}
    counts = Counter(task for task, _ in read(make_multi_task_corpus(shared)))
    assert counts == dict.fromkeys(CORPORA, 3)
    assert all(TASK not in eg.reference.user_data for eg in examples)


def test_batches_are_of_one_task():
    examples = list(make_multi_task_corpus(CORPORA)(blank()))
    batches = list(make_task_batcher(8)(examples))
    assert sum(len(batch) for batch in batches) == 80
    for batch in batches:
        assert len({eg.reference.user_data[TASK] for eg in batch}) == 1
    assert sorted(len(batch) for batch in batches)[2:] == [8] * (len(batches) - 2)


def test_a_head_learns_from_its_own_only(make_nlp, optimizer):
    nlp = make_nlp("bert_ner", "bert_textcat")
    gold = {"cats": {"work": 1.0, "home": 0.0}, "entities": [(0, 4, "PER")]}
    eg = Example.from_dict(nlp.make_doc("Anna works"), gold)
    eg.reference.user_data[TASK] = "bert_ner"
    losses = nlp.update([eg], sgd=optimizer)
    assert losses["bert_ner"] > 0 and losses["bert_textcat"] == 0
    scores = nlp.evaluate([eg])
    assert scores["ents_f"] is not None and "cats_score" not in scores


def test_several_components_learn_from_one_corpus(make_nlp, optimizer):
    nlp = make_nlp("bert_ner", "bert_textcat", "bert_sentiment")
    gold = {"cats": {"work": 1.0, "home": 0.0, "positive": 1.0, "negative": 0.0}}
    eg = Example.from_dict(nlp.make_doc("Anna works"), {**gold, "entities": [(0, 4, "PER")]})
    corpus = make_multi_task_corpus({"bert_ner+bert_textcat": lambda nlp: [eg]})
    (shared,) = corpus(nlp)
    losses = nlp.update([shared], sgd=optimizer)
    assert losses["bert_ner"] > 0 and losses["bert_textcat"] > 0
    assert losses["bert_sentiment"] == 0
    scores = nlp.evaluate([shared])
    assert scores["ents_f"] is not None and scores["cats_score"] is not None
    assert "sentiment_acc" not in scores


def test_a_component_reads_only_its_own_corpora():
    n_read = Counter()

    def counted(name):
        def corpus(nlp):
            n_read[name] += 1
            return CORPORA[name.split("+")[0]](nlp)

        return corpus

    keys = ("bert_ner", "bert_textcat", "bert_ner+bert_textcat")
    corpus = make_multi_task_corpus({key: counted(key) for key in keys})
    found = examples_for(lambda: corpus(blank()), "bert_textcat")
    assert n_read == {"bert_textcat": 1, "bert_ner+bert_textcat": 1}
    assert {eg.reference.user_data[TASK] for eg in found} == set(n_read)
    assert len(found) == 80
    assert examples_for(lambda: corpus(blank()), "bert_qa") == []
    assert len(list(corpus(blank()))) == 140  # all of them for everyone else


def test_get_examples_of_a_user_gives_all_that_it_gives():
    """Only a corpus that is handed on as it is can leave out what is for others."""
    corpus, n_given = make_multi_task_corpus(CORPORA), 0

    def get_examples():
        nonlocal n_given
        for eg in corpus(blank()):
            n_given += 1
            yield eg

    found = examples_for(get_examples, "bert_textcat")
    assert n_given == 80 and len(found) == 20
    first = examples_for(lambda: islice(corpus(blank()), 40), "bert_textcat")
    assert 0 < len(first) < 20


def test_a_component_reads_what_bears_no_name():
    examples = list(make_multi_task_corpus(CORPORA)(blank()))
    plain = make_corpus("plain", 3)(blank())
    found = examples_for(lambda: iter([*examples, *plain]), "bert_textcat")
    assert len(found) == 23
    assert len(examples_for(lambda: iter(plain), "bert_textcat", limit=2)) == 2


@pytest.mark.parametrize("get_examples", [None, [], lambda: None, list, lambda: [1, 2]])
def test_what_gives_no_examples(get_examples):
    with pytest.raises(TypeError, match="bert_ner.initialize"):
        examples_for(get_examples, "bert_ner")


def test_batches_of_several_sizes():
    examples = list(make_multi_task_corpus(CORPORA)(blank()))
    batches = list(make_task_batcher(20, {"bert_textcat": 5})(examples))
    sizes = Counter((batch[0].reference.user_data[TASK], len(batch)) for batch in batches)
    assert sizes == {("bert_ner", 20): 3, ("bert_textcat", 5): 4}
    for wrong in ({"size": 0}, {"size": 4, "sizes": {"bert_ner": -1}}):
        with pytest.raises(ValueError, match="B192"):
            make_task_batcher(**wrong)


def test_sizes_of_a_corpus_that_is_not_there():
    examples = list(make_multi_task_corpus(CORPORA)(blank()))
    with pytest.warns(UserWarning, match="B906.*'bert_textcats'.*bert_ner, bert_textcat"):
        list(make_task_batcher(20, {"bert_textcats": 5})(examples))
    assert list(make_task_batcher(20, {"bert_textcats": 5})([])) == []
