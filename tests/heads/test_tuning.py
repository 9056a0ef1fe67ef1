"""The callback that tunes components before a pipeline is saved."""

import spacy

from spacy_bert_suite.heads.tuning import before_saving


class Tuned:
    def __init__(self):
        self.calls = []

    def tune(self, *arguments):
        self.calls.append(arguments)

    def __call__(self, doc):
        return doc


def pipeline(*pipes):
    nlp = spacy.blank("en")
    for i, pipe in enumerate(pipes):
        name = f"pipe_{id(nlp)}_{i}"
        nlp.add_pipe("sentencizer", name=name)
        nlp._components[-1] = (name, pipe)
    return nlp


def test_calls_the_method_of_every_component_that_has_it():
    first, second = Tuned(), Tuned()
    nlp = pipeline(first, spacy.blank("en").add_pipe("sentencizer"), second)
    read = []

    def examples(nlp):
        read.append(nlp)
        return ["an example"]

    assert before_saving("tune", examples, lambda nlp: 2)(nlp) is nlp
    assert first.calls == second.calls == [(["an example"], 2)]
    assert read == [nlp]  # once for all


def test_reads_nothing_where_no_component_has_it():
    def examples(nlp):
        raise AssertionError("read in vain")

    nlp = pipeline(Tuned())
    assert before_saving("calibrate", examples)(nlp) is nlp
