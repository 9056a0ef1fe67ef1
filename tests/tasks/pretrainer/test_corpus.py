"""The reader: instances as examples, the same in any process, others in each pass."""

from itertools import islice
from types import SimpleNamespace

import pytest
import spacy
import torch
from conftest import bert_model
from spacy.tokens import DocBin
from tasks.pretrainer.corpora import make_documents, write_text

from spacy_bert_suite.data.multitask import MultiTaskCorpus, is_for
from spacy_bert_suite.tasks.pretrainer import loading
from spacy_bert_suite.tasks.pretrainer.corpus import make_pretrain_corpus
from spacy_bert_suite.tasks.pretrainer.instance import INSTANCE, get_instance
from spacy_bert_suite.tasks.pretrainer.loading import Chunks, load
from spacy_bert_suite.tasks.pretrainer.pairing import InstanceSettings
from spacy_bert_suite.tasks.pretrainer.preparing import Preparation, chunks_of
from spacy_bert_suite.tasks.pretrainer.sentences import make_splitter
from spacy_bert_suite.tasks.pretrainer.text import Document


@pytest.fixture
def nlp(tiny_bert):
    nlp = spacy.blank("en")
    model = {**bert_model(tiny_bert), "window": 48, "stride": 24}
    nlp.add_pipe("bert", config={"model": model})
    return nlp


@pytest.fixture
def path(tmp_path):
    return write_text(tmp_path / "text.txt", make_documents(60))


def plain(examples):
    return [(eg.reference.text, eg.reference.user_data) for eg in examples]


def test_docs_hold_the_tokens_of_both_segments(nlp, path):
    backbone = nlp.get_pipe("bert").model
    found = list(make_pretrain_corpus(path, max_length=48)(nlp))
    assert len(found) > 100
    tokenizer = backbone.shims[0].tokenizer
    for eg in found:
        instance, doc = get_instance(eg), eg.reference
        assert instance.length <= 48
        first, second = doc[: instance.n_first_words], doc[instance.n_first_words :]
        for span, ids in ((first, instance.ids[: instance.n_first]),
                          (second, instance.ids[instance.n_first :])):  # fmt: skip
            expected = tokenizer(span.text, add_special_tokens=False)["input_ids"]
            # Segments are cut between wordpieces, so a word at the edge may have lost some.
            text = " ".join(map(str, expected))
            assert " ".join(map(str, ids.tolist())) in text
            assert len(expected) - len(ids) < 20
        names = {token.text for token in doc if token.text[0] == "d" and token.text[1:].isdigit()}
        assert instance.label == 1 or len(names) <= 1
        words = [doc[int(i)].text.lower() for i in instance.words]
        pieces = tokenizer.convert_ids_to_tokens(instance.ids.tolist())
        assert all(p.removeprefix("##") in word for p, word in zip(pieces, words))


def test_instances_are_plain_values(nlp, path, tmp_path):
    found = list(make_pretrain_corpus(path, max_length=48, limit=20)(nlp))
    DocBin(docs=[eg.reference for eg in found], store_user_data=True).to_disk(tmp_path / "a.spacy")
    again = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(nlp.vocab))
    assert [doc.user_data[INSTANCE] for doc in again] == [
        user[INSTANCE] for _, user in plain(found)
    ]


def test_each_pass_is_another(nlp, path):
    corpus = make_pretrain_corpus(path, max_length=48, seed=1)
    list(islice(corpus(nlp), 100))  # as at initialization: not a whole pass
    first, second = plain(corpus(nlp)), plain(corpus(nlp))
    assert first != second
    again = make_pretrain_corpus(path, max_length=48, seed=1)
    assert plain(again(nlp)) == first and plain(again(nlp)) == second
    assert plain(make_pretrain_corpus(path, max_length=48, seed=2)(nlp)) != first


def test_fixed_instances_for_evaluation(nlp, path):
    corpus = make_pretrain_corpus(path, max_length=48, fixed=True, limit=30)
    first = plain(corpus(nlp))
    assert plain(corpus(nlp)) == first and len(first) == 30
    order = [int(text.split()[0][1:]) for text, _ in first if text.startswith("d")]
    assert order == sorted(order)


@pytest.mark.parametrize("objective", ["mlm", "mlm+nsp", "mlm+sop"])
def test_objectives(nlp, path, objective):
    corpus = make_pretrain_corpus(str(path), max_length=48, objective=objective)
    labels = {get_instance(eg).label for eg in corpus(nlp)}
    assert labels == ({None} if objective == "mlm" else {0, 1})


def preparation_of(nlp):
    tokenizer = nlp.get_pipe("bert").model.shims[0].tokenizer
    settings = InstanceSettings("mlm+nsp", 48, 0.1)
    return Preparation(tokenizer, make_splitter(nlp, "sentencizer"), settings, 0, True)


@pytest.fixture
def chunks(nlp, path):
    nlp.get_pipe("bert").initialize()
    found = Chunks([path], preparation_of(nlp), 20, 0, size=3000)
    assert len(list(found.read())) == 5
    return found


def values(lists):
    records = [record for records in lists for record in records]
    return [(r.words, r.spaces, r.instance.seed, r.instance.ids.tolist()) for r in records]


def test_a_worker_gives_the_same(chunks):
    """And takes nothing from the generator from which dropout is drawn."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    in_line = values(load(chunks, 0))
    assert values(load(chunks, 1)) == in_line
    assert (torch.get_rng_state() == before).all()


def test_workers_share_the_chunks(chunks, monkeypatch):
    """Taken in turn, what they prepare is in the order of one process."""
    in_line = list(chunks)
    rest = chunks.from_chunk(1)
    shares = []
    for place in range(3):
        worker = SimpleNamespace(num_workers=3, id=place)
        monkeypatch.setattr(loading, "get_worker_info", lambda worker=worker: worker)
        shares.append(list(rest))
    assert [len(share) for share in shares] == [2, 1, 1]
    in_turn = [share.pop(0) for _ in range(2) for share in shares if share]
    assert values(in_turn) == values(in_line[1:])


def test_few_instances_start_no_process(nlp, path, monkeypatch):
    monkeypatch.setattr("spacy_bert_suite.tasks.pretrainer.loading.start_workers", None)
    corpus = make_pretrain_corpus(path, max_length=48, workers=1)
    assert len(list(corpus(nlp))) > 100


def documents(sizes, keys):
    return [Document((0, key), ["x"], size) for size, key in zip(sizes, keys)]


def test_a_last_document_is_not_alone():
    chunks = list(chunks_of(documents([60, 60, 60, 60, 60], [0, 1, 2, 3, 4]), True, 100))
    assert [len(chunk) for chunk in chunks] == [2, 3]
    chunks = list(chunks_of(documents([60, 60, 60, 60, 60], [0, 1, 2, 3, 4]), False, 100))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    chunks = list(chunks_of(documents([60, 60, 60, 60], [0, 0, 0, 1]), True, 100))
    assert [len(chunk) for chunk in chunks] == [4]


def test_pairs_need_two_documents(nlp, tmp_path):
    path = write_text(tmp_path / "a.txt", [["One sentence here.", "Another one."] * 20])
    with pytest.raises(ValueError, match="B153"):
        list(make_pretrain_corpus(path, max_length=48)(nlp))
    assert list(make_pretrain_corpus(path, max_length=48, objective="mlm+sop")(nlp))
    endless = documents([60] * 10_000, [0] * 10_000)
    with pytest.raises(ValueError, match="B153"):  # and not only when all is in memory
        list(chunks_of(iter(endless), True, 100))


@pytest.mark.parametrize("text", ["", "\n\n \n", "\u200b\n\n\x00"])
def test_no_text(nlp, tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    for objective in ("mlm", "mlm+nsp", "mlm+sop"):
        corpus = make_pretrain_corpus(tmp_path / "a.txt", max_length=48, objective=objective)
        with pytest.raises(ValueError, match="B154|B153"):
            list(corpus(nlp))


def test_odd_text(nlp, tmp_path):
    """Controls, emoji, other scripts, a word without end: read without loss of order."""
    lines = [
        "a\x00b \ufffd\U0001f468\u200d\U0001f469",
        "\u05e9\u05dc\u05d5\u05dd \u4e2d\u6587",
        "x" * 5000,
        "end .",
    ]
    path = write_text(tmp_path / "a.txt", [lines, ["b"], lines])
    for objective in ("mlm", "mlm+nsp", "mlm+sop"):
        found = list(make_pretrain_corpus(path, max_length=16, objective=objective)(nlp))
        assert all(get_instance(eg).length <= 16 for eg in found)


@pytest.mark.parametrize("options", [
    {"max_length": 4}, {"objective": "nsp"}, {"short_seq_prob": 1.5}, {"workers": -1},
    {"shuffle_buffer": -1}, {"limit": -1}, {"seed": -1},
])  # fmt: skip
def test_values_out_of_range(path, options):
    with pytest.raises(ValueError, match="B022.*PretrainCorpus"):
        make_pretrain_corpus(path, **options)


def test_wrong_pipelines(nlp, path):
    with pytest.raises(ValueError, match="B155.*128.*48"):
        next(make_pretrain_corpus(path)(nlp))
    with pytest.raises(ValueError, match="B032.*encoder"):
        next(make_pretrain_corpus(path, max_length=48, upstream="encoder")(nlp))


def test_beside_other_tasks(nlp, path):
    corpora = {"bert_pretrainer": make_pretrain_corpus(path, max_length=48, limit=10)}
    nlp.add_pipe("bert_pretrainer")
    found = list(MultiTaskCorpus(corpora, 1.0, True, 0)(nlp))
    assert len(found) == 10
    assert all(is_for(eg, "bert_pretrainer") and not is_for(eg, "bert_ner") for eg in found)
