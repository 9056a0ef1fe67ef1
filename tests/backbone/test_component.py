"""The component: one pass, deferred backward, states that go away."""

import gc
import pickle

import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.training import Example

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.backbone.state_store import MOST_PENDING_BATCHES

HEADS = ("bert_ner", "bert_textcat", "bert_sentiment")
STOCK_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "bert",
}


def without_dropout(*heads):
    def model(head):
        name = "TokenClassifier" if head == "bert_ner" else "TextClassifier"
        return {"model": {"@architectures": f"spacy-bert-suite.{name}.v1", "dropout": 0.0}}

    return {head: model(head) for head in heads}


def bert_of(nlp):
    return nlp.get_pipe("bert")


def backbone_gradients(nlp) -> dict[str, torch.Tensor]:
    """Run what is pending, and read the gradients of the transformer."""
    bert = bert_of(nlp)
    bert.deferred.backward()
    module = get_backbone(bert.model).module
    return {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}


def clear_gradients(nlp):
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "model"):
            for shim in pipe.model.shims:
                shim.module.zero_grad(set_to_none=True)
            for node in pipe.model.walk():
                for shim in node.shims:
                    shim.module.zero_grad(set_to_none=True)


def joint_gradients(nlp, batches) -> dict[str, torch.Tensor]:
    """The gradient of the sum of all heads' losses, by one graph of plain torch."""
    backbone = get_backbone(bert_of(nlp).model)
    module = backbone.module.train()
    module.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for docs, cats in batches:
        for doc, gold in zip(docs, cats):
            ids = backbone.tokenizer(doc.text, return_tensors="pt", add_special_tokens=True)
            hidden = module.transformer(**ids).last_hidden_state[0]
            for head, index in gold.items():
                linear = linear_of(nlp.get_pipe(head))
                states = hidden.mean(dim=0)[None] if head != "bert_ner" else hidden[first(ids, doc)]
                gold_index = torch.tensor(index if head == "bert_ner" else [index])
                loss = torch.nn.functional.cross_entropy(
                    linear(states), gold_index, reduction="sum"
                )
                n = sum(len(g[head]) if head == "bert_ner" else 1 for g in cats if head in g)
                total = total + loss / n
    names, parameters = zip(*module.named_parameters())
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return {n: g for n, g in zip(names, gradients) if g is not None}


def linear_of(pipe):
    module = pipe.model.shims[0].module
    if pipe.name != "bert_ner":
        return module.output
    return lambda rows: module.output(rows) + module.shared(rows) @ module.parts


def first(ids, doc):
    """Rows of the first wordpiece of each token."""
    return [ids.char_to_token(token.idx) for token in doc]


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def category_examples(nlp, rows):
    """rows: (text, cats). RETURNS: Examples, docs and gold indices by head."""
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in rows]
    names = {"work": ("bert_textcat", 1), "home": ("bert_textcat", 0)}
    names.update(positive=("bert_sentiment", 1), negative=("bert_sentiment", 0))
    gold = [dict(names[cat] for cat, value in cats.items() if value) for _, cats in rows]
    return examples, ([eg.predicted for eg in examples], gold)


ROWS = [
    ("Anna works in Paris.", {"work": 1.0, "home": 0.0, "positive": 1.0, "negative": 0.0}),
    ("The film was awful", {"work": 0.0, "home": 1.0, "positive": 0.0, "negative": 1.0}),
    ("Ben met Carla.", {"work": 1.0, "home": 0.0, "positive": 1.0, "negative": 0.0}),
]
ONLY_TOPIC = [(text, {k: cats[k] for k in ("work", "home")}) for text, cats in ROWS]
ONLY_MOOD = [(text, {k: cats[k] for k in ("positive", "negative")}) for text, cats in ROWS]


@pytest.fixture
def nlp(make_nlp, still_bert):
    heads = ("bert_textcat", "bert_sentiment")
    return make_nlp(*heads, source=still_bert, **without_dropout(*heads))


@pytest.mark.parametrize("rows", [ROWS, ONLY_TOPIC, ONLY_MOOD], ids=["all", "topic", "mood"])
def test_gradients_equal_the_joint_gradient(nlp, rows):
    """Whichever head comes last, and whether or not it has gold."""
    examples, batch = category_examples(nlp, rows)
    nlp.update(examples, sgd=False)
    assert_same_gradients(backbone_gradients(nlp), joint_gradients(nlp, [batch]))


def test_gradients_of_a_frozen_head_are_left_out(nlp):
    examples, (docs, gold) = category_examples(nlp, ROWS)
    nlp.update(examples, sgd=False, exclude=["bert_sentiment"])
    topic_only = [{k: v for k, v in row.items() if k == "bert_textcat"} for row in gold]
    found = backbone_gradients(nlp)
    assert_same_gradients(found, joint_gradients(nlp, [(docs, topic_only)]))


def test_gradients_accumulate_over_batches(nlp):
    first, first_batch = category_examples(nlp, ROWS[:2])
    second, second_batch = category_examples(nlp, ROWS[2:])
    expected = joint_gradients(nlp, [first_batch, second_batch])
    clear_gradients(nlp)
    nlp.update(first, sgd=False)
    nlp.update(second, sgd=False)
    assert_same_gradients(backbone_gradients(nlp), expected)


def test_gradients_of_three_heads_equal_the_joint_gradient(make_nlp, still_bert):
    nlp = make_nlp(*HEADS, source=still_bert, **without_dropout(*HEADS))
    rows = ROWS[:2]
    examples, (docs, gold) = category_examples(nlp, rows)
    examples[0].reference.set_ents([examples[0].reference.char_span(0, 4, "PER")])
    gold[0]["bert_ner"] = [8, 0, 0, 0, 0]  # U-PER; the other doc has no entities annotated
    nlp.update(examples, sgd=False)
    assert_same_gradients(backbone_gradients(nlp), joint_gradients(nlp, [(docs, gold)]))


def test_gradients_with_three_heads_equal_the_sum_of_each_alone(make_nlp, still_bert):
    nlp = make_nlp(*HEADS, source=still_bert, **without_dropout(*HEADS))
    examples = make_examples(nlp)
    total: dict[str, torch.Tensor] = {}
    for head in HEADS:
        nlp.update(examples, sgd=False, exclude=[name for name in HEADS if name != head])
        for name, gradient in backbone_gradients(nlp).items():
            total[name] = total.get(name, 0) + gradient
        clear_gradients(nlp)
    nlp.update(examples, sgd=False)
    assert_same_gradients(backbone_gradients(nlp), total)


def test_nothing_is_learnt_without_gold(nlp, optimizer):
    before = bert_of(nlp).model.to_bytes()
    examples = [Example.from_dict(nlp.make_doc("Anna works"), {})]
    losses = nlp.update(examples, sgd=optimizer)
    assert losses["bert_textcat"] == losses["bert_sentiment"] == 0
    bert_of(nlp).flush_pending_step()
    assert bert_of(nlp).model.to_bytes() == before


@pytest.mark.parametrize("style", ["sgd", "accumulated"])
def test_a_step_is_plain_adamw(nlp, optimizer, style):
    """`nlp.update(sgd=...)` and spaCy's training loop both take the very step of torch."""
    backbone = get_backbone(bert_of(nlp).model)
    examples, batch = category_examples(nlp, ROWS)
    gradients = joint_gradients(nlp, [batch])
    twin = {n: p.detach().clone() for n, p in backbone.module.named_parameters()}
    twin = {n: torch.nn.Parameter(p) for n, p in twin.items() if n in gradients}
    decays = [n for n in twin if "bias" not in n and "LayerNorm" not in n]
    groups = [
        {"params": [twin[n] for n in decays], "weight_decay": optimizer.L2},
        {"params": [twin[n] for n in twin if n not in decays], "weight_decay": 0.0},
    ]
    expected = torch.optim.AdamW(groups, lr=optimizer.learn_rate, eps=optimizer.eps)
    for name, parameter in twin.items():
        parameter.grad = gradients[name].clone()
    torch.nn.utils.clip_grad_norm_(list(twin.values()), optimizer.grad_clip)
    expected.step()
    if style == "sgd":
        nlp.update(examples, sgd=optimizer)
        bert_of(nlp).flush_pending_step()
    else:
        nlp.update(examples, sgd=False)
        for _, pipe in nlp.pipeline:
            if hasattr(pipe, "finish_update"):
                pipe.finish_update(optimizer)
    found = dict(backbone.module.named_parameters())
    for name, parameter in twin.items():
        # Softmax does not see a shift of all keys: the gradient of their bias is rounding noise.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(found[name], parameter, rtol=1e-4, atol=1e-5, msg=name)


def test_the_last_step_is_not_lost(nlp, optimizer, tmp_path):
    """A step that waits is taken before predicting and before saving."""
    examples, _ = category_examples(nlp, ROWS)
    before = nlp("Anna").cats
    nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path)
    assert not bert_of(nlp).has_pending_step
    assert nlp("Anna").cats != before
    assert spacy.load(tmp_path)("Anna").cats == nlp("Anna").cats


def test_features_without_training(make_nlp, optimizer):
    nlp = make_nlp("bert_textcat", bert={"trainable": False})
    before = bert_of(nlp).model.to_bytes()
    examples, _ = category_examples(nlp, ROWS)
    losses = [nlp.update(examples, sgd=optimizer)["bert_textcat"] for _ in range(30)]
    assert losses[-1] < losses[0]
    assert bert_of(nlp).model.to_bytes() == before
    assert not bert_of(nlp).is_trainable


def test_a_frozen_backbone_needs_to_annotate(nlp, optimizer):
    examples, _ = category_examples(nlp, ROWS)
    with pytest.raises(ValueError, match="B030.*trainable = false"):
        nlp.update(examples, sgd=optimizer, exclude=["bert"])
    before = bert_of(nlp).model.to_bytes()
    nlp.update(examples, sgd=optimizer, exclude=["bert"], annotates=["bert"])
    assert bert_of(nlp).model.to_bytes() == before


def test_heads_can_annotate_in_training(nlp, optimizer):
    examples, _ = category_examples(nlp, ROWS)
    nlp.update(examples, sgd=optimizer, annotates=["bert_textcat"])


def test_states_go_when_all_have_read_them(nlp):
    docs = list(nlp.pipe(["Anna works in Paris."] * 50, batch_size=8))
    assert len(docs) == 50
    assert len(bert_of(nlp).store) == len(bert_of(nlp).store._entries) == 0
    assert not any(key[1] == "bert_states" for doc in docs for key in doc.user_data)


@pytest.mark.parametrize("switch_off", ["select_pipes", "load"])
def test_nothing_waits_for_a_disabled_head_when_docs_go(nlp, switch_off, tmp_path):
    nlp.to_disk(tmp_path)
    if switch_off == "load":
        nlp = spacy.load(tmp_path, disable=["bert_sentiment"])
    else:
        nlp.select_pipes(disable=["bert_sentiment"])
    held = list(nlp.pipe(["Anna works in Paris."] * 10, batch_size=2))[-1]
    nlp("Anna")
    gc.collect()
    assert len(bert_of(nlp).store) == 1
    del held
    gc.collect()
    assert len(bert_of(nlp).store) == 0


def test_states_do_not_pile_up_behind_a_disabled_head(nlp):
    with nlp.select_pipes(disable=["bert_sentiment"]):
        docs = list(nlp.pipe(["Anna works in Paris."] * 100, batch_size=2))
    assert len(bert_of(nlp).store) <= MOST_PENDING_BATCHES
    del docs
    gc.collect()
    assert len(bert_of(nlp).store._entries) == 0


def test_listeners_may_batch_differently(nlp):
    texts = [f"Anna works in Paris {i}" for i in range(23)]
    expected = [doc.cats for doc in nlp.pipe(texts)]
    sizes = {"bert_textcat": {"batch_size": 7}, "bert_sentiment": {"batch_size": 3}}
    found = nlp.pipe(texts, batch_size=5, component_cfg=sizes)
    for doc, cats in zip(found, expected):
        assert doc.cats == pytest.approx(cats, abs=1e-6)


def test_a_listener_too_far_behind_is_told(nlp):
    texts = ["Anna"] * 100
    with pytest.raises(ValueError, match="B031"):
        list(nlp.pipe(texts, batch_size=1, component_cfg={"bert_textcat": {"batch_size": 99}}))


def test_states_are_read_once(nlp):
    doc = nlp("Anna")
    with pytest.raises(ValueError, match="B030.*run the pipeline again"):
        nlp.get_pipe("bert_textcat")(doc)


def test_no_prediction_without_states(nlp):
    doc = nlp.make_doc("Anna")
    with pytest.raises(ValueError, match="B030"):
        nlp.get_pipe("bert_textcat")(doc)
    nlp.remove_pipe("bert")
    with pytest.raises(ValueError, match="B030"):
        nlp("Anna")


def test_keep_states(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat", bert={"keep_states": True})
    doc = nlp("Anna  works")
    kept = doc._.bert_states
    assert kept["pieces"].shape == (2, 16) and kept["cls"].shape == (1, 16)
    assert kept["align"].tolist() == [[0, 1], [2, 3], [1, 2]]
    again = spacy.tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert (again._.bert_states["pieces"] == kept["pieces"]).all()


@pytest.mark.parametrize("order", [("textcat", "tagger"), ("tagger", "textcat")])
def test_textcat_ensemble_listens(tiny_bert, order):
    """spaCy's default architecture concatenates the listener with another layer."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    linear = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True}
    ensemble = {"@architectures": "spacy.TextCatEnsemble.v2", "linear_model": linear}
    for name in order:
        model = {**ensemble, "tok2vec": STOCK_LISTENER} if name == "textcat" else {}
        nlp.add_pipe(name, config={"model": model or {"tok2vec": STOCK_LISTENER}})
    cats = [{"work": 1.0, "home": 0.0}, {"work": 0.0, "home": 1.0}]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": c, "tags": ["N", "V"]})
        for text, c in zip(["Anna works", "Ben lives"], cats)
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 5e-3
    losses = [nlp.update(examples, sgd=optimizer)["textcat"] for _ in range(20)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("stock", ["tagger", "ner", "textcat"])
def test_stock_components_listen_and_learn(tiny_bert, stock):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    model = {"tok2vec": STOCK_LISTENER}
    if stock == "textcat":
        model = {
            "@architectures": "spacy.TextCatReduce.v1",
            "exclusive_classes": True,
            "use_reduce_first": False,
            "use_reduce_last": False,
            "use_reduce_max": False,
            "use_reduce_mean": True,
            **model,
        }
    nlp.add_pipe(stock, config={"model": model})
    textcat = nlp.add_pipe("bert_textcat")
    textcat.add_label("home")
    textcat.add_label("work")
    texts = ["Anna works in Paris.", "Ben  lives near Oslo."]
    golds = [
        {"tags": ["N", "V", "P", "N", "."], "entities": [(14, 19, "LOC")]},
        {"tags": ["N", "_", "V", "P", "N", "."], "entities": [(16, 20, "LOC")]},
    ]
    for gold, topic in zip(golds, ("work", "home")):
        gold["cats"] = {"work": float(topic == "work"), "home": float(topic == "home")}
    examples = [Example.from_dict(nlp.make_doc(t), g) for t, g in zip(texts, golds)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 5e-3
    weights = bert_of(nlp).model.to_bytes()
    losses = [nlp.update(examples, sgd=optimizer)[stock] for _ in range(80)]
    assert losses[-1] < losses[0] / 2
    assert bert_of(nlp).model.to_bytes() != weights
    scores = nlp.evaluate(examples)
    assert scores[{"tagger": "tag_acc", "ner": "ents_f", "textcat": "cats_score"}[stock]] > 0.9
    assert nlp("")._.trf_data is not None
    assert nlp(texts[0])._.trf_data.model_output.last_hidden_state.shape[2] == 16


def test_a_head_with_its_own_backbone(nlp, tmp_path):
    texts = ["Anna works in Paris.", "Ben"]
    expected = [doc.cats for doc in nlp.pipe(texts)]
    nlp.replace_listeners("bert", "bert_textcat", ["model.bert"])
    nlp.remove_pipe("bert_sentiment")
    assert [doc.cats for doc in nlp.pipe(texts)] == expected
    nlp.remove_pipe("bert")
    nlp.to_disk(tmp_path)
    assert [doc.cats for doc in spacy.load(tmp_path).pipe(texts)] == expected


def test_pickle(nlp):
    again = pickle.loads(pickle.dumps(nlp))
    assert again("Anna works").cats == nlp("Anna works").cats


def test_several_processes(make_nlp):
    nlp = make_nlp(*HEADS)
    texts = [f"Anna works in Paris {i}. The film was awful." for i in range(20)]
    expected = list(nlp.pipe(texts, batch_size=4))
    found = list(nlp.pipe(texts, batch_size=4, n_process=2))
    assert any(doc.ents for doc in expected)
    for one, other in zip(found, expected, strict=True):
        assert one.cats == pytest.approx(other.cats, abs=1e-5)
        assert [(ent.text, ent.label_) for ent in one.ents] == [
            (ent.text, ent.label_) for ent in other.ents
        ]
        assert [ent._.score for ent in one.ents] == pytest.approx(
            [ent._.score for ent in other.ents], abs=1e-5
        )
        assert moods(one) == pytest.approx(moods(other), abs=1e-5)


def moods(doc):
    """How positive a doc and each of its sentences are."""
    parts = [doc, *doc.sents]
    assert len(parts) == 3
    return [part._.sentiment["polarity"] for part in parts]


def test_threads_share_a_pipeline(nlp):
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"Anna works in Paris {i}" for i in range(40)]
    expected = [nlp(text).cats for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: nlp(text).cats, texts)) == expected


def test_batches_of_other_threads_do_not_count(nlp):
    """All of 40 threads are between the backbone and a head at the same time."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(40, timeout=60)
    sentiment, textcat = nlp.get_pipe("bert_sentiment"), nlp.get_pipe("bert_textcat")

    def annotate(text):
        doc = bert_of(nlp)(nlp.make_doc(text))
        barrier.wait()
        return sentiment(textcat(doc)).cats

    texts = [f"Anna works in Paris {i}" for i in range(40)]
    expected = [nlp(text).cats for text in texts]
    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(annotate, texts)) == expected
    gc.collect()
    assert len(bert_of(nlp).store) == len(bert_of(nlp).store._entries) == 0


def test_each_thread_has_its_own_limit(nlp):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(3, timeout=60)

    def fill(n_batches):
        docs = [bert_of(nlp)(nlp.make_doc("Anna")) for _ in range(n_batches)]
        barrier.wait()
        return docs

    with ThreadPoolExecutor(3) as pool:
        few, most, many = pool.map(fill, (3, MOST_PENDING_BATCHES, MOST_PENDING_BATCHES + 1))
    assert len(bert_of(nlp).store) == 3 + 2 * MOST_PENDING_BATCHES
    textcat = nlp.get_pipe("bert_textcat")
    assert len(list(textcat.pipe([*few, *most, *many[1:]]))) == 3 + 2 * MOST_PENDING_BATCHES
    with pytest.raises(ValueError, match="B031"):
        textcat(many[0])


def test_error_handler_sees_a_failing_batch(nlp, monkeypatch):
    seen = []
    nlp.set_error_handler(lambda name, proc, docs, error: seen.append((name, len(docs))))
    monkeypatch.setattr(bert_of(nlp), "predict", lambda docs: 1 / 0)
    assert list(nlp.pipe(["a", "b"])) == []
    assert seen == [("bert", 2)]
