"""Sources, several checkpoints in one pipeline, and what can be done with what comes out."""

import json
import shutil

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples, write_tiny_bert
from spacy import util
from spacy.language import DEFAULT_CONFIG_PATH
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config
from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import change_config, logits_of

TAGGER, QA = "BertForTokenClassification", "BertForQuestionAnswering"
NAMES = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
TEXT = "anna works in paris near the bank of london"


def ents(doc):
    return [(e.start, e.end, e.label_, round(e._.score, 5)) for e in doc.ents]


def test_saved_pipelines_need_no_original(make_original, tmp_path):
    path = make_original(TAGGER, names=NAMES)
    nlp = import_checkpoint(path, lang="de")
    assert nlp.lang == "de" and nlp.pipe_names == ["bert", "bert_ner"]
    expected = ents(nlp(TEXT))
    nlp.to_disk(tmp_path / "nlp")
    shutil.rmtree(path)
    again = spacy.load(tmp_path / "nlp")
    assert expected and ents(again(TEXT)) == expected
    assert again.meta["bert_checkpoints"] == [
        {
            "source": str(path),
            "revision": None,
            "architecture": TAGGER,
            "backbone": "bert",
            "component": "bert_ner",
        }
    ]
    assert again.evaluate(make_examples(again))["ents_f"] is not None


def test_training_goes_on(make_original, tmp_path):
    """`spacy train` with the components sourced from the imported pipeline."""
    nlp = import_checkpoint(make_original(TAGGER, names=NAMES, initializer_range=0.1))
    nlp.to_disk(tmp_path / "nlp")
    examples = make_examples(nlp)
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in examples]).to_disk(corpus)
    config = Config().from_str(f"""
    [nlp]
    lang = "en"
    pipeline = ["bert", "bert_ner"]
    [components]
    [components.bert]
    source = "{tmp_path / "nlp"}"
    [components.bert_ner]
    source = "{tmp_path / "nlp"}"
    [corpora]
    [corpora.train]
    @readers = "spacy.Corpus.v1"
    path = "{corpus}"
    [corpora.dev]
    @readers = "spacy.Corpus.v1"
    path = "{corpus}"
    [training]
    max_steps = 3
    eval_frequency = 3
    [training.optimizer]
    @optimizers = "Adam.v1"
    learn_rate = 0.0005
    """)
    trained = init_nlp(util.load_config(DEFAULT_CONFIG_PATH).merge(config), use_gpu=-1)
    before = trained.get_pipe("bert_ner").to_bytes()
    assert before == spacy.load(tmp_path / "nlp").get_pipe("bert_ner").to_bytes()
    (tmp_path / "out").mkdir()
    train(trained, tmp_path / "out", use_gpu=-1)
    last = spacy.load(tmp_path / "out" / "model-last")
    assert last.get_pipe("bert_ner").to_bytes() != before
    assert last.get_pipe("bert_ner").scheme == "bio"


def test_several_share_nothing_and_say_so(make_original, tmp_path):
    one = make_original(TAGGER, names=NAMES)
    two = make_original(QA, folder="two", initializer_range=0.4)
    nlp = import_checkpoint(one)
    expected = ents(nlp(TEXT))
    with pytest.warns(UserWarning, match="B939.*'bert_2' is a backbone beside bert"):
        assert import_checkpoint(two, nlp=nlp) is nlp
    assert nlp.pipe_names == ["bert", "bert_ner", "bert_2", "bert_qa"]
    nlp.to_disk(tmp_path / "nlp")
    for pipeline in (nlp, spacy.load(tmp_path / "nlp")):
        assert ents(pipeline(TEXT)) == expected
        found = pipeline.get_pipe("bert_qa").model.predict([("who", TEXT)]).logits[:, 0]
        output = logits_of(two, "AutoModelForQuestionAnswering", "who", TEXT)
        assert torch.allclose(found, output.start_logits[0], atol=1e-5)
    assert [entry["backbone"] for entry in nlp.meta["bert_checkpoints"]] == ["bert", "bert_2"]


def test_heads_with_the_same_encoder_share_it(make_nlp, tmp_path):
    """Two heads that were trained on one backbone, exported, and brought together again."""
    nlp = make_nlp("bert_ner", "bert_textcat", bert={"window": 64, "stride": 48},
                   bert_textcat={"model": {"@architectures":
                       "spacy-bert-suite.TextClassifier.v1", "pooling": "pooler"}})  # fmt: skip
    for name in ("bert_ner", "bert_textcat"):
        export_checkpoint(nlp, name, tmp_path / name)
    again = import_checkpoint(tmp_path / "bert_ner")
    import_checkpoint(tmp_path / "bert_textcat", nlp=again, name="topics")
    assert again.pipe_names == ["bert", "bert_ner", "topics"]
    before, after = nlp(TEXT), again(TEXT)
    assert after.cats == pytest.approx(before.cats, abs=1e-5)
    assert [e[:3] for e in ents(after)] == [e[:3] for e in ents(before)]


def test_a_failure_leaves_the_pipeline_as_it_was(make_original, monkeypatch):
    nlp = import_checkpoint(make_original(TAGGER, names=NAMES))
    bad = make_original("BertForSequenceClassification", names=["a", "b"], folder="bad")
    with pytest.warns(UserWarning, match="B939"), pytest.raises(ValueError, match="B055"):
        import_checkpoint(bad, task="sentiment", nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_ner"]
    assert len(nlp.meta["bert_checkpoints"]) == 1 and nlp(TEXT)


def test_plain_encoders(tiny_bert, make_original):
    assert import_checkpoint(tiny_bert).pipe_names == ["bert"]
    nlp = import_checkpoint(make_original(QA), task="bert")
    assert nlp.pipe_names == ["bert"] and nlp.get_pipe("bert").model.get_dim("nO") == 16


def test_unknown_encoders_may_be_a_backbone(make_original):
    path = make_original("MobileBertForTokenClassification", names=NAMES, true_hidden_size=16,
                         intra_bottleneck_size=16, embedding_size=16)  # fmt: skip
    with pytest.raises(ValueError, match="B222.*mobilebert"):
        import_checkpoint(path)
    assert import_checkpoint(path, task="bert").pipe_names == ["bert"]


def test_revisions_are_found_in_the_cache(make_original, tmp_path, monkeypatch):
    from huggingface_hub import constants

    path = make_original(TAGGER, names=NAMES)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--me--tagger"
    commit = "a" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "v2").write_text(commit)
    shutil.copytree(path, repository / "snapshots" / commit)
    nlp = import_checkpoint("me/tagger", revision="v2")
    assert ents(nlp(TEXT)) == ents(import_checkpoint(path)(TEXT))
    assert nlp.meta["bert_checkpoints"][0]["revision"] == "v2"
    with pytest.raises(OSError, match="B005"):
        import_checkpoint("me/tagger", revision="v3")


def test_large_weights_in_several_files(make_original, tmp_path):
    path = make_original(TAGGER, names=NAMES)
    expected = ents(import_checkpoint(path)(TEXT))
    whole = AutoModelForTokenClassification.from_pretrained(path)
    (path / "model.safetensors").unlink()
    whole.save_pretrained(path, max_shard_size="8KB")
    assert len(list(path.glob("model-*.safetensors"))) > 1
    assert ents(import_checkpoint(path)(TEXT)) == expected


def damage(path, kind):
    if kind == "pickle":
        (path / "model.safetensors").rename(path / "pytorch_model.bin")
    elif kind == "no weights":
        (path / "model.safetensors").unlink()
    elif kind == "cut short":
        content = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(content[: len(content) // 2])
    elif kind == "no config":
        (path / "config.json").unlink()
    elif kind == "bad config":
        (path / "config.json").write_text("{")
    elif kind == "list":
        (path / "config.json").write_text("[]")
    elif kind == "no head":
        AutoModel.from_pretrained(path).save_pretrained(path)
        change(path, architectures=[TAGGER])
    elif kind == "other kind":
        change(path, architectures=["BertForMultipleChoice"])
    elif kind == "no folder":
        shutil.rmtree(path)


def change(path, **values):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    "kind, code",
    [
        ("pickle", "B220"),
        ("no weights", "B004"),
        ("cut short", "B006"),
        ("no config", "B004"),
        ("bad config", "B006"),
        ("list", "B006"),
        ("no head", "B221"),
        ("other kind", "B230"),
        ("no folder", "B200"),
    ],
)
def test_damaged_sources(make_original, kind, code):
    path = make_original(TAGGER, names=NAMES)
    damage(path, kind)
    with pytest.raises((ValueError, OSError), match=code):
        import_checkpoint(path)


def test_sentence_bert_folders(tmp_path, tiny_bert):
    library = pytest.importorskip("sentence_transformers")
    texts = ["anna works in paris", "", "ben " * 10]
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert, window=64)})
    model = {"@architectures": "spacy-bert-suite.SentenceEncoder.v1", "pooling": "cls+mean"}
    model.update(dense_width=12, truncate_dim=8)
    pipe = nlp.add_pipe("bert_similarity", config={"model": model})
    expected = pipe.encode(texts)
    assert expected.shape == (3, 8)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    theirs = library.SentenceTransformer(str(path), device="cpu")
    assert numpy.allclose(theirs.encode(texts, show_progress_bar=False), expected, atol=1e-5)
    again = import_checkpoint(path)
    assert again.pipe_names == ["bert", "bert_similarity"]
    assert numpy.allclose(again.get_pipe("bert_similarity").encode(texts), expected, atol=1e-5)
    model["pooling"] = "pooler"
    nlp.add_pipe("bert_similarity", "other", config={"model": model})
    with pytest.raises(ValueError, match="B229"):
        export_checkpoint(nlp, "other", tmp_path / "other")


def similarity(source, window=32, **model):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source, window=window)})
    model["@architectures"] = "spacy-bert-suite.SentenceEncoder.v1"
    nlp.add_pipe("bert_similarity", config={"model": model})
    return nlp


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("long_documents", ["mean", "first"])
def test_vectors_come_back(tmp_path, tiny_bert, normalize, long_documents):
    nlp = similarity(tiny_bert, normalize=normalize, long_documents=long_documents)
    texts = ["anna works in paris", TEXT * 20]
    expected = nlp.get_pipe("bert_similarity").encode(texts)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    again = import_checkpoint(path)
    assert again.get_pipe("bert").model.shims[0].window == 32
    assert again.get_pipe("bert_similarity").encode(texts) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("file", ["sentence_bert_config.json", "tokenizer_config.json"])
def test_texts_end_where_the_folder_says(tmp_path, tiny_bert, file):
    """As in sentence-transformers, of which our export keeps what it cannot know."""
    nlp = similarity(tiny_bert, normalize=False)
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    change(path, spacy_bert_suite=None)
    key = {"sentence_bert_config.json": "max_seq_length"}.get(file, "model_max_length")
    (path / "sentence_bert_config.json").unlink()
    (path / file).write_text(json.dumps({key: 20}))
    cut = {"truncation": True, "max_length": 20, "return_tensors": "pt"}
    inputs = AutoTokenizer.from_pretrained(tiny_bert)(TEXT * 20, **cut)
    with torch.no_grad():
        states = AutoModel.from_pretrained(tiny_bert)(**inputs).last_hidden_state[0]
    found = import_checkpoint(path).get_pipe("bert_similarity").encode([TEXT * 20])[0]
    assert found == pytest.approx(states.mean(0).numpy(), abs=1e-5)


def test_vectors_share_no_backbone_of_another_folder(tmp_path, tiny_bert):
    """They read its modules, which may be others for the same weights."""
    nlp = similarity(tiny_bert, window=64, normalize=False)
    expected = nlp.get_pipe("bert_similarity").encode([TEXT])
    path = export_checkpoint(nlp, "bert_similarity", tmp_path / "exported")
    both = import_checkpoint(tiny_bert)
    with pytest.warns(UserWarning, match="B939"):
        import_checkpoint(path, nlp=both)
    assert both.get_pipe("bert_similarity").encode([TEXT]) == pytest.approx(expected, abs=1e-5)
    import_checkpoint(path, nlp=both, name="again")
    assert both.pipe_names == ["bert", "bert_2", "bert_similarity", "again"]


def test_exports_that_cannot_be(make_nlp, tmp_path, tiny_bert):
    nlp = make_nlp("bert_ner")
    nlp.add_pipe("bert_summarizer")
    for name, code in (("sentencizer", "B228"), ("bert_summarizer", "B228"), ("none", "B231")):
        with pytest.raises(ValueError, match=code):
            export_checkpoint(nlp, name, tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="B232"):
        export_checkpoint(nlp, "bert_ner", tmp_path / "full")
    mixed = make_nlp("bert_ner", bert={"layers": "last4_sum"})
    with pytest.raises(ValueError, match='B229.*layers = "last"'):
        export_checkpoint(mixed, "bert_ner", tmp_path / "new")
    unknown = spacy.blank("en")
    unknown.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    unknown.add_pipe("bert_ner")
    with pytest.raises(ValueError, match="B050"):
        export_checkpoint(unknown, "bert_ner", tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_the_backbone_alone_is_exported(make_nlp, tmp_path):
    nlp = make_nlp("bert_ner")
    (tmp_path / "new").mkdir()
    path = export_checkpoint(nlp, "bert", tmp_path / "new")
    model = AutoModel.from_pretrained(path)
    mine = nlp.get_pipe("bert").model.shims[0].module.transformer.state_dict()
    assert all(torch.equal(value, mine[key]) for key, value in model.state_dict().items())


def test_a_private_backbone_is_exported(make_nlp, tmp_path, optimizer):
    nlp = make_nlp("bert_ner")
    nlp.replace_listeners("bert", "bert_ner", ["model.bert"])
    nlp.update(make_examples(nlp), sgd=optimizer)
    export_checkpoint(nlp, "bert_ner", tmp_path / "new")
    again = import_checkpoint(tmp_path / "new")
    assert ents(again(TEXT)) == ents(nlp(TEXT))


@pytest.mark.parametrize("kind", ["BertForPreTraining", "BertForMaskedLM"])
def test_pretrained_models(make_original, kind, tmp_path):
    path = make_original(kind)
    nlp = import_checkpoint(path)
    assert nlp.pipe_names == ["bert", "bert_pretrainer"]
    exported = export_checkpoint(nlp, "bert_pretrainer", tmp_path / "exported")
    theirs = logits_of(path, "AutoModelForMaskedLM", TEXT).logits
    assert torch.allclose(logits_of(exported, "AutoModelForMaskedLM", TEXT).logits, theirs)
    place = 3
    masked = TEXT.split()
    masked[place] = "[MASK]"
    logits = logits_of(path, "AutoModelForMaskedLM", " ".join(masked)).logits[0, 1 + place]
    (best,) = nlp.get_pipe("bert_pretrainer").fill_mask(" ".join(masked), top_k=1)
    assert best.score == pytest.approx(logits.softmax(0).max().item(), abs=1e-5)


def test_words_predicted_by_another_table(make_original):
    path = make_original("BertForMaskedLM", tie_word_embeddings=False)
    with pytest.raises(ValueError, match="B235"):
        import_checkpoint(path)
    sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    path = make_original("DistilBertForMaskedLM", folder="distil", **sizes)
    with pytest.raises(ValueError, match="B222.*distilbert.*task = 'bert'"):
        import_checkpoint(path)


def test_a_tokenizer_that_truncates_is_the_same(make_original, tiny_bert, tmp_path):
    """Tokenizers are saved with the truncation of the last call; windows are cut without it."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer(["anna"], truncation=True, max_length=8, padding="max_length")
    path = make_original(TAGGER, names=NAMES, tokenizer=tokenizer)
    nlp = import_checkpoint(path)
    import_checkpoint(path, nlp=nlp, name="again")
    assert nlp.pipe_names == ["bert", "bert_ner", "again"]


@pytest.mark.parametrize("change", ["precision", "heads"])
def test_what_computes_otherwise_is_not_shared(make_original, change):
    path = make_original(TAGGER, names=NAMES)
    nlp = import_checkpoint(path, precision="bf16" if change == "precision" else "fp32")
    if change == "heads":
        change_config(path, num_attention_heads=4)
    with pytest.warns(UserWarning, match="B939.*in the same precision"):
        import_checkpoint(path, nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_ner", "bert_2", "bert_ner_2"]


def test_a_head_that_the_config_does_not_name(make_original):
    path = make_original(TAGGER, names=NAMES)
    change_config(path, architectures=None)
    with pytest.warns(UserWarning, match="B940.*'classifier'"):
        assert import_checkpoint(path).pipe_names == ["bert"]
    assert import_checkpoint(path, task="ner").pipe_names == ["bert", "bert_ner"]


def test_adapters_and_quantized_weights_are_refused(make_original, tmp_path):
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="B237.*merge_and_unload"):
        import_checkpoint(tmp_path / "lora")
    path = make_original(TAGGER, names=NAMES)
    change_config(path, quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(ValueError, match="B238"):
        import_checkpoint(path)


def test_a_different_model_is_not_shared(tmp_path, tiny_bert):
    other = write_tiny_bert(tmp_path / "other", type_vocab_size=3)
    nlp = import_checkpoint(tiny_bert, task="similarity")
    with pytest.warns(UserWarning, match="B939"):
        import_checkpoint(other, task="similarity", nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_similarity", "bert_2", "bert_similarity_2"]
