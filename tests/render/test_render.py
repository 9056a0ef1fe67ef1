import re
from html.parser import HTMLParser

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_bert_suite.render.console import table
from spacy_bert_suite.render.html import render_page


@pytest.fixture
def nlp():
    for owner, name in [(Span, "score"), (Span, "sentiment"), (Doc, "sentiment")]:
        if not owner.has_extension(name):
            owner.set_extension(name, default=None)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp


def mood(label, score, polarity):
    return {"label": label, "score": score, "probabilities": {label: score}, "polarity": polarity}


@pytest.fixture
def doc(nlp):
    doc = nlp("Anna Petrov loves Ghent. The rain is awful.\n\nShe left.")
    doc.ents = [Span(doc, 0, 2, "PER"), Span(doc, 3, 4, "LOC")]
    for ent, score in zip(doc.ents, (0.987, 0.5), strict=True):
        ent._.score = score
    doc.cats = {"travel": 0.75, "sport": 0.25}
    moods = [mood("positive", 0.9, 0.85), mood("negative", 0.8, -0.6), mood("neutral", 0.7, 0.0)]
    for sent, sentiment in zip(doc.sents, moods, strict=True):
        sent._.sentiment = sentiment
    doc._.sentiment = mood("neutral", 0.44, 0.1)
    doc.sentiment = 0.1
    return doc


class Checker(HTMLParser):
    """Holds that tags are closed, ids are unique and links stay inside the page."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], ""
        self.feed(page)
        assert not self.open
        assert len(set(self.ids)) == len(self.ids)
        assert all(link[0] == "#" and link[1:] in self.ids for link in self.links)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert "src" not in attributes
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_page_shows_entities_categories_and_moods(doc):
    page = render_page([doc, doc], title="Two texts")
    Checker(page)
    assert "<title>Two texts</title>" in page
    assert '">Anna Petrov<span>PER <b>0.99</b></span></mark>' in page
    bar = '<i style="width: calc(0.7500 * (100% - 2.6rem))"></i>'
    assert f"<dt>travel</dt><dd>{bar}<b>0.75</b></dd>" in page
    assert re.search(r"\.bars i {[^}]*flex: none;", page)
    sentences = re.findall(r'class="sentence" title="(.+?)" data-mood="(.+?)" .+?: (.+?)"', page)
    assert sentences[:2] == [
        ("positive 0.90", "positive", "85%"),
        ("negative 0.80", "negative", "60%"),
    ]
    assert page.count('href="#text-2-') == 3
    assert "polarity +0.10" in page


def test_page_keeps_the_text_and_escapes_it(nlp):
    text = "<b>Tom & Jerry</b> said \"hi\".   It's 'odd' {x}  \n\n$title é 🙂"
    page = render_page([nlp(text)], title="<script>")
    assert "<script" not in page
    shown = Checker(page[page.index('<div class="text">') : page.index("<aside>")])
    assert shown.text.split() == text.split()


def test_labels_are_escaped(nlp):
    doc = nlp("Rome")
    doc.ents = [Span(doc, 0, 1, "<i>")]
    doc.cats = {"<u>": 1.0}
    page = render_page([doc])
    Checker(page)
    assert "&lt;i&gt;" in page
    assert "&lt;u&gt;" in page


def marks_of(page):
    return re.findall(r"<mark[^>]*>(.*?)<span>(.*?)</span></mark>", page)


def test_entities_across_sentences_are_kept(nlp):
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "Yahoo! Inc."}])
    doc = nlp("He joined Yahoo! Inc. today.")
    assert len(list(doc.sents)) > 1
    page = render_page([doc])
    Checker(page)
    assert marks_of(page) == [("Yahoo!", "ORG"), ("Inc.", "ORG")]
    assert table([doc]).count("Yahoo! Inc. ORG") == 1


@pytest.mark.parametrize("name", ["en", "sents"])
def test_space_around_entities_is_left_out(nlp, name):
    make = spacy.blank("en").make_doc if name == "en" else nlp
    doc = make("\nAnna works \n")
    doc.set_ents([Span(doc, 0, 2, "PER"), Span(doc, len(doc) - 1, len(doc), "LOC")])
    page = render_page([doc])
    assert marks_of(page) == [("Anna", "PER")]
    shown = Checker(page[page.index('<div class="text">') : page.index("<aside>")])
    assert shown.text.split() == ["AnnaPER", "works"]


def test_empty_and_blank_texts_with_sentences(nlp):
    blank = nlp("  \n ")
    blank._.sentiment = blank[:]._.sentiment = mood("positive", 0.9, 0.8)
    doc = Doc(nlp.vocab, words=["\n", "One", "\n", "Two"], sent_starts=[True] * 4)
    doc._.sentiment = mood("positive", 0.9, 0.8)
    for sent in doc.sents:
        sent._.sentiment = doc._.sentiment
    page = render_page([nlp(""), blank, doc])
    Checker(page)
    assert page.count("<article") == 3
    assert page.count("<a href") == 2
    assert "(empty)" in table([nlp("")]) and "(empty)" in table([blank])
    rows = table([doc])
    assert "One" in rows and "Two" in rows and "(empty)" not in rows


@pytest.mark.parametrize("text", ["", "  \n ", "One."])
def test_what_is_missing_is_left_out(text):
    page = render_page([spacy.blank("en")(text)])
    Checker(page)
    assert "<h2>" not in page
    assert "Sentences:" not in page
    assert "Topic" not in table([spacy.blank("en")(text)])


def test_page_without_texts():
    Checker(render_page([]))


def test_table_has_a_row_for_the_text_and_for_each_sentence(doc):
    lines = [" ".join(line.split()) for line in table([doc]).splitlines() if line.strip()]
    assert lines[0] == "Text Entities Topic Sentiment"
    assert lines[2] == "(text of 3 sentences, 2 entities) travel 0.75 neutral 0.44"
    assert lines[3] == "Anna Petrov loves Ghent. Anna Petrov PER 0.99 positive 0.90"
    assert lines[4] == "Ghent LOC 0.50"
    assert lines[5] == "The rain is awful. negative 0.80"


def test_table_drops_control_characters(nlp):
    assert "\x1b" not in table([nlp("\x1b[31mRed \x00 text")])
