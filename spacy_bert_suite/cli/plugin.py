"""The entry point of `python -m spacy bert`; every `python -m spacy` imports it, so it is light.

It makes `python -m spacy bert` and repairs the import of spacy-transformers beside transformers 5
before spaCy loads it.
"""

import typer
from spacy.cli._util import app

from ..backbone.trf_compat import patch_transformers
from . import ABOUT

patch_transformers()


# Click commands cannot hang on a typer app directly: typer may carry a click of its own. So one
# typer command takes everything behind it as it is and hands it to the click group.
@app.command(
    "bert",
    help=ABOUT,
    add_help_option=False,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
)
def register(ctx: typer.Context) -> None:
    """Forward `python -m spacy bert ...` to the commands of this package."""
    from .main import cli

    cli.main(args=list(ctx.args), prog_name="python -m spacy bert")
