"""The command `train`."""

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import CodedError, CodedOSError, Errors
from .group import PATH, cli
from .processes import (
    interruptible,
    is_for_launcher,
    processes_option,
    start_processes,
    work_together,
)


@cli.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("config_path", metavar="CONFIG", type=PATH)
@click.option("--output", "--output-path", "-o", type=PATH, help="Folder for all output.")
@click.option("--code", "-c", type=PATH, help="A Python file with registered functions.")
@click.option("--verbose", "-V", is_flag=True, help="Print more, for debugging.")
@click.option("--gpu-id", "-g", default=-1, show_default=True, help="A GPU, or -1 for the CPU.")
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint in the folder.")
@click.option(
    "--checkpoint-every",
    default=0,
    show_default=True,
    metavar="STEPS",
    help="Write a checkpoint every so many updates; 0 writes one at every evaluation.",
)
@processes_option
@click.option("--keep", default=2, show_default=True, help="Number of checkpoints to keep.")
@click.pass_context
def train(
    context: click.Context,
    config_path: Path,
    output: Path | None,
    code: Path | None,
    verbose: bool,
    gpu_id: int,
    resume: bool,
    checkpoint_every: int,
    processes: int,
    keep: int,
) -> None:
    """Train as 'spacy train' does, with checkpoints from which a killed run can be resumed.

    CONFIG is a config as for 'spacy train', and values in it are overridden in the same way:
    --training.max_steps 100. Ctrl-C writes a checkpoint after the current step.
    """
    from spacy.cli._util import import_code, parse_config_overrides

    if verbose:
        from spacy.util import logger

        logger.setLevel("DEBUG")
    overrides = parse_config_overrides(list(context.args))
    options: Any = {"resume": resume, "checkpoint_every": checkpoint_every, "keep": keep}
    try:
        if is_for_launcher(processes):
            with interruptible():
                start_processes(context)
            return
        import_code(code)
        with interruptible(), work_together():
            train_config(config_path, output, use_gpu=gpu_id, overrides=overrides, **options)
    except (ValueError, OSError) as error:
        if not isinstance(error, CodedError):
            raise  # from a corpus, a component or a callback: it takes the traceback to find it
        raise click.ClickException(str(error)) from error


def train_config(
    config_path: Path,
    output_path: Path | None = None,
    *,
    use_gpu: int = -1,
    overrides: Any = None,
    **options: Any,
) -> None:
    """Initialize a pipeline from a config and train it: `spacy.cli.train.train`, with our loop.

    options: Of `training.loop.train`.
    """
    from spacy.cli._util import setup_gpu, show_validation_error
    from spacy.training.initialize import init_nlp
    from spacy.util import load_config
    from wasabi import msg

    from ..training.loop import train

    if str(config_path) != "-" and not config_path.exists():
        msg.fail("Config file not found", config_path, exits=1)
    prepare_folder(output_path)
    setup_gpu(use_gpu)
    with show_validation_error(config_path):
        config = load_config(config_path, overrides=overrides or {}, interpolate=False)
    msg.divider("Initializing pipeline")
    with show_validation_error(config_path, hint_fill=False):
        nlp = init_nlp(config, use_gpu=use_gpu)
    msg.good("Initialized pipeline")
    msg.divider("Training pipeline")
    train(nlp, output_path, use_gpu=use_gpu, stdout=sys.stdout, stderr=sys.stderr, **options)


def prepare_folder(output_path: Path | None) -> None:
    from wasabi import msg

    if output_path is None:
        msg.info("No output directory provided")
        return
    if not output_path.exists():
        try:
            output_path.mkdir(parents=True)
        except OSError as error:
            raise CodedOSError(Errors.B177.format(path=output_path, reason=error)) from error
        msg.good(f"Created output directory: {output_path}")
    msg.info(f"Saving to output directory: {output_path}")
