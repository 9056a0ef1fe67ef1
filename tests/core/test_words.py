"""Words in scripts with and without spaces, and in all Unicode forms."""

import unicodedata

import pytest

from spacy_bert_suite.core.words import chunks_of, pairs_of, words_of
from spacy_bert_suite.search.bm25 import query_words
from spacy_bert_suite.search.bm25 import words_of as terms_of

FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The A-320's m_long", ["the", "a", "320", "s", "m", "long"]),
        ("ছোট নদী", ["ছোট", "নদী"]),
        ("நல்ல மழை", ["நல்ல", "மழை"]),
        ("मीठा पानी।", ["मीठा", "पानी"]),
        ("دَرَسَ الوَلَدُ", ["دَرَسَ", "الوَلَدُ"]),
        ("סֵפֶר טוֹב", ["סֵפֶר", "טוֹב"]),
        ("İzmir IZMIR", ["izmir", "izmir"]),
        ("Ｂｕｓ４２", ["bus42"]),
        ("co\u00adworker", ["coworker"]),
        ("山と川。", ["山", "と", "川"]),
        ("ラーメン", ["ラ", "ー", "メ", "ン"]),
        ("ปลาดี", ["ป", "ล", "า", "ดี"]),
        ("ປາດີ", ["ປ", "າ", "ດີ"]),
        ("ទឹក", ["ទឹ", "ក"]),
        ("USB线2条", ["usb", "线", "2", "条"]),
    ],
)
def test_words_of_all_scripts(text, expected):
    expected = [unicodedata.normalize("NFKC", word) for word in expected]
    assert all(words_of(unicodedata.normalize(form, text)) == expected for form in FORMS)


def test_chunks_are_parted_by_spaces_or_are_characters():
    assert chunks_of("A well-known – “odd” café.") == ["A", "well-known", "–", "“odd”", "café."]
    assert chunks_of("山高，水深。 OK") == ["山", "高", "水", "深", "OK"]


def test_pairs_are_of_neighbours():
    assert pairs_of("abc") == ["ab", "bc"]
    assert pairs_of("a") == ["a"] and pairs_of("") == []


def test_queries_ask_for_pairs_that_texts_have():
    assert terms_of("山水画 x_y") == ["山", "水", "画", "x_y", "山水", "水画"]
    assert query_words("山水画 ships", terms_of) == ["ship", "山水", "水画"]
    assert query_words("画", terms_of) == ["画"]
    assert query_words("山水", list) == ["山", "水"]
