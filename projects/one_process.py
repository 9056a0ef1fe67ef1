"""`python one_process.py run WORKFLOW ...` does what `python -m spacy project run` does, but every
`python` of the workflow runs in this one process: torch is imported once, not six times.
"""

import runpy
import sys

import weasel.cli.run


def run_here(command, *, stdin=None, capture=False):
    is_module = command[1] == "-m"
    before, sys.argv = sys.argv, command[1 + is_module :]
    run = runpy.run_module if is_module else runpy.run_path
    try:
        run(sys.argv[0], run_name="__main__")
    except SystemExit as done:
        if done.code not in (None, 0):
            raise
    finally:
        sys.argv = before


if __name__ == "__main__":
    weasel.cli.run.run_command = run_here
    sys.argv = ["spacy", "project", *sys.argv[1:]]
    runpy.run_module("spacy", run_name="__main__")
