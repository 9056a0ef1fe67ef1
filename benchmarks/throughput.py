"""Words per second of pipelines with three heads, or with document vectors as a fourth output
(`--vectors`), over news texts, next to the bare forward pass.

All systems share the weights and the texts, and are measured turn by turn in rounds. The bare
forward gets its texts already cut into wordpieces and sorted by length; every other system starts
from strings. Entity heads get a few training steps first, so that they predict about as many
entities as a real model does; the other heads are as initialised, which does not change the speed.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import click
import pipelines
import spacy
import trainer
from common import (
    N_THREADS,
    TASKS,
    append_json,
    count_words,
    environment,
    interleave,
    news_passages,
    read_rows,
    set_seed,
    shuffled_batches,
    speed_table,
    task_labels,
    torch,
    weights_folder,
)
from spacy.language import Language
from transformers import AutoTokenizer, BertConfig, BertModel, pipeline
from transformers.utils import logging

RESULTS = Path(__file__).parent / "results" / "throughput.jsonl"
N_SAMPLE = 1600  # rows of each task to initialise the heads from
NLP_BATCH = 128
VECTORS = "vectors"  # the fourth output
# How the bare forward is batched: as most would, and as suits the cache of a CPU.
BARE_BATCHES = {"batches of 32": 1 << 30, "<= 1024 pieces": 1024, "<= 2048 pieces": 2048}
Run = Callable[[], Any]


def bare_forward(
    texts: Sequence[str], weights: str, device: str, precision: str, max_pieces: int
) -> Run:
    """The ceiling: only the forward pass, over batches of 32 or fewer texts sorted by length.

    precision (str): "fp32", "bf16-autocast" or "bf16-weights".
    max_pieces (int): Most padded wordpieces in a batch. A CPU's cache likes small batches.
    """
    model = BertModel.from_pretrained(weights, add_pooling_layer=False).eval().to(device)
    if precision == "bf16-weights":
        model = model.bfloat16()
    batches = padded_batches(texts, weights, device, max_pieces)
    autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-autocast")

    def run() -> None:
        with torch.inference_mode(), autocast:
            for batch in batches:
                model(**batch)

    return run


def padded_batches(
    texts: Sequence[str], weights: str, device: str, max_pieces: int
) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(weights)
    ids = sorted(tokenizer(list(texts), truncation=True, max_length=512)["input_ids"], key=len)
    batches = []
    while ids:
        size = min(32, max(1, max_pieces // len(ids[-1])))
        chunk, ids = ids[-size:], ids[:-size]
        batch = tokenizer.pad({"input_ids": chunk}, return_tensors="pt")
        if len(chunk[0]) == len(chunk[-1]):
            del batch["attention_mask"]
        batches.append({key: value.to(device) for key, value in batch.items()})
    return batches


def pipe(nlp: Language, texts: Sequence[str]) -> Run:
    def run() -> None:
        for _ in nlp.pipe(texts, batch_size=NLP_BATCH):
            pass

    return run


def ready(nlp: Language, data: Path, steps: int) -> Language:
    """Initialise the heads of a pipeline and train its entity head a little."""
    rows = {name: read_rows(data, task, "train", N_SAMPLE) for name, task in TASKS.items()}
    labels = {name: task_labels(r) for name, r in rows.items()}
    examples = {n: pipelines.make_examples(nlp, TASKS[n], rows[n], labels[n]) for n in TASKS}
    names = {**labels, **{TASKS[n].head: labels[n] for n in TASKS}}
    pipes = {n: names[n] for n in nlp.pipe_names if n in names and n != "wnut17"}
    pipelines.initialize(nlp, [eg for part in examples.values() for eg in part], pipes)
    batches = list(shuffled_batches(examples["wnut17"], 100, 0))[:steps]
    pipelines.train(nlp, batches, pipelines.make_optimizer(steps))
    return nlp


def hugging_face(texts: Sequence[str], models: dict[str, Any], weights: str, device: str) -> Run:
    """Hugging Face pipelines one after the other, as a user would write it."""
    tokenizer = AutoTokenizer.from_pretrained(weights)
    calls = []
    for name, model in models.items():
        options: dict[str, Any] = {"task": "text-classification", "truncation": True}
        if name == VECTORS:
            options = {"task": "feature-extraction", "truncation": True, "return_tensors": True}
        elif TASKS[name].kind == "ner":
            options = {"task": "token-classification", "aggregation_strategy": "simple"}
        options.update(device=device, batch_size=32, torch_dtype=model.dtype)
        calls.append(pipeline(model=model, tokenizer=tokenizer, **options))

    def run() -> list[Any]:
        return [call(list(texts)) for call in calls]

    return run


def hugging_face_models(
    weights: str, data: Path, steps: int, vectors: bool = False
) -> dict[str, Any]:
    """RETURNS (dict[str, PreTrainedModel]): One model with its standard head for every task."""
    models = {}
    for name, task in TASKS.items():
        rows = read_rows(data, task, "train", N_SAMPLE)
        made = trainer.make_trainer(task, rows, task_labels(rows), weights, max_steps=steps)
        if task.kind == "ner" and steps:
            made.train()
        models[name] = made.model.eval()
    if vectors:
        models[VECTORS] = BertModel.from_pretrained(weights).eval()
    return models


def count_entities(nlp: Language, texts: Sequence[str]) -> int:
    return sum(len(doc.ents) for doc in nlp.pipe(texts, batch_size=NLP_BATCH))


def random_base(folder: str) -> str:
    """Save a randomly initialised BERT of the size of BERT-base and the embedded vocabulary."""
    BertModel(BertConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights_folder()).save_pretrained(folder)
    return folder


def profile(nlp: Language, texts: Sequence[str]) -> str:
    """RETURNS (str): A markdown table of where the time of our pipeline goes."""
    spent: dict[str, float] = defaultdict(float)
    handles = time_forward(spent)
    for start in range(0, len(texts), NLP_BATCH):
        begin = time.perf_counter()
        docs = [nlp.make_doc(text) for text in texts[start : start + NLP_BATCH]]
        spent["make_doc"] += time.perf_counter() - begin
        for name in nlp.pipe_names:
            component: Any = nlp.get_pipe(name)
            begin = time.perf_counter()
            predictions = component.predict(docs)
            middle = time.perf_counter()
            component.set_annotations(docs, predictions)
            spent[f"{name}: predict"] += middle - begin
            spent[f"{name}: set_annotations"] += time.perf_counter() - middle
    for handle in handles:
        handle.remove()
    spent["bert: predict, all but the forward"] = spent.pop("bert: predict") - spent["forward"]
    total = sum(spent.values())
    rows = sorted(spent.items(), key=lambda item: -item[1])
    lines = [f"| {name} | {value:.3f} | {value / total:.1%} |" for name, value in rows]
    return "\n".join(["| stage | seconds | share |", "|---|---:|---:|", *lines])


def time_forward(spent: dict[str, float]) -> list[Any]:
    """Add up the time inside `BertModel.forward`. On a GPU it waits for the end of every pass."""
    began = []

    def before(module: torch.nn.Module, args: Any) -> None:
        if isinstance(module, BertModel):
            began.append(time.perf_counter())

    def after(module: torch.nn.Module, args: Any, output: Any) -> None:
        if isinstance(module, BertModel):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent["forward"] += time.perf_counter() - began.pop()

    hooks = torch.nn.modules.module
    return [
        hooks.register_module_forward_pre_hook(before),
        hooks.register_module_forward_hook(after, always_call=True),
    ]


def make_systems(
    wanted: Sequence[str],
    texts: list[str],
    weights: str,
    data: Path,
    device: str,
    steps: int,
    vectors: bool,
) -> dict[str, Run]:
    tasks = list(TASKS.values())
    systems: dict[str, Run] = {}
    if "bare" in wanted:
        for precision in ("bf16-autocast", "bf16-weights", "fp32"):
            for name, pieces in BARE_BATCHES.items():
                run = bare_forward(texts, weights, device, precision, pieces)
                systems[f"bare forward {precision}, {name}"] = run
    if "ours" in wanted:
        nlp = pipelines.our_pipeline(tasks, weights, device=device)
        if vectors:
            nlp.add_pipe("bert_similarity", config={"token_vectors": False})
        nlp = ready(nlp, data, steps)
        print(f"ours: {count_entities(nlp, texts)} entities")
        systems["ours"] = pipe(nlp, texts)
    if "stock" in wanted:
        if device == "cuda":
            spacy.require_gpu()
        nlp = pipelines.stock_pipeline(tasks, weights, multilabel=["sst2"])
        nlp = ready(nlp, data, steps)
        print(f"stock: {count_entities(nlp, texts)} entities")
        systems["stock spacy-transformers"] = pipe(nlp, texts)
    if "hf" in wanted:
        models = hugging_face_models(weights, data, steps, vectors)
        halves = {name: deepcopy(model).bfloat16() for name, model in models.items()}
        for precision, chosen in (("fp32", models), ("bf16", halves)):
            run = hugging_face(texts, chosen, weights, device)
            systems[f"{len(models)} Hugging Face pipelines {precision}"] = run
    return systems


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--texts", "n_texts", default=512, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=100, show_default=True, help="Training steps of entity heads")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--random-base", "use_base", is_flag=True, help="Random weights, BERT-base sizes")
@click.option("--system", "wanted", multiple=True, default=("bare", "ours", "stock", "hf"))
@click.option("--vectors", is_flag=True, help="Document vectors as a fourth output")
@click.option("--profile", "profiled", is_flag=True, help="Only show where our time goes")
def main(
    data: Path,
    out: Path,
    n_texts: int,
    rounds: int,
    steps: int,
    device: str,
    use_base: bool,
    wanted: Sequence[str],
    vectors: bool,
    profiled: bool,
) -> None:
    logging.set_verbosity_error()
    torch.set_num_threads(N_THREADS)
    set_seed(0)
    texts = news_passages(data, n_texts)
    n_words = count_words(texts)
    print(f"{n_texts} texts, {n_words} words")
    with tempfile.TemporaryDirectory() as folder:
        weights = random_base(folder) if use_base else weights_folder()
        if profiled:
            nlp = pipelines.our_pipeline(list(TASKS.values()), weights, device=device)
            nlp = ready(nlp, data, steps)
            profile(nlp, texts)
            print(profile(nlp, texts))
            return
        systems = make_systems(wanted, texts, weights, data, device, steps, vectors)
        interleave(systems, 1, n_words)  # warm-up, not counted
        speeds = interleave(systems, rounds, n_words)
    append_json(out, {"words": n_words, "words_per_second": speeds, **environment()})
    print(speed_table(speeds, "words/s", "ours" if "ours" in speeds else next(iter(speeds))))


if __name__ == "__main__":
    main()
