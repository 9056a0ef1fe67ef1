"""BERT for spaCy: one backbone, many heads. Components are registered by entry points; the names
below are imported when they are first used, so that `import spacy_bert_suite` costs nothing.
"""

from .backbone.trf_compat import patch_transformers
from .core.lazy import lazy_names

__version__ = "0.1.0"

PUBLIC = {
    "AllButTheTop": "vectors.isotropy",
    "Centring": "vectors.isotropy",
    "SemanticIndex": "search",
    "Whitening": "vectors.isotropy",
    "ask": "tasks.qa.open_domain",
    "export_checkpoint": "checkpoints",
    "import_checkpoint": "checkpoints",
    "input_embeddings": "analysis.input_embeddings",
    "install_hooks": "vectors.hooks",
    "isotropy_report": "vectors.anisotropy",
    "isotropy_table": "vectors.anisotropy",
    "load_correction": "vectors.isotropy",
    "make_pair_example": "data.pairs",
    "make_pretrain_corpus": "tasks.pretrainer.corpus",
    "make_question_example": "data.questions",
    "make_size": "tasks.pretrainer.new_model",
    "make_tokenizer": "tasks.pretrainer.vocabulary",
    "paraphrase_mining": "vectors.mining",
    "score_summary": "tasks.summarizer.rouge",
    "similarity_svg": "render.heatmap",
    "train_wordpieces": "tasks.pretrainer.vocabulary",
    "write_backbone": "tasks.pretrainer.new_model",
}
__all__ = [*PUBLIC]

patch_transformers()


__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
