"""Every task has its places, and no others: what adding one touches."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.tokens.underscore import Underscore
from spacy.training import Example

import spacy_bert_suite
from spacy_bert_suite import register_extensions
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.registry import (
    BACKBONE,
    SEVERAL,
    TASKS,
    Converter,
    Task,
    attributes,
    converters,
    find_task,
    importers,
    load,
)

PACKAGE = Path(spacy_bert_suite.__file__).parent
ROOT = PACKAGE.parent
NAMED = re.compile(r"spacy_bert_suite\.[\w.]+:\w+")
BERT = "bert"
# Code outside of a task's own places that names its factory, since it makes or uses one.
USERS = {
    "spacy_bert_suite/cli/search.py": "bert_similarity",
    "spacy_bert_suite/tasks/evaluation.py": "bert_pretrainer",
}


def texts_in(value: Any) -> Iterator[str]:
    """YIELDS (str): All texts in an entry."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        yield from chain.from_iterable(texts_in(getattr(value, f.name)) for f in fields(value))
    elif isinstance(value, (tuple, list)):
        yield from chain.from_iterable(map(texts_in, value))


def factories_in_setup() -> dict[str, str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["spacy_factories"].strip().splitlines()
    return {name.strip(): value.strip() for name, value in (line.split("=") for line in lines)}


@pytest.mark.parametrize("name", sorted({*texts_in([*TASKS.values(), SEVERAL, BACKBONE])}))
def test_every_name_can_be_imported(name):
    if NAMED.fullmatch(name):
        assert load(name) is not None
    else:
        assert ":" not in name and "spacy_bert_suite" not in name


def test_every_folder_has_an_entry():
    folders = {path.parent.name for path in (PACKAGE / "tasks").glob("*/__init__.py")}
    assert folders == set(TASKS)
    assert all(name == task.name for name, task in TASKS.items())


def test_every_factory_is_of_the_folder_of_its_entry():
    points = factories_in_setup()
    del points[BERT]
    listed = [factory for task in TASKS.values() for factory in task.factories]
    assert sorted(listed) == sorted(points)
    for factory, value in points.items():
        task = find_task(factory)
        assert task is not None and factory.startswith(f"bert_{task.name}")
        assert value.startswith(f"spacy_bert_suite.tasks.{task.name}.component:")
    assert find_task(BERT) is None


def test_no_two_have_the_same_name():
    every = [each for task in TASKS.values() for each in task.converters] + [SEVERAL]
    assert len(converters()) == len({*every})
    assert len(importers()) == sum(len(task.importers) for task in TASKS.values()) + 1
    assert len(attributes()) == sum(len(task.attributes) for task in TASKS.values())


def test_every_component_can_be_exported_or_says_why_not():
    for task in TASKS.values():
        ways = task.exporter.spec, task.exporter.folder, task.exporter.refusal
        assert sum(map(bool, ways)) == 1, task.name


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_configs_are_of_the_factories_and_converters_of_their_entry(task):
    configs = [load(name) for name in task.configs]
    assert [f"bert_{config.name}" for config in configs] == list(task.factories)
    kinds = {each.kind for each in task.converters}
    assert {config.convert for config in configs} == (kinds or {""})


@pytest.fixture
def extensions(monkeypatch):
    """Doc and Span without attributes: those that are registered since."""
    found: dict[type, dict[str, Any]] = {Doc: {}, Span: {}}
    monkeypatch.setattr(Underscore, "doc_extensions", found[Doc])
    monkeypatch.setattr(Underscore, "span_extensions", found[Span])
    return found


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_components_register_the_attributes_of_their_entry(task, extensions, backbone_config):
    for factory in task.factories:
        nlp = spacy.blank("en")
        nlp.add_pipe(BERT, config=backbone_config)
        nlp.add_pipe(factory)
    found = {f"{owner.__name__.lower()}.{key}" for owner in extensions for key in extensions[owner]}
    assert found == set(task.attributes)


# The list in docs/architecture.md


def places() -> tuple[list[str], list[str]]:
    """RETURNS (tuple[list[str], list[str]]): What the page lists, always and where needed."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
    section = page.split("## Add a task\n", 1)[1].split("\n## ", 1)[0]
    always = re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)
    return always, re.findall(r"^- `([^`]+)`", section, re.MULTILINE)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_task_is_where_the_page_says(task):
    always, where_needed = places()
    assert len(always) == 6 and len(where_needed) == 4
    for place in always:
        path = ROOT / place.replace("NAME", task.name)
        assert path.exists(), place
        if path.is_file():
            assert task.factories[0] in path.read_text(encoding="utf8"), place
    for place in where_needed:
        assert "NAME" in place or (ROOT / place).exists(), place
    assert (ROOT / "projects" / task.name / "project.yml").exists()


def test_a_task_is_nowhere_else():
    """No other code names its factory, so that a new one has nothing to change there."""
    own = [place.split("NAME")[0] for place in chain(*places()) if "NAME" in place]
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        of_a_task = path.parent.name in TASKS or path.stem in TASKS
        if (of_a_task and place.startswith(tuple(own))) or path.name == "registry.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert find_task(node.value) is None or node.value == USERS.get(place), place


# A task of this test: a folder and an entry

COMPONENT = '''
from spacy.language import Language

from spacy_bert_suite.heads.category_gold import cross_entropy
from spacy_bert_suite.heads.labelled import LabelledPipe
from spacy_bert_suite.heads.pipe import loss_and_gradients

from .corpus import LOUD, gold_of

MODEL = {
    "@architectures": "spacy-bert-suite.TextClassifier.v1",
    "bert": {"@architectures": "spacy-bert-suite.BertListener.v1", "upstream": "bert"},
}


@Language.factory("bert_loudness", assigns=["doc._.loudness"], default_config={"model": MODEL})
def make_bert_loudness(nlp, name, model):
    return BertLoudness(nlp.vocab, model, name)


class BertLoudness(LabelledPipe):
    """Whether a text is loud."""

    attributes = ("doc.loudness",)

    def has_annotation(self, eg):
        return LOUD in eg.reference.user_data

    def find_labels(self, examples):
        return ["no", "yes"]

    def get_loss(self, examples, scores):
        values, given = gold_of(examples)
        logits = scores.docs.requires_grad_()
        return loss_and_gradients(cross_entropy(logits, values, given), [logits, scores.sentences])

    def set_annotations(self, docs, scores):
        for doc, row in zip(docs, scores.docs.softmax(dim=1).tolist()):
            doc._.loudness = row[1]
'''
CORPUS = """
import numpy

from spacy_bert_suite.data.records import read_rows

LOUD = "spacy_bert_suite.loudness"


def loudness_docs(path, nlp, rename):
    for row in read_rows(path):
        doc = nlp.make_doc(row.text())
        doc.user_data[LOUD] = row.record["loud"]
        yield doc


def gold_of(examples):
    loud = numpy.asarray([eg.reference.user_data.get(LOUD, 0) for eg in examples])
    values = numpy.stack([1 - loud, loud], axis=1).astype("float32")
    given = numpy.asarray([LOUD in eg.reference.user_data for eg in examples])
    return values, numpy.stack([given, given], axis=1)
"""


@pytest.fixture
def loudness(tmp_path, monkeypatch) -> Iterator[Task]:
    folder = tmp_path / "code" / "loudness_task"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "component.py").write_text(COMPONENT)
    (folder / "corpus.py").write_text(CORPUS)
    monkeypatch.syspath_prepend(str(folder.parent))
    converter = Converter("loudness", "loudness_task.corpus:loudness_docs", "", True)
    task = Task("loudness", ("bert_loudness",), {"doc.loudness": "float"}, (converter,))
    monkeypatch.setitem(TASKS, task.name, task)
    yield task
    for name in [name for name in sys.modules if name.partition(".")[0] == "loudness_task"]:
        del sys.modules[name]


@pytest.mark.usefixtures("extensions")
def test_a_new_task_is_a_folder_and_an_entry(loudness, tmp_path, backbone_config, optimizer):
    source, target = tmp_path / "texts.jsonl", tmp_path / "texts.spacy"
    source.write_text('{"text": "HEY YOU", "loud": 1}\n{"text": "a film", "loud": 0}\n')
    assert "loudness" in converters() and find_task("bert_loudness") is loudness
    assert convert("loudness", source, target) == 2
    load("loudness_task.component:make_bert_loudness")  # as setup.cfg would tell spaCy
    nlp = spacy.blank("en")
    nlp.add_pipe(BERT, config=backbone_config)
    nlp.add_pipe("bert_loudness")
    docs = DocBin().from_disk(target).get_docs(nlp.vocab)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    before = nlp("HEY YOU")._.loudness
    losses = [nlp.update(examples, sgd=optimizer)["bert_loudness"] for _ in range(15)]
    assert 0 < losses[-1] < losses[0]
    assert nlp("HEY YOU")._.loudness > max(before, nlp("a film")._.loudness)
    nlp.to_disk(tmp_path / "nlp")
    assert spacy.load(tmp_path / "nlp")("HEY YOU")._.loudness == nlp("HEY YOU")._.loudness


def test_docs_of_a_docbin_are_read_in_a_fresh_process(tmp_path):
    """Nothing but spaCy and `register_extensions`, or `install_hooks`, is needed."""
    register_extensions()
    doc = spacy.blank("en")("Anna works.")
    doc._.summary, doc._.embedding = "Anna.", numpy.asarray([3.0, 4.0], dtype="float32")
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    code = """
import sys, spacy
from spacy.tokens import DocBin
from spacy_bert_suite import install_hooks, register_extensions
(doc,) = DocBin().from_disk(sys.argv[1]).get_docs(spacy.blank("en").vocab)
print(install_hooks(doc).vector_norm)
register_extensions()
print(doc._.summary)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "docs.spacy")]
    assert subprocess.check_output(command, text=True).split() == ["5.0", "Anna."]


def test_extensions_of_other_packages_are_kept():
    Doc.set_extension("summary", default="theirs", force=True)
    try:
        with pytest.raises(ValueError, match="B056.*summary"):
            register_extensions()
    finally:
        Doc.set_extension("summary", default=None, force=True)
