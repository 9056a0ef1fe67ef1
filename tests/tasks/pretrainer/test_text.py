"""Reading: files, documents, sentences; memory that does not grow."""

import gzip

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from tasks.pretrainer.corpora import make_documents, write_json, write_text

from spacy_bert_suite.tasks.pretrainer import sentences, text
from spacy_bert_suite.tasks.pretrainer.sentences import make_splitter
from spacy_bert_suite.tasks.pretrainer.text import Tokens, find_files, read_documents, shuffled

DOCUMENTS = [["One. Two.", "Three."], ["Four."], ["Five six.", "Seven."]]


def paragraphs(path):
    files = find_files(path)
    return [document.paragraphs for document in read_documents(files, range(len(files)))]


@pytest.fixture
def splitter():
    return make_splitter(spacy.blank("en"), "sentencizer")


def split(splitter, path):
    files = find_files(path)
    documents = read_documents(files, range(len(files)))
    return [[" ".join(s.words) for s in splitter(document)] for document in documents]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_blank_lines_end_documents(tmp_path, name):
    assert paragraphs(write_text(tmp_path / name, DOCUMENTS)) == DOCUMENTS


def test_blank_lines_may_repeat_and_hold_spaces(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n One \r\n \t \n\nTwo\nThree\n\n\n", encoding="utf8")
    assert paragraphs(tmp_path / "a.txt") == [["One"], ["Two", "Three"]]


def test_json_records_are_documents(tmp_path):
    assert paragraphs(write_json(tmp_path / "a.jsonl", DOCUMENTS)) == DOCUMENTS
    (tmp_path / "a.jsonl").write_text('{"text": "One"}\n{"texts": "Two"}')
    with pytest.raises(ValueError, match="B204.*line 2"):
        paragraphs(tmp_path / "a.jsonl")


def test_blank_records_are_passed_over(tmp_path):
    """As blank lines and empty Docs are."""
    lines = ['{"text": "One"}', '{"text": ""}', "", '{"text": " \\n\\t"}', '{"text": "Two"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert paragraphs(tmp_path / "a.jsonl") == [["One"], ["Two"]]
    for record in ("{}", '{"text": null}', '{"text": 3}'):
        (tmp_path / "a.jsonl").write_text(record)
        with pytest.raises(ValueError, match="B204.*line 1"):
            paragraphs(tmp_path / "a.jsonl")


def test_docs_keep_their_sentences(tmp_path, splitter):
    vocab = spacy.blank("en").vocab
    words = ["A", "b", ".", "c", "d"]
    one = Doc(vocab, words=words, sent_starts=[True, False, False, False, True])
    two = Doc(vocab, words=words)  # nobody has said where its sentences begin
    DocBin(docs=[one, Doc(vocab), two]).to_disk(tmp_path / "a.spacy")
    assert split(splitter, tmp_path / "a.spacy") == [["A b . c", "d"], ["A b .", "c d"]]


def test_damaged_docs(tmp_path):
    (tmp_path / "a.spacy").write_bytes(b"no DocBin")
    with pytest.raises(ValueError, match="B151"):
        paragraphs(tmp_path / "a.spacy")


def test_folder_and_list_of_files(tmp_path):
    (tmp_path / "in").mkdir()
    write_text(tmp_path / "b.txt", DOCUMENTS[:1])
    write_text(tmp_path / "in" / "a.txt.gz", DOCUMENTS[1:])
    (tmp_path / "notes.md").write_text("not this")
    assert paragraphs(tmp_path) == DOCUMENTS
    both = [str(tmp_path / "in"), tmp_path / "b.txt"]
    assert paragraphs(both) == DOCUMENTS[1:] + DOCUMENTS[:1]


def test_files_by_name_without_suffix(tmp_path):
    for name in ("train.txt.gz", "train.md", "training.txt", "dev.jsonl"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files(tmp_path / "train")] == ["train.txt.gz"]
    assert [path.name for path in find_files(tmp_path / "dev")] == ["dev.jsonl"]


@pytest.mark.parametrize("name, code", [("missing.txt", "B200"), ("a.md", "B209"), ("in", "B150")])
def test_nothing_to_read(tmp_path, name, code):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.md").write_text("text")
    with pytest.raises(ValueError, match=code):
        find_files(tmp_path / name)


def test_cut_short_or_not_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="B208"):
        paragraphs(tmp_path / "a.txt")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"word " * 1000)[:-20])
    with pytest.raises(ValueError, match="B208"):
        paragraphs(tmp_path / "a.txt.gz")


def test_long_documents_come_in_parts(tmp_path, monkeypatch):
    """Nothing is lost, and the parts know that they belong together."""
    monkeypatch.setattr(text, "LONGEST_PART", 100)
    lines = ["word " * 8 + str(i) for i in range(20)]
    path = write_text(tmp_path / "a.txt", [lines, ["x" * 250, "last"]])
    documents = list(read_documents([path], [0]))
    assert all(document.size < 200 for document in documents)
    first = [p for d in documents if d.key == (0, 0) for p in d.paragraphs]
    second = [p for d in documents if d.key == (0, 1) for p in d.paragraphs]
    assert first == lines and "".join(second) == "x" * 250 + "last"
    assert len(documents) > 8


def test_long_lines_are_cut_at_spaces(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LONGEST_PART", 50)
    path = write_text(tmp_path / "a.txt", [["some words " * 40]])
    parts = [p for d in read_documents([path], [0]) for p in d.paragraphs]
    assert max(map(len, parts)) <= 50 and " ".join(parts).split() == ["some", "words"] * 40


def test_files_are_not_read_ahead(tmp_path):
    """A stream: the first document is there before the rest of the file is looked at."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"One.\n\n" + b"Two.\n\n" * 20_000 + b"\xff\xfe")
    assert next(read_documents([path], [0])).paragraphs == ["One."]


def test_shuffled_is_a_permutation_within_reach():
    rng = numpy.random.default_rng(0)
    items = list(range(1000))
    mixed = list(shuffled(items, 50, rng))
    assert sorted(mixed) == items and mixed != items
    assert all(item <= place + 50 for place, item in enumerate(mixed))
    assert list(shuffled(items, 50, numpy.random.default_rng(0))) == mixed
    assert list(shuffled(items, 0, rng)) == items


def test_tokens_are_those_of_the_pipeline(tmp_path):
    nlp = spacy.blank("en")
    nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])
    line = "Don't gimme it, Ms. Li (3.5km)! See http://a.org/b."
    found = split(make_splitter(nlp, "lines"), write_text(tmp_path / "a.txt", [[line]]))
    assert found == [[" ".join(token.text for token in nlp.make_doc(line))]]


def test_sentences_of_spacy(tmp_path, splitter):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    lines = ["Anna met Ben. Was it good? Yes", "A new line. Here"]
    expected = [" ".join(t.text for t in sent) for line in lines for sent in nlp(line).sents]
    assert split(splitter, write_text(tmp_path / "a.txt", [lines])) == [expected]
    assert len(expected) == 5


def test_sentences_from_elsewhere(tmp_path):
    path = write_text(tmp_path / "a.txt", [["One. Two; three.", "Four; five."]])
    nlp = spacy.blank("en")
    lines = split(make_splitter(nlp, "lines"), path)
    assert lines == [["One . Two ; three .", "Four ; five ."]]
    nlp.add_pipe("sentencizer", name="semicolons", config={"punct_chars": [";"]})
    expected = [["One . Two ;", "three .", "Four ;", "five ."]]
    assert split(make_splitter(nlp, "semicolons"), path) == expected
    nlp.to_disk(tmp_path / "pipeline")
    other = make_splitter(spacy.blank("en"), str(tmp_path / "pipeline"))
    assert split(other, path) == expected
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match="B152"):
        split(make_splitter(nlp, str(tmp_path / "blank")), path)
    with pytest.raises(ValueError, match="B214"):
        split(make_splitter(nlp, "no_such_pipeline"), path)


def test_vocabulary_does_not_grow(tmp_path, monkeypatch):
    """The pipeline's own stays as it is, and that of the splitter begins anew."""
    monkeypatch.setattr(sentences, "MOST_WORDS", 2000)
    nlp = spacy.blank("en")
    splitter = make_splitter(nlp, "sentencizer")
    before = len(nlp.vocab), len(nlp.vocab.strings)
    path = write_text(tmp_path / "a.txt", [[f"w{i} v{i} u{i}." for i in range(j, j + 100)]
                                           for j in range(0, 5000, 100)])  # fmt: skip
    sizes = []
    for document in read_documents([path], [0]):
        list(splitter(document))
        sizes.append(len(splitter.light.vocab))
    assert (len(nlp.vocab), len(nlp.vocab.strings)) == before
    assert 2000 < max(sizes) < 4000


def test_tokens_without_sentences_are_one():
    found = sentences.sentences_of(Tokens(["a", "b"], [True, False], [False, False]))
    assert [s.words for s in found] == [["a", "b"]] and found[0].spaces == [True, True]
    assert make_documents(3) == make_documents(3)
