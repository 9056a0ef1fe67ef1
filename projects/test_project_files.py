"""What all templates have in common."""

import re
import shlex
from pathlib import Path

import pytest
import srsly
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry

TEMPLATES = sorted(Path(__file__).parent.glob("*/project.yml"))
CONFIGS = sorted(Path(__file__).parent.glob("*/configs/*.cfg"))
FOLDER = r"\$\{vars\.(data|labelled)\}"
READABLE = (".conll", ".csv", ".json", ".jsonl", ".tsv")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_public_data_are_pinned(path):
    for asset in srsly.read_yaml(path).get("assets", []):
        assert re.fullmatch("[0-9a-f]{32}", asset["checksum"])
        assert asset["dest"].endswith(READABLE)
        assert asset["dest"] in (path.parent / "README.md").read_text(encoding="utf8")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_workflows_are_of_known_commands(path):
    project = srsly.read_yaml(path)
    names = [command["name"] for command in project["commands"]]
    assert "all" in project["workflows"]
    assert {step for steps in project["workflows"].values() for step in steps} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_a_folder_of_data_may_have_a_blank_in_its_name(path):
    scripts = [line for command in srsly.read_yaml(path)["commands"] for line in command["script"]]
    scripts = [line for line in scripts if re.search(FOLDER, line)]
    for line in scripts:
        parts = shlex.split(re.sub(FOLDER, "my data", line))  # as weasel does
        assert "my" not in parts, line
        assert any(part.startswith("my data") for part in parts), line
    assert scripts


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_configs_resolve(path):
    """Also those for a GPU: all is built but the weights, which are not looked for."""
    nlp = load_model_from_config(load_config(path), auto_fill=True)
    filled = nlp.config.interpolate()
    training = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
    registry.resolve({"corpora": filled["corpora"]})
    registry.resolve(filled["initialize"])
    assert set(filled["initialize"]["components"]) <= set(nlp.pipe_names)
    assert any(weight for weight in training["score_weights"].values())
