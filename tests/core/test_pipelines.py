"""Listeners are bound through a private name of spaCy's; an upgrade that breaks it fails here."""

import spacy

from spacy_bert_suite.core.pipelines import link_listeners


class Owner:
    """All that spaCy asks of a component that others listen to."""

    model = None
    listeners: list = []
    listener_map: dict = {}
    listening_components: list = []

    def __init__(self):
        self.offered = []

    def __call__(self, doc):
        return doc

    def add_listener(self, listener, component_name): ...

    def remove_listener(self, listener, component_name): ...

    def find_listeners(self, component):
        self.offered.append(component)


def test_owners_are_offered_the_later_components():
    nlp = spacy.blank("en")
    owner = Owner()
    spacy.Language.component("test_owner", func=owner)
    nlp.add_pipe("test_owner")
    nlp.add_pipe("sentencizer")
    owner.offered.clear()
    link_listeners(nlp)
    assert owner.offered == [nlp.get_pipe("sentencizer")]
