"""BERT for spaCy: one backbone, many heads. Components are registered by entry points; the names
below are imported when they are first used, so that `import spacy_bert_suite` costs nothing.
"""

from typing import TYPE_CHECKING

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
    "register_extensions": "tasks.registry",
    "score_summary": "tasks.summarizer.rouge",
    "similarity_svg": "render.heatmap",
    "train_wordpieces": "tasks.pretrainer.vocabulary",
    "write_backbone": "tasks.pretrainer.new_model",
}
__all__ = [
    "AllButTheTop",
    "Centring",
    "SemanticIndex",
    "Whitening",
    "ask",
    "export_checkpoint",
    "import_checkpoint",
    "input_embeddings",
    "install_hooks",
    "isotropy_report",
    "isotropy_table",
    "load_correction",
    "make_pair_example",
    "make_pretrain_corpus",
    "make_question_example",
    "make_size",
    "make_tokenizer",
    "paraphrase_mining",
    "register_extensions",
    "score_summary",
    "similarity_svg",
    "train_wordpieces",
    "write_backbone",
]

if TYPE_CHECKING:  # for editors and type checkers
    from .analysis.input_embeddings import input_embeddings
    from .checkpoints import export_checkpoint, import_checkpoint
    from .data.pairs import make_pair_example
    from .data.questions import make_question_example
    from .render.heatmap import similarity_svg
    from .search import SemanticIndex
    from .tasks.pretrainer.corpus import make_pretrain_corpus
    from .tasks.pretrainer.new_model import make_size, write_backbone
    from .tasks.pretrainer.vocabulary import make_tokenizer, train_wordpieces
    from .tasks.qa.open_domain import ask
    from .tasks.registry import register_extensions
    from .tasks.summarizer.rouge import score_summary
    from .vectors.anisotropy import isotropy_report, isotropy_table
    from .vectors.hooks import install_hooks
    from .vectors.isotropy import AllButTheTop, Centring, Whitening, load_correction
    from .vectors.mining import paraphrase_mining

patch_transformers()

__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
