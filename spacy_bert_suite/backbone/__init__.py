"""The one BERT of a pipeline: input, encoder, states, listeners, files."""

from ..core.lazy import lazy_names

PUBLIC = {
    "embedded_folder": "weights.loading",
    "get_shim": ".core.torch_shim",
    "make_pair_encoder": "passes.pairs",
}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
