import csv
import gzip
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bert_suite.tasks.convert import convert, find_split


def write(path, text):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode("utf8")))
    else:
        path.write_text(text, encoding="utf8")
    return path


def converted(kind, path, **kwargs):
    n_docs = convert(kind, path, path.parent / "out" / "corpus.spacy", **kwargs)
    corpus = DocBin().from_disk(path.parent / "out" / "corpus.spacy")
    docs = list(corpus.get_docs(spacy.blank("en").vocab))
    assert len(docs) == n_docs
    return docs


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("name", ["train.conll", "train.conll.gz"])
def test_conll_keeps_tokens_and_entities(tmp_path, name):
    text = "Anna\tB-PER\nPetrov\tI-PER\ncan't\tO\nstay\tO\n.\tO\n\n\n(\tO\nGhent\tB-LOC\n)\tO\n"
    first, second = converted("ner", write(tmp_path / name, text))
    assert [token.text for token in first] == ["Anna", "Petrov", "can't", "stay", "."]
    assert first.text == "Anna Petrov can't stay."
    assert entities(first) == [("Anna Petrov", "PER")]
    assert second.text == "(Ghent)"
    assert entities(second) == [("Ghent", "LOC")]


def test_conll_reads_iob1_and_more_columns(tmp_path):
    text = "Rome NNP I-LOC\nLyon NNP B-LOC\nKite NNP I-ORG\nLabs NNP I-ORG\n"
    (doc,) = converted("ner", write(tmp_path / "a.conll", text), rename={"ORG": "FIRM"})
    assert entities(doc) == [("Rome", "LOC"), ("Lyon", "LOC"), ("Kite Labs", "FIRM")]


@pytest.mark.parametrize("middle, last, single", ["ILU", "IES", "MEW"])
def test_conll_reads_bilou_bioes_and_bmewo(tmp_path, middle, last, single):
    tags = [f"{part}-PER" for part in f"B{middle}{last}{single}"]
    tags += [f"{single}-LOC", "O", f"{last}-LOC"]
    words = ["Ada", "de", "Wit", "Ole", "Rome", "and", "Lyon"]
    text = "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags))
    (doc,) = converted("ner", write(tmp_path / "a.conll", text))
    found = [("Ada de Wit", "PER"), ("Ole", "PER"), ("Rome", "LOC"), ("Lyon", "LOC")]
    assert entities(doc) == found


@pytest.mark.parametrize("line", ["-DOCSTART- -X- -X- O", "-DOCSTART-"])
def test_conll_documents_begin_without_a_word(tmp_path, line):
    text = f"{line}\n\nRome NNP I-LOC\n{line}\nLyon NNP I-LOC\n"
    docs = converted("ner", write(tmp_path / "a.conll", text))
    assert [doc.text for doc in docs] == ["Rome", "Lyon"]


def test_a_missing_field_is_named_beside_those_there_are(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"review": "good", "stars": 4}\n')
    with pytest.raises(ValueError, match="B204.*line 1: 'text' is missing.*: review, stars"):
        converted("textcat", path)
    path = write(path, '{"text": "good", "label": null}\n')
    with pytest.raises(ValueError, match="B204.*line 1: 'label' is None"):
        converted("textcat", path)


def test_conll_leaves_out_lines_that_have_lost_their_word(tmp_path):
    text = "Rome\tB-LOC\n\tO\n\n\tO\n\nLyon\tB-LOC\n"
    with pytest.warns(UserWarning, match="B914.*2 lines.*line 2 first"):
        docs = converted("ner", write(tmp_path / "a.conll", text))
    assert [entities(doc) for doc in docs] == [[("Rome", "LOC")], [("Lyon", "LOC")]]


@pytest.mark.parametrize(
    "kind, name, text",
    [
        ("ner", "a.conll", "hello\tO\n"),
        ("ner", "a.conll.gz", "hello\tO\n"),
        ("textcat", "a.csv", "1,hello\n"),
        ("textcat", "a.tsv", "hello\t1\n"),
        ("textcat", "a.jsonl", '{"text": "hello", "label": "1"}\n'),
    ],
)
def test_a_byte_order_mark_is_no_text(tmp_path, kind, name, text):
    (doc,) = converted(kind, write(tmp_path / name, "\ufeff" + text))
    assert doc.text == "hello"
    assert doc.cats == ({} if kind == "ner" else {"1": 1.0})


def test_one_label_gives_a_value_for_every_label(tmp_path):
    text = (
        '{"text": "A goal!", "label": "sport"}\n\n{"text": "Shares fell.", "label": "business"}\n'
    )
    docs = converted("textcat", write(tmp_path / "a.jsonl.gz", text))
    assert [doc.cats for doc in docs] == [
        {"business": 0.0, "sport": 1.0},
        {"business": 1.0, "sport": 0.0},
    ]


def test_several_labels_and_none(tmp_path):
    text = '{"text": "a", "labels": ["x", "y"]}\n{"text": "b", "labels": []}\n'
    docs = converted("textcat", write(tmp_path / "a.jsonl", text))
    assert [doc.cats for doc in docs] == [{"x": 1.0, "y": 1.0}, {"x": 0.0, "y": 0.0}]


def test_tables_of_the_public_files(tmp_path):
    news = write(tmp_path / "a.csv", '"3","Shares fall","A bad\\day, they say."\n"2","A","B"\n')
    first, second = converted("textcat", news, rename={"2": "Sports", "3": "Business"})
    assert first.text == "Shares fall A bad\\day, they say."
    assert first.cats == {"Business": 1.0, "Sports": 0.0}
    reviews = write(tmp_path / "a.tsv", "a fine film\t1\ndull\t0\n")
    first, second = converted("sentiment", reviews, rename={"0": "negative", "1": "positive"})
    assert first.cats == {"negative": 0.0, "positive": 1.0}


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.csv", 'Text,id,Label\n"good, a\\b",7,x\nbad,8,y\n'),
        ("a.csv", 'label,sentence\nx,"good, a\\b"\ny,bad\n'),
        ("a.tsv", "label\ttext\nx\tgood, a\\b\ny\tbad\n"),
        ("a.tsv.gz", "\n id\tSENTENCE\tLABEL \n7\tgood, a\\b\tx\n8\tbad\ty\n"),
    ],
)
def test_a_header_names_the_columns(tmp_path, name, text):
    first, second = converted("textcat", write(tmp_path / name, text))
    assert (first.text, first.cats) == ("good, a\\b", {"x": 1.0, "y": 0.0})
    assert (second.text, second.cats) == ("bad", {"x": 0.0, "y": 1.0})


def test_csv_fields_of_any_length_and_blank_lines(tmp_path):
    limit = csv.field_size_limit()
    text = f"1,{'long ' * 40_000}\n\n  \n2,short\n\n"
    long, short = converted("textcat", write(tmp_path / "a.csv", text))
    assert len(long.text) == 200_000
    assert short.cats == {"1": 0.0, "2": 1.0}
    assert csv.field_size_limit() == limit


def test_lone_surrogates_become_replacement_characters(tmp_path):
    text = (
        r'{"text": "\ud83d Ada \ud83d\ude00", "entities": [[2, 5, "P\udc00"]], "topic": "t\ud83d"}'
    )
    (doc,) = converted("multitask", write(tmp_path / "a.jsonl", text))
    assert doc.text == "\ufffd Ada \U0001f600"
    assert entities(doc) == [("Ada", "P\ufffd")]
    assert doc.cats == {"t\ufffd": 1.0}
    text = r'{"text": "a", "labels": ["x\ud83d"]}'
    (doc,) = converted("textcat", write(tmp_path / "b.jsonl", text))
    assert doc.cats == {"x\ufffd": 1.0}


def test_stars(tmp_path):
    text = '{"text": "Loved it", "stars": 5}\n{"text": "Meh", "stars": 3}\n'
    docs = converted("sentiment", write(tmp_path / "a.jsonl", text))
    assert [doc.cats for doc in docs] == [{"3": 0.0, "5": 1.0}, {"3": 1.0, "5": 0.0}]
    docs = converted("sentiment", tmp_path / "a.jsonl", rename={"5": "good"})
    assert [doc.cats for doc in docs] == [{"3": 0.0, "good": 1.0}, {"3": 1.0, "good": 0.0}]


def test_multitask_leaves_missing_annotation_missing(tmp_path):
    text = (
        '{"text": "Ada likes Rome.", "entities": [[0, 3, "PER"], [10, 14, "LOC"]],'
        ' "topic": "travel", "sentiment": "positive"}\n'
        '{"text": "Awful.", "sentiment": "negative"}\n'
        '{"text": "Nothing here.", "entities": []}\n'
    )
    full, mood, empty = converted("multitask", write(tmp_path / "a.jsonl", text))
    assert entities(full) == [("Ada", "PER"), ("Rome", "LOC")]
    assert full.cats == {"travel": 1.0, "positive": 1.0, "negative": 0.0}
    assert mood.cats == {"positive": 0.0, "negative": 1.0}
    assert not mood.has_annotation("ENT_IOB")
    assert empty.has_annotation("ENT_IOB")
    assert empty.cats == {}


def test_topics_are_no_sentiments(tmp_path):
    """With one name for both, the gold of one would overwrite that of the other."""
    text = (
        '{"text": "Rain.", "topic": "neutral", "sentiment": "bad"}\n'
        '{"text": "A film.", "topic": "arts", "sentiment": "neutral"}\n'
    )
    path = write(tmp_path / "a.jsonl", text)
    with pytest.raises(ValueError, match="B187.*: neutral\\."):
        convert("multitask", path, tmp_path / "out.spacy")
    text = text.replace('"topic": "neutral"', '"topic": "weather"')
    with pytest.raises(ValueError, match="B187.*: none\\."):
        names = {"neutral": "none", "weather": "none"}
        convert("multitask", write(path, text), tmp_path / "out.spacy", rename=names)
    first, second = converted("multitask", path)
    assert first.cats == {"arts": 0.0, "weather": 1.0, "bad": 1.0, "neutral": 0.0}
    assert second.cats == {"arts": 1.0, "weather": 0.0, "bad": 0.0, "neutral": 1.0}


@pytest.mark.parametrize(
    "kind, name, text, code, line",
    [
        ("ner", "a.conll", "Anna\tB-PER\nPetrov\n", "B202", 2),
        ("ner", "a.conll", "Anna\tPER\n", "B202", 1),
        ("ner", "a.conll", "Anna\tB-PER\n\tI-PER\n", "B202", 2),
        ("ner", "a.conll", " \tO\n", "B202", 1),
        ("textcat", "a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n', "B203", 2),
        ("textcat", "a.jsonl", '["a", "x"]\n', "B203", 1),
        ("textcat", "a.jsonl", '{"text": "a"}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": " ", "label": "x"}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": "a", "labels": "x"}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": "a", "label": " "}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": "a", "labels": ["x", ""]}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": "a", "labels": [" "]}\n', "B204", 1),
        ("textcat", "a.jsonl", '{"text": ' + "9" * 5000 + "}\n", "B203", 1),
        ("textcat", "a.jsonl", '{"text": ' + "[" * 99_999 + "\n", "B203", 1),
        ("textcat", "a.tsv", "no label here\n", "B204", 1),
        ("textcat", "a.csv", "1,fine\n2,a\rb\n", "B213", 2),
        ("textcat", "a.csv", "text,label\na, b,x\n", "B218", 2),
        ("textcat", "a.tsv", "label\ttext\nx\n", "B218", 2),
        ("sentiment", "a.jsonl", '{"text": "a", "stars": 6}\n', "B204", 1),
        ("sentiment", "a.jsonl", '{"text": "a", "stars": true}\n', "B204", 1),
        ("multitask", "a.jsonl", '{"text": "Ada", "entities": [[0, 2]]}\n', "B204", 1),
        ("multitask", "a.jsonl", '{"text": "Ada", "entities": [[0, 3, " "]]}\n', "B204", 1),
        ("multitask", "a.jsonl", '{"text": "Ada", "entities": [[0, 2, "PER"]]}\n', "B205", 1),
        ("multitask", "a.jsonl", '{"text": "Ada", "entities": [[0, 9, "PER"]]}\n', "B205", 1),
        (
            "multitask",
            "a.jsonl",
            f'{{"text": "Ada", "entities": [[0, {9**40}, "P"]]}}\n',
            "B205",
            1,
        ),
        (
            "multitask",
            "a.jsonl",
            '{"text": "Ada", "entities": [[0, 3, "PER"], [0, 3, "ORG"]]}\n',
            "B205",
            1,
        ),
    ],
)
def test_malformed_lines_are_named(tmp_path, kind, name, text, code, line):
    path = write(tmp_path / name, text)
    with pytest.raises(ValueError, match=rf"\[{code}\] .*{name}, line {line}"):
        convert(kind, path, tmp_path / "out.spacy")
    assert not (tmp_path / "out.spacy").exists()


@pytest.mark.parametrize("kind, name", [("ner", "a.conll"), ("textcat", "a.jsonl.gz")])
def test_empty_file_is_refused(tmp_path, kind, name):
    with pytest.raises(ValueError, match="B201"):
        convert(kind, write(tmp_path / name, "\n\n"), tmp_path / "out.spacy")


@pytest.mark.parametrize(
    "kind, text",
    [
        ("multitask", '{"text": "a", "entitys": []}\n{"text": "b"}\n'),
        ("textcat", '{"text": "a", "labels": []}\n{"text": "b", "labels": []}\n'),
    ],
)
def test_records_without_annotation_are_refused(tmp_path, kind, text):
    with pytest.raises(ValueError, match="B201"):
        convert(kind, write(tmp_path / "a.jsonl", text), tmp_path / "out.spacy")
    assert not (tmp_path / "out.spacy").exists()


def test_the_source_is_not_overwritten(tmp_path, monkeypatch):
    path = write(tmp_path / "a.conll", "Rome\tB-LOC\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="B215"):
        convert("ner", "a.conll", path)
    assert path.read_text() == "Rome\tB-LOC\n"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="B216.*--split"):
        convert("ner", tmp_path, tmp_path / "out.spacy")


def test_long_texts(tmp_path):
    path = write(tmp_path / "a.tsv", "a" * 1_000_001 + "\tx\n")
    (doc,) = converted("textcat", path)
    assert len(doc.text) == 1_000_001


def test_unusable_files_are_refused(tmp_path):
    target = tmp_path / "out.spacy"
    with pytest.raises(ValueError, match="B206"):
        convert("parsing", tmp_path / "a.jsonl", target)
    with pytest.raises(ValueError, match="B212.*'zz'"):
        convert("ner", tmp_path / "a.conll", target, lang="zz")
    with pytest.raises(ValueError, match="B200"):
        convert("ner", tmp_path / "absent.conll", target)
    with pytest.raises(ValueError, match="B209"):
        convert("textcat", write(tmp_path / "a.xlsx", ""), target)
    (tmp_path / "latin.conll").write_bytes("Orléans\tB-LOC\n".encode("latin1"))
    with pytest.raises(ValueError, match="B208"):
        convert("ner", tmp_path / "latin.conll", target)
    (tmp_path / "cut.conll.gz").write_bytes(gzip.compress(b"Rome\tB-LOC\n" * 99)[:-9])
    with pytest.raises(ValueError, match="B208"):
        convert("ner", tmp_path / "cut.conll.gz", target)


def test_find_split(tmp_path):
    (tmp_path / "ner" / "wnut17").mkdir(parents=True)
    packed = write(tmp_path / "ner" / "wnut17" / "train.conll.gz", "")
    assert find_split(tmp_path, "train", "ner/wnut17") == packed
    assert find_split(packed.parent, "train", "ner/wnut17") == packed
    assert find_split(packed, "train") == packed
    write(packed.parent / "dev.md", "")
    with pytest.raises(ValueError, match="B207"):
        find_split(packed.parent, "dev")
    with pytest.raises(ValueError, match="B200"):
        find_split(tmp_path / "absent", "dev")


@pytest.mark.parametrize("kind", ["disk is full", "killed"])
def test_a_corpus_of_before_stays_if_it_cannot_be_written(tmp_path, monkeypatch, kind):
    source = write(tmp_path / "a.conll", "Rome\tB-LOC\n")
    target = tmp_path / "train.spacy"
    convert("ner", source, target)
    before = target.read_bytes()
    is_full = kind == "disk is full"
    error = OSError(28, "No space left on device") if is_full else KeyboardInterrupt()

    def half(self, path):
        Path(path).write_bytes(self.to_bytes()[:10])
        raise error

    monkeypatch.setattr(DocBin, "to_disk", half)
    with pytest.raises(type(error), match="B330.*No space" if is_full else None):
        convert("ner", write(tmp_path / "b.conll", "Oslo\tB-LOC\n"), target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.conll", "b.conll", "train.spacy"]
