"""`bert_ner` from a token classifier, and as one."""

import itertools

import numpy
import pytest
import spacy
import torch
from conftest import make_examples
from transformers import pipeline

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint
from spacy_bert_suite.checkpoints.tagset import read_tagging
from spacy_bert_suite.tasks.ner.schemes import decode, from_biluo, make_tags

from .originals import change_config, logits_of, open_original

AUTO = "AutoModelForTokenClassification"
KIND = "BertForTokenClassification"
TEXTS = [
    "anna works in paris near the bank of london",
    "the film was good and the team met carla at a city",
    "Ben",
    "goal law trade price music oslo",
    "",
    "anna " + "x" * 1000 + " ben",
]


BIO = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
NAMES = {
    "bio": BIO,
    "iob1": ["I-LOC", "O", "I-PER", "B-LOC"],
    "io": ["LOC", "PER", "O"],
    "bioes": ["S-LOC", "E-LOC", "B-LOC", "I-LOC", "O", "B-PER", "E-PER", "I-PER", "S-PER"],
    "bilou": ["O", "U-LOC", "L-LOC", "I-LOC", "B-LOC"],
    "one": ["O", "B-X", "I-X"],
}


def first_logits(path, doc):
    """The original's logits at the first piece of each word, from its own forward pass."""
    model, tokenizer = open_original(path, AUTO)
    encoded = tokenizer(doc.text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        logits = model(**encoded).logits[0]
    places = [
        next(i for i, (a, b) in enumerate(offsets) if b > a and b > token.idx) for token in doc
    ]
    return logits[places]


@pytest.mark.parametrize("kind", NAMES)
def test_logits_equal_the_original(make_original, kind):
    path = make_original(KIND, names=NAMES[kind])
    nlp = import_checkpoint(path)
    pipe = nlp.get_pipe("bert_ner")
    tagging = read_tagging(NAMES[kind], None, "original")
    for text in TEXTS:
        doc = nlp.make_doc(text)
        nlp.get_pipe("bert").set_annotations([doc], nlp.get_pipe("bert").predict([doc]))
        emissions = pipe.predict([doc]).emissions
        assert len(emissions) == len(doc)
        if len(doc):
            has_row = torch.tensor(tagging.rows) >= 0
            expected = first_logits(path, doc)[:, tagging.rows]
            assert torch.allclose(emissions[:, has_row], expected[:, has_row], atol=1e-5)
            assert (emissions[:, ~has_row] < -1000).all()  # never predicted


def best_sequence(logits, names, is_valid):
    """The best valid sequence of tags, by trying all of them."""
    sequences = itertools.product(range(len(names)), repeat=len(logits))
    valid = [seq for seq in sequences if is_valid([names[i] for i in seq])]
    scores = [sum(logits[i][tag] for i, tag in enumerate(seq)) for seq in valid]
    return [names[i] for i in valid[int(numpy.argmax(scores))]]


def is_bio(tags):
    for before, tag in zip(["O", *tags], tags):
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return False
    return True


def spans(tags):
    """Entities as the pipeline of transformers reads them: I after another label begins one."""
    found, open_label = [], None
    for i, tag in enumerate([*tags, "O"]):
        part, _, label = tag.rpartition("-")
        label = None if tag == "O" else label
        if open_label is not None and (label != open_label or part == "B"):
            found[-1][1] = i
            open_label = None
        if label is not None and open_label is None:
            found.append([i, None, label])
            open_label = label
    return [tuple(span) for span in found]


@pytest.mark.parametrize("scheme", ["bio", "iob1"])
def test_entities_are_the_best_valid_sequence(make_original, scheme):
    """Equal to the best tag of each word where that is valid; elsewhere the next best that is."""
    path = make_original(KIND, num_labels=5)
    n_valid = n_invalid = n_found = 0
    valid = is_bio if scheme == "bio" else lambda tags: True
    for names in (BIO, BIO[2:] + BIO[:2], BIO[::-1]):
        nlp = import_checkpoint(path, scheme=scheme, labels=names)
        for doc in nlp.pipe(["anna met ben", "oslo paris london", "ben", "team"]):
            logits = first_logits(path, doc).double().numpy()
            greedy = [names[i] for i in logits.argmax(axis=1)]
            found = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
            assert found == spans(best_sequence(logits, names, valid))
            assert found == spans(greedy) or not valid(greedy)
            n_found += len(found)
            n_valid += valid(greedy)
            n_invalid += not valid(greedy)
    assert n_valid and n_found and bool(n_invalid) == (scheme == "bio")


@pytest.mark.parametrize("kind", ["iob1", "io"])
def test_entities_equal_the_pipeline_of_transformers(make_original, kind):
    """Where every sequence is valid, nothing is ever decided otherwise."""
    path = make_original(KIND, names=NAMES[kind])
    model, tokenizer = open_original(path, AUTO)
    theirs = pipeline("token-classification", model, tokenizer=tokenizer,
                      aggregation_strategy="first", device="cpu")  # fmt: skip
    nlp = import_checkpoint(path)
    n_found = 0
    for text in TEXTS[:4]:
        found = [(ent.start_char, ent.end_char, ent.label_) for ent in nlp(text).ents]
        expected = [(e["start"], e["end"], e["entity_group"]) for e in theirs(text)]
        assert found == expected
        n_found += len(found)
    assert n_found > 4


def run_decode(rows, labels, scheme, spaces=()):
    tags = numpy.asarray(rows, dtype="float32")
    is_space = numpy.zeros(len(rows), dtype=bool)
    is_space[list(spaces)] = True
    no_steps = numpy.zeros((tags.shape[1],) * 2)
    offsets = numpy.asarray([0, len(rows)])
    (found,) = decode(tags, no_steps, offsets, is_space, labels, scheme)
    return [(e.start, e.end, e.label) for e in found], [e.score for e in found]


BEGIN, IN, OUT = [0, 9, 0], [0, 0, 9], [9, 0, 0]


@pytest.mark.parametrize(
    "scheme, rows, expected",
    [
        ("bio", [BEGIN, BEGIN], [(0, 1), (1, 2)]),
        ("bio", [BEGIN, IN, BEGIN, OUT, BEGIN], [(0, 2), (2, 3), (4, 5)]),
        ("bio", [BEGIN, IN, IN], [(0, 3)]),
        ("iob1", [IN, IN, BEGIN, IN, OUT, IN], [(0, 2), (2, 4), (5, 6)]),
        ("iob1", [BEGIN, BEGIN, OUT, BEGIN, IN], [(0, 1), (1, 2), (3, 5)]),
    ],
)
def test_neighbours_of_one_label(scheme, rows, expected):
    found, _ = run_decode(rows, ["X"], scheme)
    assert [span[:2] for span in found] == expected


def test_white_space_does_not_split_a_run():
    x, out = [0, 9], [9, 0]
    found, scores = run_decode([x, out, x, out, out, x], ["X"], "io", spaces=[1])
    assert found == [(0, 3, "X"), (5, 6, "X")]
    assert min(scores) > 0.99


@pytest.mark.parametrize("scheme", ["bio", "iob1", "io"])
def test_score_is_the_probability_of_the_entity(scheme):
    """Against the sum over all sequences of the original's tags that are valid."""
    n_tags = 3 if scheme == "io" else 5
    names = ["O", "I-X", "I-Y"] if scheme == "io" else ["O", "B-X", "I-X", "B-Y", "I-Y"]
    rows = numpy.random.default_rng(5).normal(size=(4, n_tags)).astype("float32") * 2
    found, scores = run_decode(rows, ["X", "Y"], scheme)
    assert found
    valid = is_bio if scheme == "bio" else lambda tags: True
    mass = dict.fromkeys(found, 0.0)
    total = 0.0
    greedy_tags = best_sequence(rows, names, valid)
    for sequence in itertools.product(range(n_tags), repeat=4):
        tags = [names[i] for i in sequence]
        if valid(tags):
            weight = numpy.exp(sum(float(rows[i][tag]) for i, tag in enumerate(sequence)))
            total += weight
            for span in set(spans(tags)) & set(found):
                # in "iob1" one entity can be begun by B or I: the score is of the way chosen
                if tags[span[0]] == greedy_tags[span[0]]:
                    mass[span] += weight
    assert numpy.allclose([mass[span] / total for span in found], scores, atol=1e-6)


@pytest.mark.parametrize(
    "names, labels, scheme, code",
    [
        (None, None, None, "B224"),
        (["NOUN", "VERB", "ADJ"], None, None, "B227"),
        (["O"], None, None, "B227"),
        (BIO, ["O", "B-X"], None, "B225"),
        (BIO, ["O", "B-X", "B-X", "I-X", "I-Y"], None, "B226"),
        (BIO, ["O", "B-X", "B_X", "I-X", "I-Y"], None, "B226"),
        (["O", "B-X", "I-X", "Y"], None, None, "B226"),
        (["O", "b-x", "i-x", "Y"], None, None, "B226"),
        (["O", "B-X", "b-X", "I-X"], None, None, "B226"),
        (["O", "B", "I"], None, None, "B226.*names no label"),
        (["O", "B_X", "I_X", "Y"], None, None, "B226.*'Y'"),
        (["O", "X-B", "X-I", "Y"], None, None, "B226.*'Y'"),
        (BIO, None, "io", "B022"),
        (BIO, None, "nonsense", "B022"),
    ],
)
def test_what_is_wrong_is_told(make_original, names, labels, scheme, code):
    settings = {"num_labels": 3} if names is None else {"names": names}
    path = make_original(KIND, **settings)
    with pytest.raises(ValueError, match=code):
        import_checkpoint(path, labels=labels, scheme=scheme)


def test_gaps_between_the_numbers_of_outputs(make_original):
    """Names must not move up into a gap, where they would be those of other outputs."""
    path = make_original(KIND, names=["O", "B-PER", "I-PER"])
    change_config(path, id2label={"0": "O", "2": "B-PER", "3": "I-PER"})
    with pytest.raises(ValueError, match="B225.*0: O, 2: B-PER, 3: I-PER"):
        import_checkpoint(path)
    nlp = import_checkpoint(path, labels=["O", "B-PER", "I-PER"])
    assert nlp.get_pipe("bert_ner").labels == ("PER",)


def test_architectures_may_be_one_name(make_original):
    path = make_original(KIND, names=BIO)
    change_config(path, architectures=KIND)
    assert import_checkpoint(path).pipe_names == ["bert", "bert_ner"]


def test_names_can_be_given(make_original):
    path = make_original(KIND, num_labels=5)
    nlp = import_checkpoint(path, labels=BIO)
    assert nlp.get_pipe("bert_ner").labels == ("LOC", "PER")


def test_a_cased_original(make_original, tiny_bert):
    path = make_original(KIND, names=BIO)
    settings = (path / "tokenizer.json").read_text(encoding="utf8")
    cased = settings.replace('"lowercase": true', '"lowercase": false')
    assert cased != settings
    (path / "tokenizer.json").write_text(cased, encoding="utf8")
    nlp = import_checkpoint(path)
    doc = nlp("Anna met anna in Paris")
    nlp.get_pipe("bert").set_annotations([doc], nlp.get_pipe("bert").predict([doc]))
    emissions = nlp.get_pipe("bert_ner").predict([doc]).emissions
    rows = read_tagging(BIO, None, "original").rows
    assert torch.allclose(emissions, first_logits(path, doc)[:, rows], atol=1e-5)
    assert not torch.allclose(emissions[0], emissions[2], atol=1e-2)


@pytest.mark.parametrize("kind", ["bio", "iob1", "bioes"])
def test_round_trip(make_original, kind, tmp_path):
    path = make_original(KIND, names=NAMES[kind])
    nlp = import_checkpoint(path)
    export_checkpoint(nlp, "bert_ner", tmp_path / "exported")
    again = import_checkpoint(tmp_path / "exported")
    assert again.get_pipe("bert_ner").labels == nlp.get_pipe("bert_ner").labels
    assert again.get_pipe("bert_ner").scheme == nlp.get_pipe("bert_ner").scheme
    for one, two in zip(nlp.pipe(TEXTS), again.pipe(TEXTS)):
        assert [(e.start, e.end, e.label_) for e in one.ents] == [
            (e.start, e.end, e.label_) for e in two.ents
        ]
        assert [e._.score for e in one.ents] == pytest.approx(
            [e._.score for e in two.ents], abs=1e-5
        )


def test_export_of_a_trained_head(make_nlp, optimizer, tmp_path):
    """What tags share is folded into the one layer that transformers has."""
    nlp = make_nlp("bert_ner")
    examples = make_examples(nlp)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    assert nlp.get_pipe("bert_ner").model.shims[0].module.shared.weight.abs().sum() > 0
    path = export_checkpoint(nlp, "bert_ner", tmp_path / "exported")
    model, _ = open_original(path, AUTO)
    assert [model.config.id2label[i] for i in range(9)] == make_tags(["LOC", "PER"])
    doc = nlp.make_doc("anna works in paris")
    nlp.get_pipe("bert").set_annotations([doc], nlp.get_pipe("bert").predict([doc]))
    emissions = nlp.get_pipe("bert_ner").predict([doc]).emissions
    assert torch.allclose(emissions, first_logits(path, doc), atol=1e-5)
    again = import_checkpoint(path)
    for eg in examples:
        found = [(e.start, e.end, e.label_) for e in again(eg.text).ents]
        assert found == [(e.start, e.end, e.label_) for e in nlp(eg.text).ents]


@pytest.mark.parametrize("changes", [{"pooling": "mean"}, {"crf": True}])
def test_what_has_no_exact_form_is_refused(make_nlp, optimizer, tmp_path, changes):
    model = {"@architectures": "spacy-bert-suite.TokenClassifier.v1", **changes}
    nlp = make_nlp("bert_ner", bert_ner={"model": model})
    nlp.update(make_examples(nlp), sgd=optimizer)
    with pytest.raises(ValueError, match="B229"):
        export_checkpoint(nlp, "bert_ner", tmp_path / "exported")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["bio", "iob1", "io"])
def test_learns_in_every_scheme(make_original, optimizer, scheme):
    names = ["O", "PER", "LOC"] if scheme == "io" else ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    path = make_original(KIND, names=names, initializer_range=0.1)
    nlp = import_checkpoint(path, scheme=scheme)
    examples = make_examples(nlp)
    losses = [nlp.update(examples, sgd=optimizer)["bert_ner"] for _ in range(12)]
    assert losses[-1] < losses[0] / 2


def test_gold_in_other_schemes():
    tags = ["U-X", "U-X", None, "B-Y", "I-Y", "L-Y", "O", "B-X", "L-X", "U-X"]
    bio = ["B-X", "B-X", None, "B-Y", "I-Y", "I-Y", "O", "B-X", "I-X", "B-X"]
    iob1 = ["I-X", "B-X", None, "I-Y", "I-Y", "I-Y", "O", "I-X", "I-X", "B-X"]
    assert from_biluo(tags, "biluo") == tags
    assert from_biluo(tags, "bio") == bio
    assert from_biluo(tags, "iob1") == iob1
    assert from_biluo(tags, "io") == [tag and tag.replace("B-", "I-") for tag in bio]


def test_crf_is_for_biluo_alone():
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-bert-suite.TokenClassifier.v1", "crf": True, "scheme": "bio"}
    with pytest.raises(ValueError, match="B022"):
        nlp.add_pipe("bert_ner", config={"model": model})


def test_other_encoders(make_original, tmp_path):
    path = make_original("DistilBertForTokenClassification", names=BIO, dim=16, n_layers=2,
                         n_heads=2, hidden_dim=32)  # fmt: skip
    nlp = import_checkpoint(path)
    expected = logits_of(path, AUTO, "anna met ben").logits[0, 1:-1]
    doc = nlp.make_doc("anna met ben")
    nlp.get_pipe("bert").set_annotations([doc], nlp.get_pipe("bert").predict([doc]))
    emissions = nlp.get_pipe("bert_ner").predict([doc]).emissions
    rows = read_tagging(BIO, None, "original").rows
    assert torch.allclose(emissions, expected[:, rows], atol=1e-5)
