"""`bert_qa` from question answering, and as one."""

import numpy
import pytest
import torch

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import OTHERS, ROBERTA, logits_of, roberta_tokenizer


@pytest.mark.parametrize("kind", ["BertForQuestionAnswering", *OTHERS])
def test_answers_equal_the_original(make_original, tmp_path, kind):
    path = make_original(kind, **OTHERS.get(kind, {}))
    nlp = import_checkpoint(path, config={"max_answer_pieces": 7})
    pipe = nlp.get_pipe("bert_qa")
    question, text = "who works", "anna works in paris. " + "x" * 200 + " ben"
    found = pipe.model.predict([(question, text)]).logits
    exported = export_checkpoint(nlp, "bert_qa", tmp_path / "exported")
    for folder in (path, exported):
        output = logits_of(folder, "AutoModelForQuestionAnswering", question, text)
        expected = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
        assert torch.allclose(found, expected, atol=1e-5)
    again = import_checkpoint(exported).get_pipe("bert_qa")
    assert (again.null_threshold, again.max_answer_pieces) == (None, 7)
    doc = nlp.make_doc(text)
    assert again.answer(doc, question).text == pipe.answer(doc, question).text != ""


def test_answers_of_roberta(make_original, tmp_path):
    path = make_original("RobertaForQuestionAnswering", tokenizer=roberta_tokenizer(), **ROBERTA)
    nlp = import_checkpoint(path)
    pipe = nlp.get_pipe("bert_qa")
    question, text = "who works?", "Anna works in Paris, Ben near Oslo."
    found = pipe.model.predict([(question, text)]).logits
    exported = export_checkpoint(nlp, "bert_qa", tmp_path / "exported")
    for folder in (path, exported):
        output = logits_of(folder, "AutoModelForQuestionAnswering", question, text)
        expected = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
        assert torch.allclose(found, expected, atol=1e-5)
    doc = nlp.make_doc(text)
    starts, ends = found.numpy()[-1 - len(text) : -1].T  # a piece for each character
    sums = {(i, j): starts[i] + ends[j] for i in range(len(text)) for j in range(i, len(text))}
    i, j = max((pair for pair in sums if pair[1] - pair[0] < pipe.max_answer_pieces), key=sums.get)
    assert pipe.answer(doc, question).text == doc.char_span(i, j + 1, alignment_mode="expand").text


def test_long_texts_leave_room_for_both_marks(make_original):
    path = make_original("RobertaForQuestionAnswering", tokenizer=roberta_tokenizer(), **ROBERTA)
    pipe = import_checkpoint(path).get_pipe("bert_qa")
    states = pipe.model.layers[0].predict([("who?", "Anna works in Paris. " * 20)])
    lengths = numpy.diff(states.row_offsets)
    assert lengths.max() == 64 and (states.ends - states.starts == lengths - 4 - 4).all()
