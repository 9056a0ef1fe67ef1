"""BERT for spaCy: one backbone, many heads. Components are registered by entry points; the names
below are imported when they are first used, so that `import spacy_bert_suite` costs nothing.
"""

from importlib import import_module
from typing import Any, List

from .compat import patch_transformers

__version__ = "0.1.0"

PUBLIC = {
    "AllButTheTop": "isotropy",
    "Centring": "isotropy",
    "SemanticIndex": "search",
    "Whitening": "isotropy",
    "ask": "open_domain",
    "export_checkpoint": "checkpoints",
    "import_checkpoint": "checkpoints",
    "input_embeddings": "input_embeddings",
    "install_hooks": "vectors",
    "isotropy_report": "isotropy",
    "isotropy_table": "isotropy",
    "load_correction": "isotropy",
    "make_pair_example": "pairs",
    "make_pretrain_corpus": "pretraining.corpus",
    "make_question_example": "questions",
    "make_size": "new_backbone",
    "make_tokenizer": "vocabulary",
    "paraphrase_mining": "mining",
    "score_summary": "summarization.rouge",
    "similarity_svg": "heatmap",
    "train_wordpieces": "vocabulary",
    "write_backbone": "new_backbone",
}
__all__ = [*PUBLIC]

patch_transformers()


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *PUBLIC})
