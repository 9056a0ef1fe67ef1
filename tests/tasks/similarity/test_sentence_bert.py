"""Sentence-BERT folders: what is taken over from them."""

import json

import pytest
import safetensors.torch
import spacy
import torch
from conftest import write_tiny_bert
from tasks.similarity.pipelines import (
    TEXTS,
    hidden,
    make,
    positives,
)

from spacy_bert_suite.backbone.weights.loading import load_checkpoint
from spacy_bert_suite.tasks.similarity import sentence_bert as sentence_folder
from spacy_bert_suite.tasks.similarity.sentence_bert import _read_pooling


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


@pytest.mark.parametrize(
    "mode, name",
    [
        ("mean_sqrt_len_tokens", "mean_sqrt_len"),
        ("weightedmean", "weighted_mean"),
        (["cls", "max_tokens"], "cls+max"),
    ],
)
def test_the_names_of_pooling_in_newer_versions(mode, name):
    assert _read_pooling({"pooling_mode": mode}, "there") == name
