"""The rules of docs/architecture.md, as functions from source text to faults.

Each function takes a module's name and its parsed source, and returns one line
for each fault, so that the tests can try it on planted faults as well.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping

ROOT = pathlib.Path(__file__).parents[2]

LAYERS: tuple[dict[str, str], ...] = (
    {"flanjax": "base chips"},
    {
        "flanjax": "losses parallel distributed compilation_cache html_page",
        "flanjax.data": "task schema render fewshot mixing tokenize hf_tokenizer "
        "sentencepiece_tokenizer tokenizer_files batch chat formats catalogue objective holdout "
        "ablation",
        "flanjax.engine": "permutation bin_packing",
        "flanjax.models": "api kernels layers attention row_attention block configs positions "
        "context ends stops unrolled flash flash_blocks flash_gpu flash_tiles flash_tpu "
        "flash_softmax flash_gpu_loads flash_tpu_loads",
        "flanjax.train": "log",
        "flanjax.evaluation": "score text_metrics answer_metrics class_metrics metrics results "
        "comparison",
    },
    {
        "flanjax": "peft interop quality explore undivided",
        "flanjax.data": "local_files sources tfds_source published wordings records check sizes "
        "document",
        "flanjax.engine": "source_identity cache_key tokenized shard arena cache build staging "
        "plan row_index pack gather account pipeline peek "
        "advise advise_text advise_plot advise_page",
        "flanjax.models": "t5 decoder decode sampling beam generation families flops",
        "flanjax.train": "optim state restore opt_state frozen ema quantized_moments rounding "
        "path_rules",
        "flanjax.evaluation": "report page plot queries stop_texts",
    },
    {
        "flanjax": "rl synthesis tasks",
        "flanjax.train": "objectives step checkpoint loop",
        "flanjax.evaluation": "predict cluster converted",
    },
    {
        "flanjax": "experiment certificate model_dir model_card parts conversion opened kept_state "
        "start run answering scoring run_data run_stages run_facts model_comparison train_data "
        "data_progress token_cache cached_data length_sample foreign preflight",
        "flanjax.data": "seqio_bridge",
        "flanjax.tasks": "seqio_mixtures",
    },
    {"flanjax": "gin_values gin_statements gin_bridge gin_text"},
    {"flanjax": "cli"},
)
"""Modules and packages of each layer, from L0 up; a module imports its own or lower."""

_LAYER_OF = {
    f"{package}.{name}": level
    for level, packages in enumerate(LAYERS)
    for package, names in packages.items()
    for name in names.split()
}

NEEDS_SEQIO = ("flanjax.data.seqio_bridge.", "flanjax.tasks.seqio_mixtures")
"""What cannot be imported without the extra `seqio`."""

_TENSORFLOW = "flanjax.data.seqio_bridge flanjax.data.tfds_source flanjax.tasks.seqio_mixtures"
THIRD_PARTIES = {
    "jax": "flanjax",
    "numpy": "flanjax",
    "optax": "flanjax",
    "tensorflow": _TENSORFLOW,
    "tensorflow_datasets": _TENSORFLOW,
    "seqio": _TENSORFLOW,
    "gin": "flanjax.gin_statements",
    "flax": "flanjax.models",
    "orbax": "flanjax.train.checkpoint",
    "grain": "flanjax.engine.pipeline",
    "sentencepiece": "flanjax.data.sentencepiece_tokenizer",
    "tokenizers": "flanjax.data.hf_tokenizer",
    "msgpack": "flanjax.interop.t5x_format flanjax.interop.t5x_export",
    "ml_dtypes": "flanjax.interop",
    "tensorstore": "flanjax.interop.orbax_format flanjax.engine.staging",
    "pyarrow": "flanjax.data.sources",
    "tensorboardX": "flanjax.train.log",
    "rouge_score": "flanjax.evaluation.text_metrics",
    "sacrebleu": "flanjax.evaluation.text_metrics",
    "rapidfuzz": "flanjax.evaluation.text_metrics flanjax.data.wordings",
    "sklearn": "flanjax.evaluation.class_metrics",
    "scipy": "flanjax.evaluation.class_metrics",
    "rich": "flanjax.cli flanjax.train.log flanjax.evaluation.report flanjax.run flanjax.scoring "
    "flanjax.train_data flanjax.data_progress",
    "click": "flanjax.cli",
}
"""Third party -> the modules and packages that may import it; no other may be imported."""

FORBIDDEN_PAIRS = (
    ("flanjax.data", "jax"),
    ("flanjax.data", "flanjax.engine"),
    ("flanjax.engine", "jax"),
    ("flanjax.tasks", "jax"),
    ("flanjax.losses", "flanjax.models"),
    ("flanjax.train", "flanjax.evaluation"),
)
"""What may not import what, although the layers would let it."""

_CONTENT = "flanjax.tasks"
_MAY_IMPORT_CONTENT = ("flanjax.tasks", "flanjax.cli")
_NONEMPTY_INIT = ("flanjax.tasks.mini",)
_VAGUE_NAMES = ("utils", "util", "common", "helpers", "helper", "misc")
_MAX_FILE_LINES = 400
_MAX_FUNCTION_LINES = 60
_MAX_NESTING = 3
_MAX_SUMMARY = 80
_UNSAFE_MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve")
_UNSAFE_CALLS = ("eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load")
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def python_files() -> Iterator[tuple[str, pathlib.Path]]:
    """Yields (module name, file) of the package, its tasks by their installed name."""
    for folder, prefix in (("flanjax", "flanjax"), ("tasks", _CONTENT)):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "flanjax" and parts[0] == "tasks":
                continue
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            yield ".".join((prefix, *parts)), path


def within(module: str, places: Iterable[str]) -> bool:
    """Returns whether a module is one of the places or lies in one."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


def imports(tree: ast.AST, modules: Collection[str]) -> list[tuple[str, int]]:
    """Returns (module, line) of each import, wherever in the file it stands.

    `from package import name` counts as package.name where that is a module.
    """
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = [f"{base}.{alias.name}" for alias in node.names]
            found += [(name if name in modules else base, node.lineno) for name in names]
    return sorted(set(found), key=lambda entry: (entry[1], entry[0]))


def layer(module: str) -> int | None:
    """Returns a module's layer, None where it or its package has none."""
    name = module
    while name not in _LAYER_OF:
        name, _, _ = name.rpartition(".")
        if not name:
            return None
    return _LAYER_OF[name]


def import_faults(module: str, tree: ast.AST, modules: Collection[str]) -> list[str]:
    """Returns the imports that the house forbids to a module."""
    faults = []
    for target, line in imports(tree, modules):
        where = f"{module}:{line} imports {target}"
        root = target.partition(".")[0]
        if not root:
            faults.append(f"{where}: relative")
        elif root == "tasks":
            faults.append(f"{where}: content is flanjax.tasks")
        elif root == "flanjax":
            faults += [f"{where}: {fault}" for fault in _house_faults(module, target)]
        elif not (root in sys.stdlib_module_names or within(module, _allowed(root))):
            faults.append(f"{where}: only {' '.join(_allowed(root)) or 'nobody'} may")
        for source, forbidden in FORBIDDEN_PAIRS:
            if within(module, [source]) and within(target, [forbidden]):
                faults.append(f"{where}: {source} never imports {forbidden}")
    return faults


def _allowed(third_party: str) -> list[str]:
    return THIRD_PARTIES.get(third_party, "").split()


def _house_faults(module: str, target: str) -> list[str]:
    faults = []
    if within(target, [_CONTENT]) and not within(module, _MAY_IMPORT_CONTENT):
        faults.append("the command passes the catalogue in")
    own, other = layer(module), layer(target)
    # Packages have no layer of their own: their __init__ files are empty.
    if own is not None and other is not None and other > own:
        faults.append(f"L{own} may not reach up to L{other}")
    return faults


def cycle(graph: Mapping[str, Collection[str]]) -> list[str] | None:
    """Returns one cycle of a graph as its nodes, the first repeated last, or None."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for target in sorted(graph.get(node, ())):
            if found := visit(target, [*path, node]):
                return found
        done.add(node)
        return None

    for start in sorted(graph):
        if found := visit(start, []):
            return found
    return None


def file_faults(module: str, path: pathlib.PurePath, source: str) -> list[str]:
    """Returns what is wrong with a file's name, size or emptiness."""
    faults = []
    lines = len(source.splitlines())
    if path.stem in _VAGUE_NAMES or path.parent.name in _VAGUE_NAMES:
        faults.append(f"{path}: the name must say the concept")
    if lines > _MAX_FILE_LINES:
        faults.append(f"{path}: {lines} lines, at most {_MAX_FILE_LINES}")
    if path.name == "__init__.py" and source.strip() and module not in _NONEMPTY_INIT:
        faults.append(f"{path}: must be empty")
    return faults


def code_faults(module: str, tree: ast.AST) -> list[str]:
    """Returns functions too long or too deep, long summaries and unsafe calls."""
    faults = []
    for node in ast.walk(tree):
        where = f"{module}:{getattr(node, 'lineno', 1)}"
        faults += [f"{where}: {fault}" for fault in _unsafe(node)]
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
            continue
        summary = (ast.get_docstring(node) or "").partition("\n")[0]
        if len(summary) > _MAX_SUMMARY:
            faults.append(f"{where}: summary of {len(summary)} characters")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > _MAX_FUNCTION_LINES:
                faults.append(f"{where}: {node.name} has {length} lines")
            if _nesting(node.body) > _MAX_NESTING:
                faults.append(f"{where}: {node.name} nests {_nesting(node.body)} deep")
    return faults


def _nesting(body: Iterable[ast.AST]) -> int:
    """Returns how deep blocks stand in blocks; elif is as deep as its if."""
    deepest = 0
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        children = list(ast.iter_child_nodes(node))
        if (
            isinstance(node, ast.If)
            and len(node.orelse) == 1
            and isinstance(node.orelse[0], ast.If)
        ):
            deepest = max(deepest, _nesting(node.orelse))
            children.remove(node.orelse[0])
        deepest = max(deepest, isinstance(node, _BLOCKS) + _nesting(children))
    return deepest


def _unsafe(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        roots = [name.partition(".")[0] for name, _ in imports(node, ())]
        return [f"imports {root}" for root in roots if root in _UNSAFE_MODULES]
    if not isinstance(node, ast.Call):
        return []
    faults = [f"calls {ast.unparse(node.func)}"] * (ast.unparse(node.func) in _UNSAFE_CALLS)
    for keyword in node.keywords:
        true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        if true and keyword.arg in ("shell", "allow_pickle"):
            faults.append(f"passes {keyword.arg}=True")
    return faults
