"""WordPiece vocabularies: what they hold, and that the same texts give the same ones."""

import random
from pathlib import Path

import pytest

from spacy_bert_suite.tasks.pretrainer.vocabulary import SPECIAL, make_tokenizer, train_wordpieces

TEXTS = ["The miller sings. The miller's mill stands still.", "Ünder the mill, 3 millers sing!"]


def train(texts, **settings):
    return train_wordpieces(lambda: texts, **settings)


def test_pieces_are_the_most_frequent_pairs():
    """Joined by hand: "aab" occurs three times, "aa" once more, "cb" twice."""
    pieces = train(["aab aab aab aa", "cb cb"], size=100)
    base = [*SPECIAL, "a", "b", "c", "##a", "##b", "##c"]
    assert pieces == [*base, "aa", "aab", "cb"]


def test_rare_pairs_are_left():
    assert "cb" not in train(["aab aab aab aa", "cb cb"], size=100, min_frequency=3)


def test_size_is_the_most():
    pieces = train(TEXTS, size=70)
    assert len(pieces) == len(set(pieces)) <= 70
    assert len(train(["aab aab aab aa cb cb"], size=12)) == 12


def test_words_of_known_characters_have_pieces():
    tokenizer = make_tokenizer(train(TEXTS, size=200))
    assert "[UNK]" not in tokenizer.tokenize("sullen hunters, 33 tins! 3rd")
    assert tokenizer.tokenize("a quiz")[-1] == "[UNK]"


def test_lowercase_and_cased():
    uncased = train(TEXTS)
    assert "u" in uncased and not any(c.isupper() for piece in uncased[5:] for c in piece)
    assert make_tokenizer(uncased).tokenize("ÜNDER") == make_tokenizer(uncased).tokenize("under")
    cased = train(TEXTS, lowercase=False)
    assert "Ü" in cased and "The" in cased
    assert make_tokenizer(cased, lowercase=False).tokenize("The") == ["The"]


def test_punctuation_and_chinese_continue_no_word():
    pieces = train(["stop. 山 mill-stone"] * 2)
    assert {".", "山", "-"} <= set(pieces)
    assert not {"##.", "##山", "##-"} & set(pieces)


def test_rare_characters_give_way():
    pieces = train(["aaa bb c"], n_characters=2)
    assert pieces == [*SPECIAL, "a", "b", "##a", "##b"]


def test_order_of_the_texts_does_not_matter():
    texts = [f"{a}{b}{c} {c}{a}" for a in "abcd" for b in "efgh" for c in "ijkl"]
    assert train(texts, size=90) == train(texts[::-1], size=90)


def test_same_every_time():
    """Many pairs are equally frequent here, and the trainer's hash tables differ at each call."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 9))) for _ in range(400)]
    texts = [" ".join(rng.choices(words, k=50)) for _ in range(40)]
    first, *others = (train(texts, size=600) for _ in range(4))
    assert len(first) == 600
    assert all(pieces == first for pieces in others)


def test_long_words_are_left_out():
    """They would become [UNK] anyway, and one of a million letters would take hours."""
    pieces = train(["ab " * 3 + "xy" * 500_000 + " " + "cd," * 200], size=50)
    assert "ab" in pieces and "cd" in pieces and "xy" not in pieces


@pytest.mark.parametrize("texts", [[], [""], [" \n\t", "\x00"]])
def test_no_words(texts):
    with pytest.raises(ValueError, match="B165"):
        train(texts)


def test_one_word():
    assert train(["mill"]) == [*SPECIAL, "i", "l", "m", "##i", "##l", "##m"]


def test_too_small():
    with pytest.raises(ValueError, match="B166.* 11 or more"):
        train(["mill"], size=10)
    assert len(train(["mill"], size=11)) == 11


def test_errors_of_the_texts_come_through():
    def texts():
        yield "mill"
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        train_wordpieces(texts)


def test_the_tokenizer_is_that_of_bert(tmp_path):
    """The same ids, types and offsets as transformers makes of vocab.txt alone."""
    from transformers import BertTokenizerFast

    pieces = train(TEXTS)
    Path(tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf8")
    theirs = BertTokenizerFast(str(tmp_path / "vocab.txt"), clean_up_tokenization_spaces=True)
    ours = make_tokenizer(pieces)
    pair = ("The miller's mill.", "Sing, Ünder 山!")
    expected = theirs(*pair, return_offsets_mapping=True)
    assert ours(*pair, return_offsets_mapping=True) == expected
    assert ours.decode(expected.input_ids) == theirs.decode(expected.input_ids)
