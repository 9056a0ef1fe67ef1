"""The option `--processes`: one command in several processes."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import click

INTERRUPTED = 130  # what a shell expects after Ctrl-C

# The option of commands that train.
processes_option = click.option(
    "--processes",
    default=1,
    type=click.IntRange(min=1),
    show_default=True,
    help="Split each batch among this many processes on this machine.",
)


def is_for_launcher(n_processes: int) -> bool:
    """RETURNS (bool): Whether this process has to start others, and is not one of these."""
    from ..training.parallel.launch import is_launched

    return n_processes > 1 and not is_launched()


def start_processes(context: click.Context) -> None:
    """Run the command in several processes, with what it was given, until all have ended."""
    from ..training.parallel.launch import launch

    launch(context.params["processes"], arguments_of(context))


@contextmanager
def interruptible() -> Iterator[None]:
    """After Ctrl-C, end as a shell expects, without click's own message."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def arguments_of(context: click.Context) -> list[str]:
    """RETURNS (list[str]): What each process is called with: all that was given, but not how many
    there are.
    """
    given: list[str] = []
    options: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if isinstance(parameter, click.Argument):
            given += map(str, value if parameter.nargs == -1 else [value])  # type: ignore[arg-type]
        elif isinstance(parameter, click.Option) and parameter.name != "processes":
            options += option_of(parameter, value)
    command = str(context.command.name)
    return ["-m", "spacy_bert_suite", command, *given, *options, *context.args]


def option_of(option: click.Option, value: object) -> list[str]:
    """RETURNS (list[str]): The option as it is written on the command line."""
    if option.is_flag:
        return (option.opts if value else option.secondary_opts)[:1]
    return [] if value is None else [option.opts[0], str(value)]


def work_together() -> AbstractContextManager:
    """Join the other processes, if a launcher has started some; only the first one prints."""
    from ..training.parallel.launch import is_launched

    if not is_launched():
        return nullcontext()
    from ..training.parallel.processes import process_group

    return process_group()
