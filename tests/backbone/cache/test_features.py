"""The states of a frozen backbone on disk."""

import os
import time

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples, write_tiny_bert
from spacy.training import Example
from thinc.api import Adam

from spacy_bert_suite.backbone.cache.block_files import BlockFiles, size_of
from spacy_bert_suite.backbone.cache.features import FeatureCache, dtype_of
from spacy_bert_suite.backbone.model import BertModel, get_backbone

TEXTS = [
    "Anna works in Paris.",
    "",
    "   \n ",
    "The film was awful, " * 30,  # several windows
    "Ben lives near Oslo.",
    "Anna works in Paris.",
]


def make_backbone(name, **values):
    settings = {k: v for k, v in bert_model(name, **values).items() if k != "@architectures"}
    return get_backbone(BertModel(**settings))


@pytest.fixture(scope="module")
def backbone(tiny_bert):
    return make_backbone(tiny_bert)


NLP = spacy.blank("en")


def docs_of(texts=TEXTS):
    return [NLP.make_doc(text) for text in texts]


def plain(backbone, docs):
    rows, layout = backbone.prepare(docs)
    return backbone.run(rows, False)[0], layout


class Counting:
    """A backbone that counts the docs that it runs over."""

    def __init__(self, backbone, monkeypatch):
        self.n_windows = 0
        run = backbone.run

        def count(rows, is_train):
            self.n_windows += len(rows.ids)
            return run(rows, is_train)

        monkeypatch.setattr(backbone, "run", count)


@pytest.mark.parametrize("layers", ["last", "last4_concat", "last4_sum", "scalar_mix"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_states_are_those_of_the_backbone(tiny_bert, tmp_path, layers, precision):
    backbone = make_backbone(tiny_bert, layers=layers, precision=precision)
    docs = docs_of()
    expected, layout = plain(backbone, docs)
    cache = FeatureCache(tmp_path, 1.0)
    first = cache.encode(backbone, docs)
    again = cache.encode(backbone, docs)
    reopened = FeatureCache(tmp_path, 1.0).encode(backbone, docs)
    for states in (first, again, reopened):
        assert states.hidden.dtype == expected.dtype
        assert numpy.array_equal(states.layout.token_starts, layout.token_starts)
        tolerance = 1e-5 if precision == "fp32" else 0.05
        assert torch.allclose(states.hidden.float(), expected.float(), atol=tolerance)
    assert torch.equal(first.hidden, again.hidden) and torch.equal(first.hidden, reopened.hidden)


def test_bit_equal_when_the_batch_is_the_same(tiny_bert, tmp_path):
    backbone = make_backbone(tiny_bert, precision="bf16")
    docs = docs_of(TEXTS[:5])
    expected, _ = plain(backbone, docs)
    cache = FeatureCache(tmp_path, 1.0)
    assert torch.equal(cache.encode(backbone, docs).hidden, expected)
    assert torch.equal(cache.encode(backbone, docs).hidden, expected)


def test_only_misses_run_and_twins_run_once(backbone, tmp_path, monkeypatch):
    counting = Counting(backbone, monkeypatch)
    cache = FeatureCache(tmp_path, 1.0)
    docs = docs_of(["Anna works.", "Ben lives.", "Anna works."])
    cache.encode(backbone, docs)
    assert counting.n_windows == 1 + 2  # one to see the type of the states
    mixed = docs_of(["The film was bad.", "Ben lives.", "Anna works.", "The match was good."])
    states = cache.encode(backbone, mixed)
    assert counting.n_windows == 1 + 2 + 2
    expected, _ = plain(backbone, mixed)
    assert torch.allclose(states.hidden, expected, atol=1e-5)
    assert len(os.listdir(next(tmp_path.iterdir()))) == 3  # rows, index, settings


def test_other_tokens_of_a_known_text(backbone, tmp_path):
    """The rows are those of the text; which of them a token has is computed anew."""
    cache = FeatureCache(tmp_path, 1.0)
    one = docs_of(["don't stop"])
    cache.encode(backbone, one)
    other = [spacy.tokens.Doc(one[0].vocab, ["don't", "stop"], [True, False])]
    states = cache.encode(backbone, other)
    assert states.layout.token_offsets.tolist() == [0, 2]
    assert torch.allclose(states.hidden, plain(backbone, other)[0], atol=1e-5)


def settings_folders(path):
    return sorted(folder.name for folder in path.iterdir())


def test_weights_and_settings_have_folders_of_their_own(tiny_bert, tmp_path, monkeypatch):
    docs = docs_of()
    other = str(write_tiny_bert(tmp_path / "other", num_hidden_layers=4, initializer_range=0.3))
    path = tmp_path / "cache"
    for n, backbone in enumerate(
        [
            make_backbone(tiny_bert),
            make_backbone(other),
            make_backbone(tiny_bert, window=24, stride=20),
            make_backbone(tiny_bert, stride=20),
            make_backbone(tiny_bert, layers="last4_sum"),
            make_backbone(tiny_bert, precision="bf16"),
        ],
        start=1,
    ):
        states = FeatureCache(path, 1.0).encode(backbone, docs)
        assert len(settings_folders(path)) == n
        expected = plain(backbone, docs)[0].float()
        assert torch.allclose(states.hidden.float(), expected, atol=0.05)
    FeatureCache(path, 1.0).encode(make_backbone(tiny_bert, max_batch_pieces=512), docs)
    assert len(settings_folders(path)) == n  # states do not depend on it


def test_weights_changed_in_place(tiny_bert, tmp_path):
    backbone = make_backbone(tiny_bert)
    cache = FeatureCache(tmp_path, 1.0)
    before = cache.encode(backbone, docs_of())
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            parameter.mul_(1.1)
    after = cache.encode(backbone, docs_of())
    assert torch.allclose(after.hidden, plain(backbone, docs_of())[0], atol=1e-5)
    assert not torch.allclose(after.hidden, before.hidden, atol=1e-2)


def test_saved_and_loaded_weights_find_their_folder(backbone, tmp_path):
    cache = FeatureCache(tmp_path / "cache", 1.0)
    cache.encode(backbone, docs_of())
    FeatureCache(tmp_path / "cache", 1.0).encode(backbone.copy(), docs_of())
    assert len(settings_folders(tmp_path / "cache")) == 1


def test_no_docs(backbone, tmp_path):
    states = FeatureCache(tmp_path, 1.0).encode(backbone, [])
    assert states.hidden.shape == (0, backbone.module.width) and states.layout.n_docs == 0


# Damage


def files_of(path, suffix):
    return sorted(path.rglob(f"*.{suffix}"))


@pytest.mark.parametrize("suffix", ["rows", "index"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_damaged_files_are_computed_again(backbone, tmp_path, suffix, damage):
    FeatureCache(tmp_path, 1.0).encode(backbone, docs_of())
    (file,) = files_of(tmp_path, suffix)
    data = file.read_bytes()
    flipped = bytes([data[0] ^ 1]) + data[1:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"cut": data[: len(data) // 2 + 3], "flip": flipped, "empty": b""}[damage])
    states = FeatureCache(tmp_path, 1.0).encode(backbone, docs_of())
    assert torch.allclose(states.hidden, plain(backbone, docs_of())[0], atol=1e-5)


def test_cut_short_while_it_is_open(backbone, tmp_path):
    cache = FeatureCache(tmp_path, 1.0)
    expected = cache.encode(backbone, docs_of())
    (file,) = files_of(tmp_path, "rows")
    os.truncate(file, 100)
    assert torch.allclose(cache.encode(backbone, docs_of()).hidden, expected.hidden, atol=1e-5)


# Bounds


def test_full_cache_warns_once_and_goes_on(backbone, tmp_path):
    cache = FeatureCache(tmp_path, 3e-6)
    with pytest.warns(UserWarning, match="B195"):
        cache.encode(backbone, docs_of())
    states = cache.encode(backbone, docs_of())
    assert torch.allclose(states.hidden, plain(backbone, docs_of())[0], atol=1e-5)
    assert size_of(tmp_path) < 3000


def test_folders_of_other_settings_go_first(tiny_bert, tmp_path):
    docs = docs_of()
    for stride in (10, 12, 14):
        FeatureCache(tmp_path, 1.0).encode(make_backbone(tiny_bert, stride=stride), docs)
        time.sleep(0.02)
    size = size_of(tmp_path)
    other = tmp_path / "vectors"  # of somebody else
    other.mkdir()
    (other / "faiss.index").write_bytes(bytes(3 * size))
    FeatureCache(tmp_path, size / 1e9).encode(make_backbone(tiny_bert, stride=16), docs)
    assert size_of(tmp_path) <= size + 3 * size
    assert len(settings_folders(tmp_path)) == 4  # one of four went
    assert size_of(other) == 3 * size


def test_no_room_on_the_disk(backbone, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path, 1.0)

    def refuse(self, keys, blocks):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BlockFiles, "write", refuse)
    with pytest.warns(UserWarning, match="B196"):
        states = cache.encode(backbone, docs_of())
    assert torch.equal(cache.encode(backbone, docs_of()).hidden, states.hidden)


def test_no_room_for_the_folder(backbone, tmp_path, monkeypatch):
    """It may be full from the start: training goes on without."""
    cache = FeatureCache(tmp_path, 1.0)

    def refuse(self, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BlockFiles, "__init__", refuse)
    with pytest.warns(UserWarning, match="B196"):
        states = cache.encode(backbone, docs_of())
    assert torch.equal(states.hidden, plain(backbone, docs_of())[0])
    assert torch.equal(cache.encode(backbone, docs_of()).hidden, states.hidden)  # and no warning


def test_what_may_only_be_read_is_read(backbone, tmp_path, monkeypatch):
    FeatureCache(tmp_path, 1.0).encode(backbone, docs_of())

    def refuse(self, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "write_bytes", refuse)
    monkeypatch.setattr(type(tmp_path), "write_text", refuse)
    dtype_of(backbone)  # runs an empty text
    counting = Counting(backbone, monkeypatch)
    FeatureCache(tmp_path, 1.0).encode(backbone, docs_of())
    assert counting.n_windows == 1  # that empty text


def test_forks_leave_the_files_alone(backbone, tmp_path):
    """They share the places in open files with their parent."""
    cache = FeatureCache(tmp_path, 1.0)
    cache.encode(backbone, docs_of(TEXTS[:2]))
    size = size_of(tmp_path)
    cache._pid = os.getpid() + 1  # as it is in a fork
    states = cache.encode(backbone, docs_of())
    assert torch.allclose(states.hidden, plain(backbone, docs_of())[0])
    assert size_of(tmp_path) == size


def test_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FeatureCache("~/features", 1.0).path == tmp_path / "features"


def test_folder_that_is_a_file(backbone, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match="B191"):
        FeatureCache(tmp_path / "taken", 1.0).encode(backbone, docs_of())


# In a pipeline


def make_pipeline(name, cache=None, **bert):
    nlp = spacy.blank("en")
    config = {"model": bert_model(name), "trainable": False, "feature_cache": cache, **bert}
    nlp.add_pipe("bert", config=config)
    nlp.add_pipe("bert_ner")
    head = nlp.add_pipe("bert_textcat")
    for label in ("home", "work"):
        head.add_label(label)
    return nlp


def train(nlp, n_epochs=3):
    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(2e-3, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=False)
    return [nlp.update(examples[i : i + 2], sgd=optimizer)
            for _ in range(n_epochs) for i in (0, 2)]  # fmt: skip


def test_heads_learn_the_same(tiny_bert, tmp_path, monkeypatch):
    expected = train(make_pipeline(tiny_bert))
    nlp = make_pipeline(tiny_bert, str(tmp_path / "cache"))
    counts = []
    encode = FeatureCache._compute
    monkeypatch.setattr(
        FeatureCache,
        "_compute",
        lambda self, *args: counts.append(len(args[-1])) or encode(self, *args),
    )
    found = train(nlp)
    assert counts == [2, 2]  # the first epoch only
    for left, right in zip(expected, found):
        assert left == pytest.approx(right, abs=1e-6)


def test_a_pipeline_that_is_only_applied_leaves_no_files(tiny_bert, tmp_path):
    path = tmp_path / "cache"
    nlp = make_pipeline(tiny_bert, str(path))
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp("Anna works in Paris.")
    assert not path.exists()
    nlp.update(examples, sgd=Adam(1e-3))
    nlp.evaluate([Example(nlp.make_doc(eg.text), eg.reference) for eg in examples])
    before = size_of(path)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    loaded("The film was great.")
    nlp("The film was awful.")  # its training has ended
    assert size_of(path) == before
    assert [doc.cats for doc in loaded.pipe(["Anna."] * 3, n_process=2)] == [
        doc.cats for doc in loaded.pipe(["Anna."] * 3)
    ]


def test_refused_where_weights_change(tiny_bert, tmp_path):
    with pytest.raises(ValueError, match="B190"):
        make_pipeline(tiny_bert, str(tmp_path), trainable=True)
    with pytest.raises(ValueError, match="B022"):
        make_pipeline(tiny_bert, str(tmp_path), feature_cache_gb=0)


def test_order_of_the_rows(backbone):
    docs = docs_of()
    rows, layout = plain(backbone, docs)
    index, offsets = layout.rows_by_doc()
    assert sorted(index) == list(range(len(rows)))
    for i in range(len(docs)):
        alone = layout.select([i]).rows
        assert index[offsets[i] : offsets[i + 1]].tolist() == alone.tolist()
