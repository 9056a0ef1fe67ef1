import numpy
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from spacy_bert_suite.backbone.input.offsets import ranges
from spacy_bert_suite.backbone.input.windows import align_tokens, make_windows, token_extents
from spacy_bert_suite.backbone.input.wordpieces import LONGEST_CACHED_CHUNK, WordpieceTokenizer

HARD_TEXTS = [
    "",
    " ",
    "\n" * 50,
    "plain words, and punctuation!",
    "don't can't won't",
    "na\u00efve caf\u00e9 \u0130stanbul \u1e9e",
    "e\u0301 combining a\u030a",
    "emoji \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd",
    "flags \U0001f1f3\U0001f1f4",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 right to left",
    "\u4e2d\u6587\u548c\u65e5\u672c\u8a9e mixed\u4e2dwith latin",
    "nul\x00inside and \x07bell \x1c \x1ffile a\x1cb",
    "no-break\u00a0space thin\u2009space ideographic\u3000space zero\u200bwidth \ufeffbom",
    "line\u2028separator para\u2029graph \x0bvt \x0cff \x85nel",
    "[CLS] literal [SEP] specials[MASK] ##hash",
    "x" * 300,
    "ab " * 200,
    "\ufffd replacement \ud7ff edge \U0010ffff",
    "\r\n\t mixed \r white\n",
]


@pytest.fixture(scope="module")
def hf_tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def wordpieces(tiny_bert):
    return WordpieceTokenizer(AutoTokenizer.from_pretrained(tiny_bert))


def assert_equal_to_tokenizer(hf_tokenizer, wordpieces, texts):
    pieces = wordpieces(texts)
    for i, text in enumerate(texts):
        expected = hf_tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False
        )
        start, end = pieces.offsets[i : i + 2]
        assert pieces.ids[start:end].tolist() == expected["input_ids"], repr(text)
        spans = list(zip(pieces.starts[start:end].tolist(), pieces.ends[start:end].tolist()))
        assert spans == [tuple(span) for span in expected["offset_mapping"]], repr(text)


def test_pieces_equal_the_tokenizers(hf_tokenizer, wordpieces):
    assert wordpieces.by_chunk
    assert_equal_to_tokenizer(hf_tokenizer, wordpieces, HARD_TEXTS)
    assert_equal_to_tokenizer(hf_tokenizer, wordpieces, HARD_TEXTS[::-1])  # all from the cache


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
def test_pieces_equal_the_tokenizers_on_any_text(hf_tokenizer, wordpieces, texts):
    assert_equal_to_tokenizer(hf_tokenizer, wordpieces, texts)


def test_long_chunks_are_not_cached(wordpieces):
    long = "q" * (LONGEST_CACHED_CHUNK + 1)
    first = wordpieces([f"the {long} end"])
    again = wordpieces([f"the {long} end"])
    assert long not in wordpieces._chunks.rows
    assert first.ids.tolist() == again.ids.tolist()


def test_cache_starts_anew_when_full(wordpieces, monkeypatch):
    monkeypatch.setattr("spacy_bert_suite.backbone.input.wordpieces.MOST_CACHED_CHUNKS", 3)
    wordpieces._chunks.clear()
    wordpieces(["one two three four"])
    wordpieces(["five"])
    assert list(wordpieces._chunks.rows) == ["five"]


@pytest.fixture
def nlp(english):
    return spacy.blank("en")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=3))
def test_every_token_has_exactly_the_pieces_that_share_a_character(wordpieces, nlp, texts):
    docs = [nlp.make_doc(text) for text in texts]
    pieces = wordpieces([doc.text for doc in docs])
    starts, ends, offsets = align_tokens(docs, token_extents(docs), pieces)
    for d, doc in enumerate(docs):
        first, last = pieces.offsets[d : d + 2]
        for i, token in enumerate(doc):
            begin, stop = token.idx, token.idx + len(token)
            expected = [
                p for p in range(first, last) if pieces.starts[p] < stop and pieces.ends[p] > begin
            ]
            row = offsets[d] + i
            assert list(range(starts[row], ends[row])) == expected


@pytest.mark.parametrize("n_pieces", [0, 1, 29, 30, 31, 54, 55, 200, 3000])
@pytest.mark.parametrize("window, stride", [(30, 24), (30, 30), (30, 1), (5, 3)])
def test_windows_keep_every_piece_once(n_pieces, window, stride):
    windows = make_windows(numpy.asarray([7, 7 + n_pieces]), window, stride)
    kept = ranges(windows.kept_starts, windows.kept_ends - windows.kept_starts)
    assert kept.tolist() == list(range(7, 7 + n_pieces))
    assert (windows.ends - windows.starts <= window).all()
    assert (windows.starts <= windows.kept_starts).all()
    assert (windows.kept_ends <= windows.ends).all()
    assert len(windows.starts) >= 1


def test_overlapped_pieces_come_from_the_window_with_more_context():
    windows = make_windows(numpy.asarray([0, 10]), 6, 4)
    assert windows.starts.tolist() == [0, 4]
    assert windows.kept_starts.tolist() == [0, 5]
    assert windows.kept_ends.tolist() == [5, 10]


def test_each_text_has_its_own_windows():
    windows = make_windows(numpy.asarray([0, 3, 3, 20]), 6, 4)
    assert windows.offsets.tolist() == [0, 1, 2, 6]
    assert windows.starts[2:].tolist() == [3, 7, 11, 14]
