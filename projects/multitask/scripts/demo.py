"""What the trained pipeline finds in an article and in some short texts: a table, a web page,
answers, similarities and search results. Usage: demo.py MODEL ARTICLE TEXTS PAGE
"""

import sys
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_bert_suite import SemanticIndex
from spacy_bert_suite.render import render_page, table

TITLE = "The long way back of Skerrow Athletic"
QUESTIONS = ["Who was asked to take over as coach?", "How many people live in Skerrow?"]
PAIR = [
    "The storm tore the roof off the stand.",
    "The roof of the stand was torn off by a storm.",
]
QUERIES = ["a footballer is celebrated", "a bad place to stay the night"]


def main(model: str, article: str, texts: str, page: str) -> None:
    nlp = spacy.load(model)
    doc = nlp(Path(article).read_text(encoding="utf8"))
    print(table([doc]))
    Path(page).parent.mkdir(parents=True, exist_ok=True)
    Path(page).write_text(render_page([doc], title=TITLE), encoding="utf8")
    answer(nlp, doc)
    compare(*nlp.pipe(PAIR))
    search(nlp, Path(texts).read_text(encoding="utf8").splitlines())


def answer(nlp: Language, doc: Doc) -> None:
    print("Questions about the article")
    for question in QUESTIONS:
        best = nlp.get_pipe("bert_qa").answer(doc, question)
        print(f"  {question} {best.text or 'No answer.'} ({best.probability:.2f})")


def compare(one: Doc, other: Doc) -> None:
    print(f"\n{one.text}\n{other.text}")
    print(f"  similarity {one.similarity(other):.2f}, paraphrase {one._.paraphrase(other):.2f}")


def search(nlp: Language, texts: list[str]) -> None:
    index = SemanticIndex(nlp)
    index.add(texts)
    for query in QUERIES:
        print(f"\nSearch: {query}")
        for hit in index.search(query, k=2):
            print(f"  {hit.score:.2f} {hit.text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
