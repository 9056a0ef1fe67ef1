"""`python -m spacy bert compare`."""

import numpy
import pytest
import spacy
from click.testing import CliRunner
from conftest import bert_model

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.data.pairs import make_pair_example

FIRST, SECOND = "Anna works in Paris.", "Ben lives near Oslo."


@pytest.fixture(scope="module")
def folder(tiny_bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("compare")
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_similarity")
    nlp.add_pipe("bert_paraphrase", config={"mode": "classes"}, name="relation")
    examples = [make_pair_example(nlp, [FIRST, SECOND], label=x) for x in ("same", "equal")]
    nlp.initialize(lambda: examples)
    nlp.to_disk(path / "nlp")
    spacy.blank("en").to_disk(path / "blank")
    return path


def run(*args):
    return CliRunner().invoke(cli, ["compare", *map(str, args)])


def test_every_component_that_compares_has_a_line(folder):
    done = run(folder / "nlp", FIRST, SECOND)
    assert done.exit_code == 0, done.output
    found = dict(line.split("\t") for line in done.output.splitlines())
    nlp = spacy.load(folder / "nlp")
    one, other = nlp(FIRST), nlp(SECOND)
    probabilities = one._.paraphrase(other)
    assert found == {
        "bert_similarity": f"{one.similarity(other):.3f}",
        "relation same": f"{probabilities['same']:.3f}",
        "relation equal": f"{probabilities['equal']:.3f}",
    }
    assert numpy.isclose(sum(probabilities.values()), 1)


def test_texts_that_are_not_utf_8(folder):
    done = run(folder / "nlp", f"{FIRST} \udce9", SECOND)
    assert done.exit_code == 0, done.output
    assert done.output == run(folder / "nlp", f"{FIRST} \ufffd", SECOND).output


def test_empty_texts(folder):
    done = run(folder / "nlp", "", "")
    assert done.exit_code == 0, done.output
    assert "nan" not in done.output


@pytest.mark.parametrize("model, code", [("blank", "B193"), ("absent", "B214")])
def test_what_is_wrong_is_said(folder, model, code):
    done = run(folder / model, FIRST, SECOND)
    assert done.exit_code == 1
    assert code in done.output
