"""bert_similarity: vectors, hooks, Sentence-BERT folders, training from pairs."""

import json
import pickle
import warnings

import numpy
import pytest
import safetensors.torch
import spacy
import torch
from conftest import bert_model, write_tiny_bert
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.backbone.weights.loading import load_checkpoint
from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.tasks.similarity import sentence_bert as sentence_folder
from spacy_bert_suite.vectors.hooks import install_hooks
from spacy_bert_suite.vectors.mining import paraphrase_mining

TEXTS = ["Anna works in Paris.", "The film was great", "", "Ben lives near Oslo in London"]
LONG = "Anna works in Paris. The film was awful. " * 20
LISTENERS = {
    "bert": {"@architectures": "spacy-bert-suite.BertListener.v1"},
    "texts": {"@architectures": "spacy-bert-suite.TextEncoder.v1"},
}


def make(source, sentencizer=True, bert=None, loss=None, **config):
    nlp = spacy.blank("en")
    if sentencizer:
        nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(source), **(bert or {})})
    options = {key: config.pop(key) for key in ("sentence_vectors", "token_vectors", "chunk_size")
               if key in config}  # fmt: skip
    model = {"@architectures": "spacy-bert-suite.SentenceEncoder.v1", **LISTENERS, **config}
    if loss:
        options["loss"] = {"@losses": f"spacy-bert-suite.{loss.pop('name')}.v1", **loss}
    nlp.add_pipe("bert_similarity", config={"model": model, **options})
    return nlp


def hidden(source, text):
    """Last hidden states of one text, by transformers."""
    model, tokenizer = (
        AutoModel.from_pretrained(source).eval(),
        AutoTokenizer.from_pretrained(source),
    )
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt"))


POOLED = {
    "mean": lambda out: out.last_hidden_state[0].mean(0),
    "cls": lambda out: out.last_hidden_state[0, 0],
    "max": lambda out: out.last_hidden_state[0].max(0).values,
    "mean_sqrt_len": lambda out: (
        out.last_hidden_state[0].sum(0) / out.last_hidden_state.shape[1] ** 0.5
    ),
    "weighted_mean": lambda out: numpy.average(
        out.last_hidden_state[0].numpy(),
        axis=0,
        weights=range(1, out.last_hidden_state.shape[1] + 1),
    ),
    "pooler": lambda out: out.pooler_output[0],
    "cls+max": lambda out: torch.cat(
        [out.last_hidden_state[0, 0], out.last_hidden_state[0].max(0).values]
    ),
}


@pytest.mark.parametrize("pooling", POOLED)
def test_pooling_equals_hugging_face(tiny_bert, pooling):
    nlp = make(tiny_bert, pooling=pooling, normalize=False, sentence_vectors="none")
    expected = [numpy.asarray(POOLED[pooling](hidden(tiny_bert, text))) for text in TEXTS]
    assert nlp.get_pipe("bert_similarity").encode(TEXTS) == pytest.approx(
        numpy.stack(expected), abs=1e-5
    )
    for doc, vector in zip(nlp.pipe(TEXTS), expected):
        assert doc.vector == pytest.approx(vector, abs=1e-5)


def test_vectors_have_length_one(tiny_bert):
    nlp = make(tiny_bert)
    doc = nlp(LONG)
    assert doc.vector_norm == pytest.approx(1.0, abs=1e-5)
    assert doc.has_vector and doc.vector.dtype == numpy.float32
    assert doc._.embedding is doc.vector
    assert all(s.vector_norm == pytest.approx(1.0, abs=1e-5) for s in doc.sents)


def test_a_long_doc_pools_all_pieces_or_the_first_window(tiny_bert):
    whole = make(tiny_bert, pooling="max", normalize=False)(LONG).tensor.max(axis=0)
    assert (make(tiny_bert, pooling="max", normalize=False)(LONG).vector >= whole - 1e-6).all()
    first = make(tiny_bert, long_documents="first")
    vector = first.get_pipe("bert_similarity").encode([LONG])[0]
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    inputs = tokenizer(LONG, return_tensors="pt", truncation=True, max_length=32)
    with torch.no_grad():
        mean = AutoModel.from_pretrained(tiny_bert).eval()(**inputs).last_hidden_state[0].mean(0)
    assert vector == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)
    short, doc = first.pipe(["Anna works.", LONG])
    assert doc.vector == pytest.approx(vector, abs=1e-5)
    assert short.vector == pytest.approx(first("Anna works.").vector, abs=1e-5)


def test_spans_and_tokens(tiny_bert):
    doc = make(tiny_bert)("Anna works in Paris. The film was awful.")
    first, second = doc.sents
    states = hidden(tiny_bert, doc.text).last_hidden_state[0, 1:-1].numpy()
    pieces = AutoTokenizer.from_pretrained(tiny_bert)(doc.text, return_offsets_mapping=True)
    inside = [start < first.end_char for start, _ in pieces["offset_mapping"][1:-1]]
    mean = states[numpy.asarray(inside)].mean(0)
    assert first.vector == pytest.approx(mean / numpy.linalg.norm(mean), abs=1e-5)
    phrase = doc[2:4]
    mean = doc.tensor[2:4].mean(0)
    assert phrase.vector == pytest.approx(mean / numpy.linalg.norm(mean), abs=1e-6)
    assert doc[0].vector == pytest.approx(doc.tensor[0])
    assert doc[:].vector is doc.vector
    assert first.similarity(second) == pytest.approx(first.vector @ second.vector, abs=1e-5)
    assert doc[0].similarity(doc[0]) == pytest.approx(1.0, abs=1e-5)
    assert doc[3:3].vector.shape == doc.vector.shape and not doc[3:3].has_vector


def test_sentences_alone_are_texts_of_their_own(tiny_bert):
    nlp = make(tiny_bert, sentence_vectors="alone")
    doc = nlp("Anna works in Paris. The film was awful.")
    alone = nlp.get_pipe("bert_similarity").encode([sent.text for sent in doc.sents])
    assert numpy.stack([sent._.embedding for sent in doc.sents]) == pytest.approx(alone, abs=1e-5)
    in_context = make(tiny_bert)(doc.text)
    assert abs(next(in_context.sents).vector - alone[0]).max() > 1e-3


@pytest.mark.parametrize("pooling, expected", [("mean", "context"), ("cls", "alone")])
def test_sentence_vectors_by_themselves(tiny_bert, pooling, expected):
    by_itself, asked = (
        make(tiny_bert, pooling=pooling, sentence_vectors=kind)("Anna. The film was awful.")
        for kind in ("auto", expected)
    )
    for a, b in zip(by_itself.sents, asked.sents):
        assert a.vector == pytest.approx(b.vector)


def test_no_token_and_sentence_vectors(tiny_bert):
    doc = make(tiny_bert, token_vectors=False, sentence_vectors="none")("Anna works.")
    assert doc.tensor.size == 0 and next(doc.sents)._.embedding is None
    assert not doc[0].has_vector and doc.has_vector
    with pytest.warns(UserWarning, match="B920"):
        assert doc[0].similarity(doc[1]) == 0.0


def test_lone_surrogates_are_replaced(tiny_bert):
    encode = make(tiny_bert).get_pipe("bert_similarity").encode
    assert encode(["Anna \ud800."]) == pytest.approx(encode(["Anna \ufffd."]), abs=1e-6)


def test_batches_do_not_matter(tiny_bert):
    nlp = make(tiny_bert)
    texts = [*TEXTS, LONG, "   ", "\n" * 300, "x" * 5000]
    together = [doc.vector for doc in nlp.pipe(texts)]
    assert together == [pytest.approx(nlp(text).vector, abs=1e-5) for text in texts]
    encoded = nlp.get_pipe("bert_similarity").encode(texts)
    assert encoded == pytest.approx(numpy.stack(together), abs=1e-5)
    assert nlp.get_pipe("bert_similarity").encode([]).shape == (0, 16)
    assert nlp.get_pipe("bert_similarity").encode("Anna").shape == (1, 16)


def test_other_widths_are_refused(tiny_bert):
    doc = make(tiny_bert)("Anna")
    with pytest.raises(ValueError, match="B069.*16 and 8"):
        doc.similarity(make(tiny_bert, truncate_dim=8)("Anna"))


def test_truncation_comes_before_the_length(tiny_bert):
    whole, short = (
        make(tiny_bert, normalize=False)(TEXTS[0]),
        make(tiny_bert, truncate_dim=8)(TEXTS[0]),
    )
    cut = whole.vector[:8]
    assert short.vector == pytest.approx(cut / numpy.linalg.norm(cut), abs=1e-5)
    assert short.tensor.shape == (len(short), 8)


def test_docs_survive(tiny_bert):
    nlp = make(tiny_bert)
    doc = nlp("Anna works in Paris. The film was awful.")
    (from_bin,) = DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    for again in (pickle.loads(pickle.dumps(doc)), doc.copy()):
        assert again.vector == pytest.approx(doc.vector)
        assert again[0:3].vector == pytest.approx(doc[0:3].vector)
    with pytest.warns(UserWarning, match="W109"):
        data = doc.to_bytes()
    for again in (install_hooks(from_bin), install_hooks(Doc(nlp.vocab).from_bytes(data))):
        assert again.vector == pytest.approx(doc.vector)
        assert next(again.sents).vector == pytest.approx(next(doc.sents).vector)


def test_sentences_as_docs(tiny_bert):
    doc = make(tiny_bert)("Anna works in Paris. The film was awful.")
    sents = list(doc.sents)
    parts = [sent.as_doc(copy_user_data=True) for sent in sents]
    for part, sent in zip(parts, sents):
        assert part.vector == pytest.approx(sent.vector)
        assert part[1:3].vector == pytest.approx(sent[1:3].vector)
    (pair,) = paraphrase_mining(parts)
    assert pair.score == pytest.approx(sents[0].similarity(sents[1]), abs=1e-5)


@pytest.mark.parametrize("way", ["disk", "bytes", "pickle"])
def test_saved_and_loaded(tiny_bert, tmp_path, way):
    nlp = make(tiny_bert, dense_width=6)
    if way == "disk":
        nlp.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    elif way == "bytes":
        again = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    else:
        nlp(TEXTS[0])
        again = pickle.loads(pickle.dumps(nlp))
    assert nlp(TEXTS[0]).vector.shape == (6,)
    assert again(TEXTS[0]).vector == pytest.approx(nlp(TEXTS[0]).vector, abs=1e-6)


def test_the_config_at_loading_holds_where_no_weight_depends_on_it(tiny_bert, tmp_path):
    nlp = make(tiny_bert)
    long = nlp(LONG).vector
    nlp.to_disk(tmp_path)
    model = {"truncate_dim": 4, "normalize": False, "long_documents": "first"}
    config = {"components": {"bert_similarity": {"model": model}}}
    again = spacy.load(tmp_path, config=config)
    vector = again(LONG).vector
    assert vector.shape == (4,) and abs(numpy.linalg.norm(vector) - 1) > 0.01
    # Nearly: the last pieces of a doc's first window belong to the second one.
    alone = again.get_pipe("bert_similarity").encode([LONG])[0]
    norms = numpy.linalg.norm(vector) * numpy.linalg.norm(alone)
    assert alone.shape == (4,) and vector @ alone > 0.99 * norms
    assert long[:4] @ vector < 0.9999 * numpy.linalg.norm(long[:4]) * numpy.linalg.norm(vector)


def test_a_config_that_does_not_fit_the_weights(tiny_bert, optimizer, tmp_path):
    nlp = make(tiny_bert, loss={"name": "Softmax"})
    nlp.initialize(lambda: labelled(nlp))
    nlp.to_disk(tmp_path)
    config = {"components": {"bert_similarity": {"model": {"truncate_dim": 4}}}}
    with pytest.raises(ValueError, match="(?s)B039.*classifier"):
        spacy.load(tmp_path, config=config)


def test_processes(tiny_bert):
    nlp = make(tiny_bert)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork beside threads
        docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
    for doc, text in zip(docs, TEXTS):
        assert install_hooks(doc).vector == pytest.approx(nlp(text).vector, abs=1e-5)


# Sentence-BERT folders


@pytest.fixture
def sbert(tmp_path):
    """A folder as older releases of sentence-transformers write it."""
    write_tiny_bert(tmp_path / "0_Transformer")
    torch.manual_seed(3)
    linear = torch.nn.Linear(16, 5)
    dense = {"in_features": 16, "out_features": 5, "bias": True,
             "activation_function": "torch.nn.modules.activation.Tanh"}  # fmt: skip
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "2_Dense").mkdir()
    modes = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False,
             "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}  # fmt: skip
    write_json(tmp_path / "1_Pooling" / "config.json", modes)
    write_json(tmp_path / "2_Dense" / "config.json", dense)
    state = {f"linear.{name}": value for name, value in linear.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "2_Dense" / "model.safetensors")
    kinds = ("0_Transformer", "1_Pooling", "2_Dense")
    prefix = "sentence_transformers.models."
    modules = [{"idx": i, "path": kind, "type": prefix + kind[2:]} for i, kind in enumerate(kinds)]
    write_json(tmp_path / "modules.json", modules)
    return tmp_path, linear


def write_json(path, content):
    path.write_text(json.dumps(content), encoding="utf8")


def test_a_sentence_bert_folder(sbert, tmp_path_factory):
    folder, linear = sbert
    nlp = make(str(folder), normalize=False)
    states = hidden(folder / "0_Transformer", TEXTS[0]).last_hidden_state[0]
    with torch.no_grad():
        expected = torch.tanh(linear(states.max(0).values)).numpy()
    assert nlp(TEXTS[0]).vector == pytest.approx(expected, abs=1e-5)
    assert nlp(TEXTS[0])[0].vector.shape == (5,)
    saved = tmp_path_factory.mktemp("saved")
    nlp.to_disk(saved)
    (folder / "modules.json").unlink()  # not needed again
    assert spacy.load(saved)(TEXTS[0]).vector == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "file, content, code",
    [
        ("modules.json", [{"type": "x.CNN", "path": "1"}], "B060.*CNN|B004"),
        ("1_Pooling/config.json", {"pooling_mode_lasttoken": True}, "B060.*lasttoken"),
        ("1_Pooling/config.json", {"pooling_mode": 7}, "B060.*7"),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", ["cls"]]}, "B060.*cls"),
        ("2_Dense/config.json", {"activation_function": "evil.System"}, "B060.*System"),
    ],
)
def test_unknown_parts_of_a_folder(sbert, file, content, code):
    folder, _ = sbert
    write_json(folder / file, content)
    with pytest.raises((ValueError, FileNotFoundError), match=code):
        make(str(folder))("Anna")


def test_lower_case_is_a_matter_of_the_tokenizer(sbert):
    folder, _ = sbert
    expected = make(str(folder))("Anna").vector
    write_json(folder / "0_Transformer" / "sentence_bert_config.json", {"do_lower_case": True})
    assert make(str(folder))("Anna").vector == pytest.approx(expected)
    path = folder / "0_Transformer" / "tokenizer_config.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf8")), "do_lower_case": False})
    with pytest.raises(ValueError, match="B060.*lower"):
        make(str(folder))("Anna")


def add_normalize(folder, place):
    modules = json.loads((folder / "modules.json").read_text(encoding="utf8"))
    modules.insert(place, {"path": "n", "type": "sentence_transformers.models.Normalize"})
    write_json(folder / "modules.json", modules)


def test_the_folder_says_whether_vectors_are_of_length_one(sbert, tmp_path_factory):
    folder, linear = sbert
    nlp = make(str(folder))
    states = hidden(folder / "0_Transformer", TEXTS[0]).last_hidden_state[0]
    with torch.no_grad():
        expected = torch.tanh(linear(states.max(0).values)).numpy()
    assert nlp(TEXTS[0]).vector == pytest.approx(expected, abs=1e-5)
    assert make(str(folder), normalize=True)(TEXTS[0]).vector_norm == pytest.approx(1, abs=1e-5)
    assert make(str(folder), pooling="mean")(TEXTS[0]).vector_norm > 1.01
    saved = tmp_path_factory.mktemp("saved")
    nlp.to_disk(saved)
    add_normalize(folder, 3)
    assert make(str(folder))(TEXTS[0]).vector_norm == pytest.approx(1, abs=1e-5)
    # What was found is saved; a config that says otherwise holds.
    assert spacy.load(saved)(TEXTS[0]).vector == pytest.approx(expected, abs=1e-5)
    model = {"normalize": True}
    again = spacy.load(saved, config={"components": {"bert_similarity": {"model": model}}})
    assert again(TEXTS[0]).vector_norm == pytest.approx(1, abs=1e-5)


def test_dense_layers_after_the_norm_are_refused(sbert):
    folder, _ = sbert
    add_normalize(folder, 2)
    with pytest.raises(ValueError, match="B060.*Dense after Normalize"):
        make(str(folder))("Anna")


def test_what_the_folder_puts_before_every_text(sbert):
    folder, _ = sbert
    path = folder / "config_sentence_transformers.json"
    prompts = {"query": "find: ", "document": ""}
    for name in (None, "document"):
        write_json(path, {"prompts": prompts, "default_prompt_name": name})
        expected = make(str(folder))("find: Anna").vector
    write_json(path, {"prompts": prompts, "default_prompt_name": "query"})
    nlp = make(str(folder))
    with pytest.warns(UserWarning, match="B909.*'find: '"):
        assert nlp("find: Anna").vector == pytest.approx(expected)


def test_dense_layers_of_the_folder_stay_when_it_is_initialized_again(sbert):
    nlp = make(str(sbert[0]))
    expected = nlp(TEXTS[0]).vector
    for _ in range(2):
        nlp.initialize(lambda: positives(nlp))
        assert nlp(TEXTS[0]).vector == pytest.approx(expected, abs=1e-6)


def test_files_of_a_hub_id_are_fetched_in_initialize(sbert, monkeypatch):
    folder, _ = sbert

    def cached_file(name, path, *, local_files_only, **options):
        found = folder / path
        return None if local_files_only or not found.is_file() else str(found)

    expected = make(str(folder))(TEXTS[0]).vector
    nlp = make(str(folder))
    nlp.get_pipe("bert").model.shims[0].name = "someone/vectors"
    monkeypatch.setattr(sentence_folder, "cached_file", cached_file)
    nlp.get_pipe("bert").model.shims[0].load(load_checkpoint(str(folder)))
    nlp.initialize(lambda: positives(nlp))
    assert nlp(TEXTS[0]).vector == pytest.approx(expected, abs=1e-6)


def test_damaged_folders(sbert):
    folder, _ = sbert
    modules = (folder / "modules.json").read_text(encoding="utf8")
    for content in ({"a": 1}, ["x"], 7):
        write_json(folder / "modules.json", content)
        with pytest.raises(ValueError, match="B006.*modules.json"):
            make(str(folder))("Anna")
    (folder / "modules.json").write_text(modules, encoding="utf8")
    for content in ("{", "[]"):
        (folder / "1_Pooling" / "config.json").write_text(content, encoding="utf8")
        with pytest.raises(ValueError, match="B006.*1_Pooling"):
            make(str(folder))("Anna")
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    (folder / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="B004.*2_Dense"):
        make(str(folder))("Anna")


# Training

SCORED = [
    (["Anna works in Paris.", "Ben lives near Oslo."], 0.9),
    (["The film was awful.", "The film was great."], 0.1),
    (["Carla met Ben at the bank.", "Anna works in London."], 0.3),
    (["Ben lives in Paris.", "The film was great."], 0.6),
]
CLASSES = ["entailment", "contradiction", "neutral", "entailment"]


def scored(nlp):
    return [make_pair_example(nlp, texts, score=score) for texts, score in SCORED]


def labelled(nlp):
    return [
        make_pair_example(nlp, texts, label=label) for (texts, _), label in zip(SCORED, CLASSES)
    ]


def positives(nlp):
    return [make_pair_example(nlp, texts) for texts, _ in SCORED]


def triplets(nlp):
    return [
        make_pair_example(nlp, [*texts, other[1]])
        for (texts, _), (other, _) in zip(SCORED, SCORED[1:] + SCORED[:1])
    ]


LEARNED = {
    "CosineSimilarity": (scored, "similarity_spearman", {}),
    "CoSENT": (scored, "similarity_spearman", {}),
    "MultipleNegativesRanking": (positives, "similarity_acc", {"symmetric": True}),
    "Softmax": (labelled, "similarity_ap", {}),
    "Triplet": (triplets, "similarity_acc", {"distance": "cosine", "margin": 0.3}),
}


@pytest.mark.parametrize("loss", LEARNED)
def test_learns(tiny_bert, optimizer, loss, tmp_path):
    examples_of, key, options = LEARNED[loss]
    nlp = make(tiny_bert, loss={"name": loss, **options})
    examples = examples_of(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("bert").to_bytes()
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first / 2
    assert nlp.get_pipe("bert").to_bytes() != before
    scores = nlp.evaluate(examples)
    if loss != "Softmax":  # which learns classes, not cosines
        assert scores[key] > 0.7 and scores["similarity_score"] == scores[key]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.get_pipe("bert_similarity").labels == nlp.get_pipe("bert_similarity").labels
    assert again(TEXTS[0]).vector == pytest.approx(nlp(TEXTS[0]).vector, abs=1e-5)


def test_matryoshka_learns_short_vectors(tiny_bert, optimizer):
    inner = {"@losses": "spacy-bert-suite.MultipleNegativesRanking.v1"}
    nlp = make(tiny_bert, loss={"name": "Matryoshka", "loss": inner, "dims": [16, 4]})
    examples = positives(nlp)
    nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    encode = nlp.get_pipe("bert_similarity").encode
    first, second = (encode([texts[i] for texts, _ in SCORED[:3]])[:, :4] for i in (0, 1))
    assert ((first @ second.T).argmax(axis=1) == numpy.arange(3)).all()


def test_matryoshka_over_classes(tiny_bert, optimizer):
    inner = {"@losses": "spacy-bert-suite.Softmax.v1"}
    nlp = make(tiny_bert, loss={"name": "Matryoshka", "loss": inner, "dims": [16, 4]})
    examples = labelled(nlp)
    nlp.initialize(lambda: examples)
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first / 2


@pytest.mark.parametrize("dims, truncate_dim", [([16, 999], 0), ([16, 4], 8)])
def test_matryoshka_of_more_dimensions_than_there_are(tiny_bert, dims, truncate_dim):
    inner = {"@losses": "spacy-bert-suite.CoSENT.v1"}
    loss = {"name": "Matryoshka", "loss": inner, "dims": dims}
    nlp = make(tiny_bert, loss=loss, truncate_dim=truncate_dim)
    with pytest.raises(ValueError, match=f"B076.*{max(dims)}.*{truncate_dim or 16}"):
        nlp.initialize(lambda: scored(nlp))


def gradients(nlp):
    parameters = nlp.get_pipe("bert").model.shims[0].module.named_parameters()
    return {name: p.grad.clone() for name, p in parameters if p.grad is not None}


def test_gradients_equal_plain_torch(still_bert):
    nlp = make(still_bert, loss={"name": "CosineSimilarity"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=False)
    model, tokenizer = (
        AutoModel.from_pretrained(still_bert).train(),
        AutoTokenizer.from_pretrained(still_bert),
    )
    cosines = []
    for texts, _ in SCORED:
        u, v = (
            model(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0) for t in texts
        )
        cosines.append(torch.cosine_similarity(u, v, dim=0))
    gold = torch.tensor([score for _, score in SCORED])
    (torch.stack(cosines) - gold).square().mean().backward()
    found = gradients(nlp)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert found[f"transformer.{name}"] == pytest.approx(parameter.grad, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_cached_gradients_equal_those_of_the_whole_batch(still_bert, chunk_size):
    found = {}
    for size in (0, chunk_size):
        nlp = make(still_bert, loss={"name": "CoSENT"}, chunk_size=size)
        examples = scored(nlp)
        nlp.initialize(lambda examples=examples: examples)
        losses = nlp.update(examples, sgd=False)
        found[size] = losses["bert_similarity"], gradients(nlp)
    assert found[chunk_size][0] == pytest.approx(found[0][0], rel=1e-5)
    for name, gradient in found[0][1].items():
        assert found[chunk_size][1][name] == pytest.approx(gradient, rel=1e-3, abs=1e-6)


def test_dropout_is_repeated_in_chunks(tiny_bert):
    """The gradient that is cached belongs to the very vectors that are made again."""
    nlp = make(tiny_bert, loss={"name": "CoSENT"}, chunk_size=2)
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("bert_similarity")
    made = []
    embed = pipe._embed
    pipe._embed = lambda texts: made.append(embed(texts)) or made[-1]
    nlp.update(examples, sgd=False)
    n = len(made) // 2
    for (first, _), (second, _) in zip(made[:n], made[n:]):
        assert second.detach().numpy() == pytest.approx(first.detach().numpy(), abs=1e-6)
    assert abs((embed([SCORED[0][0][0]])[0] - made[0][0][0]).detach()).max() > 1e-4


def test_pairs_cost_no_pass_of_the_listener(tiny_bert, optimizer, monkeypatch):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    passes = []
    shim = nlp.get_pipe("bert").model.shims[0]
    run = shim.run
    monkeypatch.setattr(
        shim, "run", lambda rows, train: passes.append(len(rows.ids)) or run(rows, train)
    )
    nlp.update(examples, sgd=optimizer)
    assert passes == [8]


def test_the_last_step_is_taken_before_texts_are_encoded(tiny_bert, optimizer):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("bert_similarity")
    untrained = pipe.encode(TEXTS)
    nlp.update(examples, sgd=optimizer)
    encoded = pipe.encode(TEXTS)
    assert abs(encoded - untrained).max() > 1e-4
    assert [doc.vector for doc in nlp.pipe(TEXTS)] == [pytest.approx(v, abs=1e-6) for v in encoded]
    nlp.update(examples, sgd=optimizer)
    annotated = numpy.stack([doc.vector for doc in nlp.pipe(TEXTS)])
    assert abs(annotated - encoded).max() > 1e-4
    assert pipe.encode(TEXTS) == pytest.approx(annotated, abs=1e-6)


def test_a_frozen_backbone_keeps_its_weights(tiny_bert, optimizer):
    nlp = make(
        tiny_bert, bert={"trainable": False}, loss={"name": "CosineSimilarity"}, dense_width=8
    )
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("bert").to_bytes()
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first
    assert nlp.get_pipe("bert").to_bytes() == before


def test_examples_without_pairs_are_skipped(tiny_bert, optimizer):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in TEXTS]
    nlp.initialize(lambda: bare)
    assert nlp.update(bare, sgd=optimizer)["bert_similarity"] == 0.0
    assert "similarity_score" not in nlp.evaluate(bare)
    others = [stamped(eg, "bert_ner") for eg in scored(nlp)]
    assert nlp.update(others, sgd=optimizer)["bert_similarity"] == 0.0


def test_the_wrong_kind_of_pairs(tiny_bert):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    with pytest.raises(ValueError, match="B067.*score"):
        nlp.initialize(lambda: positives(nlp))
    nlp = make(tiny_bert, loss={"name": "Triplet"})
    with pytest.raises(ValueError, match="B067.*triplets"):
        nlp.initialize(lambda: scored(nlp))


def test_negatives_are_no_positives(tiny_bert, optimizer):
    """The default loss would draw any two texts of a pair together."""
    nlp = make(tiny_bert, loss={"name": "MultipleNegativesRanking"})
    with pytest.raises(ValueError, match="B067.*belong together"):
        nlp.initialize(lambda: scored(nlp))
    mixed = positives(nlp) + [make_pair_example(nlp, ["a", "b"], label="contradiction")]
    with pytest.warns(UserWarning, match=f"B905.*1 of {len(mixed)}"):
        nlp.initialize(lambda: mixed)
    found = nlp.get_pipe("bert_similarity").select_examples(mixed)
    assert len(found) == len(mixed) - 1


def test_an_unknown_class(tiny_bert):
    nlp = make(tiny_bert, loss={"name": "Softmax"})
    nlp.initialize(lambda: labelled(nlp))
    assert nlp.get_pipe("bert_similarity").labels == ("contradiction", "entailment", "neutral")
    strange = make_pair_example(nlp, ["a", "b"], label="other")
    with pytest.raises(ValueError, match="B068.*other"):
        nlp.update([strange])


@pytest.mark.parametrize(
    "config, code",
    [
        ({"pooling": "median"}, "B022.*pooling"),
        ({"normalize": "sometimes"}, "B022.*normalize"),
        ({"dense_width": -1}, "B022.*dense_width"),
        ({"dense_width": 3, "dense_activation": "tanh"}, "B022.*dense_activation"),
        ({"truncate_dim": -1}, "B022.*truncate_dim"),
        ({"long_documents": "max"}, "B022.*long_documents"),
        ({"sentence_vectors": "yes"}, "B022.*sentence_vectors"),
        ({"chunk_size": -1}, "B022.*chunk_size"),
    ],
)
def test_wrong_config(tiny_bert, config, code):
    with pytest.raises(ValueError, match=code):
        make(tiny_bert, **config)


def test_what_is_encoded(tiny_bert):
    nlp = make(tiny_bert)
    pipe = nlp.get_pipe("bert_similarity")
    text = "Anna works in Paris."
    doc = nlp.make_doc(text)
    (expected,) = pipe.encode(text)
    assert numpy.array_equal(pipe.encode(doc), [expected])
    assert numpy.allclose(pipe.encode([doc[:2], doc])[1], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"B074.*number 1.*float"):
        pipe.encode([text, float("nan")])


def test_without_a_backbone():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("bert_similarity")
    with pytest.raises(ValueError, match="B032"):
        pipe.encode(["Anna"])
    with pytest.raises(ValueError, match="B032"):
        nlp("Anna")


def test_no_pooler(tmp_path):
    from transformers import BertModel

    source = write_tiny_bert(tmp_path)
    BertModel.from_pretrained(source, add_pooling_layer=False).save_pretrained(source)
    with pytest.raises(ValueError, match="B061"):
        make(str(source), pooling="pooler", sentence_vectors="none")("Anna")


def test_the_embedded_model_works_untrained():
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_similarity")
    cat, kitten, stock = nlp.pipe(["A cat sleeps.", "The kitten naps.", "Shares fell sharply."])
    assert cat.similarity(kitten) > 0.5 > cat.similarity(stock) + 0.2


def test_sourced_selected_and_excluded(tiny_bert, tmp_path):
    nlp = make(tiny_bert, dense_width=6)
    expected = nlp(TEXTS[0]).vector
    other = spacy.blank("en", vocab=nlp.vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vocabularies are compared by spaCy
        other.add_pipe("bert", source=nlp)
        other.add_pipe("bert_similarity", source=nlp)
    assert other(TEXTS[0]).vector == pytest.approx(expected, abs=1e-6)
    assert other.get_pipe("bert_similarity").encode(TEXTS[:1])[0] == pytest.approx(
        expected, abs=1e-6
    )
    with nlp.select_pipes(disable=["bert_similarity"]):
        assert nlp(TEXTS[0])._.embedding is None
    nlp.to_disk(tmp_path)
    assert "bert_similarity" not in spacy.load(tmp_path, exclude=["bert_similarity"]).pipe_names


def test_learns_beside_another_head(still_bert):
    """Pairs and categories in one batch: the gradient is the sum of both."""
    nlp = make(still_bert, loss={"name": "CosineSimilarity"})
    classifier = {"@architectures": "spacy-bert-suite.TextClassifier.v1", "dropout": 0.0}
    nlp.add_pipe("bert_textcat", config={"model": classifier})
    texts = [Example.from_dict(nlp.make_doc(text), {"cats": {"work": 1.0}}) for text in TEXTS]
    both = [*scored(nlp), *texts]
    other = Example.from_dict(nlp.make_doc("x"), {"cats": {"home": 1.0, "work": 0.0}})
    nlp.initialize(lambda: [*both, other])
    bert = nlp.get_pipe("bert")
    found = []
    for names in (["bert_similarity"], ["bert_textcat"], ["bert_similarity", "bert_textcat"]):
        bert.model.shims[0].module.zero_grad()
        for name in ("bert", *names):
            nlp.get_pipe(name).update(both)
        bert.flush_pending_step()
        found.append(gradients(nlp))
    for name, gradient in found[2].items():
        alone = sum(part[name] for part in found[:2] if name in part)
        assert gradient == pytest.approx(alone, rel=1e-3, abs=1e-6)
