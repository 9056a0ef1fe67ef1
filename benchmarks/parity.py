"""Hidden states of the backbone beside those of plain `BertModel`, on the same wordpieces of real
texts: single texts, pairs, and a long document window by window; both in fp32, ours in bf16 beside
fp32, and both in bf16.
"""

import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy
import spacy
from common import (
    TASKS,
    append_json,
    environment,
    news_passages,
    read_rows,
    torch,
    weights_folder,
)
from paraphrase import read_rows as read_pairs
from transformers import AutoTokenizer, BertModel

from spacy_bert_suite.backbone.model import BertModel as OurBertModel
from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.backbone.passes.pairs import PairEncoder

RESULTS = Path(__file__).parent / "results" / "parity.jsonl"
WINDOW, STRIDE = 512, 384
LONG = 3000  # wordpieces
Compared = Iterator[tuple[torch.Tensor, torch.Tensor]]


class Peer(NamedTuple):
    tokenizer: Any
    model: Any

    def states(self, ids: list[int], types: Any = None) -> torch.Tensor:
        """RETURNS (Tensor): Hidden states of one window, (n_pieces, width)."""
        types = None if types is None else torch.tensor([types])
        with torch.no_grad():
            return self.model(torch.tensor([ids]), token_type_ids=types).last_hidden_state[0]


def texts(model: Any, peer: Peer, passages: list[str]) -> Compared:
    nlp = spacy.blank("en")
    states = model.predict([nlp.make_doc(text) for text in passages])
    for i, text in enumerate(passages):
        doc = states.select([i])
        yield torch.cat([doc.cls, doc.pieces, doc.sep]), peer.states(peer.tokenizer(text).input_ids)


def pairs(model: Any, peer: Peer, rows: list[tuple[str, str]]) -> Compared:
    encoder = PairEncoder("bert")
    encoder.bind(model, "parity", True)
    states = encoder.predict(rows)
    for i, row in enumerate(rows):
        encoded = peer.tokenizer(*row)
        found = states.hidden[slice(*states.row_offsets[i : i + 2])]
        yield found, peer.states(encoded.input_ids, encoded.token_type_ids)


def long_document(model: Any, peer: Peer, text: str) -> Compared:
    """Every wordpiece of the text, in the window whose state is kept for it."""
    ids = peer.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    states = model.predict([spacy.blank("en").make_doc(text)])
    layout, n_inner = states.layout, WINDOW - 2
    assert layout.n_pieces == len(ids) > LONG
    for i, (first, end) in enumerate(zip(layout.kept_starts, layout.kept_ends)):
        start = min(i * STRIDE, len(ids) - n_inner)
        window = ids[start : start + n_inner]
        expected = peer.states([peer.tokenizer.cls_token_id, *window, peer.tokenizer.sep_token_id])
        kept = numpy.arange(first, end)
        yield states.pieces[kept], expected[1 + kept - start]
    assert sum(layout.kept_ends - layout.kept_starts) == len(ids)


def measure(compared: Compared) -> dict[str, float]:
    """RETURNS (dict[str, float]): How many states, the largest difference of a value, the least
    cosine of a state, and how many have one below 0.999.
    """
    found, expected = (torch.cat(parts).float() for parts in zip(*compared))
    cosine = torch.nn.functional.cosine_similarity(found, expected, dim=1)
    return {
        "states": len(found),
        "difference": float((found - expected).abs().max()),
        "cosine": float(cosine.min()),
        "below 0.999": int((cosine < 0.999).sum()),
    }


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--n", default=300, show_default=True, help="Texts of each kind.")
@click.option("--threads", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
def main(data, n, threads, out) -> None:
    torch.set_num_threads(threads)
    folder = weights_folder()
    exact = Peer(AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval())
    rough = exact._replace(model=copy.deepcopy(exact.model).to(torch.bfloat16))
    news = news_passages(data, n)
    tweets = [" ".join(row[0]) for row in read_rows(data, TASKS["wnut17"], "train", n)]
    couples = [(row["text1"], row["text2"]) for row in read_pairs(data, "mrpc", "dev")[:n]]
    parts = {
        "news": partial(texts, passages=news),
        "tweets": partial(texts, passages=tweets),
        "pairs": partial(pairs, rows=couples),
        "long document": partial(long_document, text=" ".join(news)),
    }
    for precision, theirs, peer in [
        ("fp32", "fp32", exact),
        ("bf16", "fp32", exact),
        ("bf16", "bf16", rough),
    ]:
        model = OurBertModel(precision=precision, window=WINDOW, stride=STRIDE)
        get_backbone(model)
        for name, part in parts.items():
            record = {"texts": name, "ours": precision, "theirs": theirs}
            record.update(measure(part(model, peer)))
            append_json(out, {**record, **environment()})
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
