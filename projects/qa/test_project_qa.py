import srsly


def test_qa_project(run_project):
    root = run_project("qa", "all", steps=20, batch_size=8, epochs=0, build="none")
    scores = srsly.read_json(root / "metrics" / "dev.json")
    assert 0 <= scores["qa_em"] <= scores["qa_f1"] <= 1
    assert scores["qa_f1"] > 0.2  # as much as "no answer" to all gets
    assert (root / "packages" / "en_bert_qa-0.1.0" / "en_bert_qa").is_dir()
    text = (root / "assets" / "article.txt").read_text(encoding="utf8")
    lines = (root / "output" / "answers.tsv").read_text(encoding="utf8").splitlines()
    questions = (root / "assets" / "questions.txt").read_text(encoding="utf8").splitlines()
    assert len(lines) == len(questions) == 5
    for line, question in zip(lines, questions):
        asked, answer, probability, sentence = line.split("\t")
        assert asked == question and 0 <= float(probability) <= 1
        assert answer in text and sentence in text and bool(answer) == bool(sentence)
