"""What a run trains on: cached once, as far as it draws, or refused by name."""

import dataclasses
import json
import shutil

import pytest

from flanjax.data.catalogue import Mixture
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine import staging
from flanjax.engine.account import Account
from flanjax.engine.cache import CacheConfig
from flanjax.engine.pipeline import PackedBatches
from flanjax.experiment import DataConfig, Experiment, from_plain, to_plain
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.loop import TrainConfig
from flanjax.train_data import check_resumable, prepare_train_data

T5 = T5Config(
    vocab_size=384, d_model=8, d_ff=8, num_heads=1, d_head=8,
    num_encoder_layers=1, num_decoder_layers=1,
)  # fmt: skip
DECODER = DecoderConfig(
    vocab_size=384, d_model=8, d_ff=8, num_heads=1, num_kv_heads=1, d_head=8, num_layers=1
)
TASKS = tuple(CATALOGUE.task(name) for name in ("mini_objects", "mini_people"))
MIXTURE = Mixture("people", TASKS, max_examples=50)
WORDS = Task(
    name="words",
    version=1,
    source=Jsonl(files={"train": "words.jsonl"}, public="https://example.org/words"),
    to_fields=lambda record: {"text": record["text"], "answer": record["answer"]},
    fields=("text", "answer"),
    templates=(Template("{text}"),),
    mode="generate",
    metrics=("rouge",),
    license="CC0",
    citation="by hand",
)


def experiment(folder, *, model=T5, steps=4, cache=None, **data):
    lengths = {"inputs": 160, "targets": 96}
    data = DataConfig(**{"task_feature_lengths": lengths, "max_examples": 50, **data})
    return Experiment(
        model_dir=str(folder),
        model=model,
        data=data,
        cache=cache or CacheConfig(),
        train=TrainConfig(steps=steps, batch_size=8),
    )


def prepare(made, mixture=MIXTURE, **arguments):
    return prepare_train_data(made, mixture, ByteTokenizer(), **arguments)


def test_only_as_many_passes_are_prepared_as_the_run_draws(tmp_path):
    few = prepare(experiment(tmp_path, steps=4))
    # The first window holds 1,024 draws, 512 of each task: more than ten wordings of 50.
    assert [task.pass_sizes for task in few.plan.tasks] == [(50,) * 10] * 2
    whole = Mixture("people", MIXTURE.members)
    data = prepare(experiment(tmp_path, steps=4, max_examples=30_000), whole)
    assert [task.pass_sizes for task in data.plan.tasks] == [(2000,)] * 2
    longer = prepare(experiment(tmp_path, steps=500, max_examples=30_000), whole)
    rows = len(data.plan.rows(0))
    assert rows < 500 * 8 < 2 * rows
    assert [task.pass_sizes for task in longer.plan.tasks] == [(2000, 2000)] * 2


def test_stages_of_short_examples_get_the_passes_that_they_draw(tmp_path):
    """Rows hold more of the later stage's examples than of the first window's."""
    for name, text, num in (("long", "x" * 150, 1024), ("words", "y", 1024)):
        rows = "".join(json.dumps({"text": f"{text}{n}", "answer": "a"}) + "\n" for n in range(num))
        (tmp_path / f"{name}.jsonl").write_text(rows, "utf-8")
    source = Jsonl(files={"train": "long.jsonl"}, public="https://example.org/long")
    wordings = tuple(Template(f"{{text}}{n}") for n in range(10))
    long = dataclasses.replace(WORDS, name="long", source=source, templates=wordings)
    mixture = Mixture("both", (long, dataclasses.replace(WORDS, templates=wordings)))
    stages = {0: {"long": 1.0}, 1024: {"words": 1.0}}
    made = experiment(
        tmp_path, stages=stages, data_dir=str(tmp_path), max_examples=1024, steps=150, model=DECODER
    )
    plan = prepare(made, mixture).plan
    windows, num_rows = 0, 0
    while num_rows < 150 * 8:
        num_rows += len(plan.rows(windows))
        windows += 1
    drawn = plan.num_draws(1, windows)
    assert len(plan.rows(1)) < len(plan.rows(0)) / 5
    assert [len(task.pass_sizes) for task in plan.tasks] == [1, -(-drawn // 1024)]
    assert drawn > 2048


def test_later_passes_are_added_without_touching_the_first(tmp_path, monkeypatch):
    from flanjax.engine import build

    one = prepare(experiment(tmp_path, passes=1))
    made = []
    plain = build._make_part
    monkeypatch.setattr(build, "_make_part", lambda w: (made.append(w.pass_index), plain(w)))
    two = prepare(experiment(tmp_path, passes=2))
    assert set(made) == {1}
    for name, row in two.prepared.items():
        assert row["fingerprints"][:1] == one.prepared[name]["fingerprints"]


def test_causal_rows_have_room_for_the_sum_of_both_lengths(tmp_path):
    data = prepare(experiment(tmp_path, model=DECODER))
    assert data.layout.capacities == (256,)
    assert data.plan.rows(0).offsets[-1] > 0


def test_a_cache_that_may_not_be_added_to_names_what_it_holds_instead(tmp_path):
    cache = CacheConfig(cache_dir=str(tmp_path / "cache"))
    prepare(experiment(tmp_path, cache=cache))
    fixed = dataclasses.replace(cache, build_missing=False)
    prepare(experiment(tmp_path, cache=fixed))
    other = experiment(tmp_path, cache=fixed, over_long="drop")
    expected = (
        r"must hold task mini_objects as the run wants it, got one that differs in over_long: "
        r"'truncate_right' -> 'drop'; build it with `flanjax cache`"
    )
    with pytest.raises(ValueError, match=expected):
        prepare(other)
    empty = experiment(
        tmp_path, cache=CacheConfig(cache_dir=str(tmp_path / "none"), build_missing=False)
    )
    with pytest.raises(ValueError, match="got nothing of it"):
        prepare(empty)


def test_a_remote_cache_is_copied_and_gives_the_same_rows(tmp_path):
    local = CacheConfig(cache_dir=str(tmp_path / "cache"))
    before = prepare(experiment(tmp_path, cache=local))
    url = "memory://shared/cache/"
    store = staging.open_store(url)
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            store.write(path.relative_to(tmp_path / "cache").as_posix(), path.read_bytes()).result()
    remote = CacheConfig(cache_dir=url, local_dir=str(tmp_path / "copies"), build_missing=False)
    after = prepare(experiment(tmp_path, cache=remote))
    assert after.fingerprint() == before.fingerprint()
    passes = sum(row["passes"] for row in after.prepared.values())
    assert (after.staged.num_files, after.staged.num_reads) == (2 * passes, 2 * passes)
    again = prepare(experiment(tmp_path, cache=remote))
    assert again.staged.num_files == 0
    shutil.rmtree(tmp_path / "copies")


def test_a_remote_cache_serves_where_the_source_is_not(tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    lines = [json.dumps({"text": f"word {n}", "answer": "yes"}) + "\n" for n in range(30)]
    (rows / "words.jsonl").write_text("".join(lines))
    mixture = Mixture("words", (WORDS,))
    local = CacheConfig(cache_dir=str(tmp_path / "cache"))
    before = prepare(experiment(tmp_path, cache=local, data_dir=str(rows)), mixture)
    url = "memory://words/cache/"
    store = staging.open_store(url)
    for path in (tmp_path / "cache").rglob("*.*"):
        if path.is_file():
            store.write(path.relative_to(tmp_path / "cache").as_posix(), path.read_bytes()).result()
    remote = CacheConfig(cache_dir=url, local_dir=str(tmp_path / "copies"))
    after = prepare(experiment(tmp_path, cache=remote), mixture)
    assert after.fingerprint() == before.fingerprint()
    with pytest.raises(
        ValueError, match=r"task words: data_dir must be given to read words\.jsonl"
    ):
        prepare(experiment(tmp_path, cache=remote, over_long="drop"), mixture)


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_cache_is_never_trained_on(tmp_path, damage):
    made = experiment(tmp_path)
    prepare(made)
    (path,) = (tmp_path / "cache" / "mini_people").rglob("pass-00.tokens")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "flipped" else content[:-1])
    expected = r"mini_people/\w+/pass-00\.tokens must .* examples 0 to 49, source rows \d+ to \d+;"
    with pytest.raises(ValueError, match=expected):
        prepare(made)
    shutil.rmtree(path.parent)
    prepare(made)


def test_weights_of_a_stage_are_checked(tmp_path):
    for stages, expected in (
        ({0: {"mini_people": -1.0}}, "the weight of mini_people must be 0 or more, got -1.0"),
        ({0: {"mini_people": 0.0}}, "weights must sum to more than 0"),
        ({0: {"mini_peopel": 1.0}}, "weights must name its tasks, got 'mini_peopel'; did you"),
        ({5: {"mini_people": 1.0}}, "stages must start at draw 0"),
    ):
        with pytest.raises(ValueError, match=expected):
            prepare(experiment(tmp_path, stages=stages))


def write_words(folder, lines):
    folder.mkdir(exist_ok=True)
    (folder / "words.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_a_cache_of_bad_records_is_refused_by_a_run_that_would_not_build_it(tmp_path):
    rows, words = tmp_path / "rows", Mixture("words", (WORDS,))
    good = [json.dumps({"text": f"word {n}", "answer": "yes"}) for n in range(20)]
    write_words(rows, [*good, *["{}"] * 20])
    cache = CacheConfig(cache_dir=str(tmp_path / "cache"))
    made = {"cache": cache, "data_dir": str(rows)}
    prepare(experiment(tmp_path, bad_record_limit=0.9, **made), words)
    with pytest.raises(ValueError, match=r"task words, split train: at most 1\.00% .* 20 of 40"):
        prepare(experiment(tmp_path, bad_record_limit=0.01, **made), words)
    prepare(experiment(tmp_path, bad_record_limit=0.5, **made), words)


def test_no_choice_is_made_between_cached_copies_of_other_data(tmp_path):
    rows, words = tmp_path / "rows", Mixture("words", (WORDS,))
    cache = CacheConfig(cache_dir=str(tmp_path / "cache"))
    for answer in ("old", "new"):
        lines = [json.dumps({"text": f"word {n}", "answer": answer}) for n in range(30)]
        write_words(rows, lines)
        prepare(experiment(tmp_path, cache=cache, data_dir=str(rows)), words)
    with pytest.raises(ValueError, match="task words must have one cached copy where its data is"):
        prepare(experiment(tmp_path, cache=cache), words)
    prepare(experiment(tmp_path, cache=cache, data_dir=str(rows)), words)


def test_a_stage_may_name_a_task_that_was_dropped(tmp_path):
    mixture = Mixture("both", (TASKS[0], WORDS), max_examples=50)
    stages = {0: {"mini_objects": 1.0, "words": 1.0}}
    made = experiment(tmp_path, stages=stages, missing_tasks="drop", data_dir=str(tmp_path))
    data = prepare(made, mixture)
    assert list(data.missing) == ["words"]
    assert [task.name for task in data.plan.tasks] == ["mini_objects"]
    misspelt = {0: {"mini_objects": 1.0, "wrods": 1.0}}
    made = experiment(tmp_path, stages=misspelt, missing_tasks="drop", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="weights must name its tasks, got 'wrods'"):
        prepare(made, mixture)


def test_training_begins_with_the_id_that_generation_begins_with(tmp_path):
    """T5Gemma begins with the beginning of a sequence, not with padding."""
    model = dataclasses.replace(T5, embedding=EmbeddingConfig(start_id=2))
    data = prepare(experiment(tmp_path, model=model))
    batch = next(iter(PackedBatches(data.plan, data.tokens, data.layout, batch_size=8)))
    begins = batch.tokens[(batch.positions == 0) & (batch.segments > 0)]
    assert begins.size and set(begins.tolist()) == {make_model(model).start_id} == {2}


def test_stages_survive_being_written_as_json(tmp_path):
    made = experiment(tmp_path, stages={0: {"mini_people": 1.0}, 70: {"mini_objects": 1.0}})
    assert from_plain(json.loads(json.dumps(to_plain(made)))) == made


def test_an_example_left_out_of_every_pass_is_told_in_the_report(tmp_path):
    lengths = {"inputs": 70, "targets": 96}
    data = prepare(experiment(tmp_path, over_long="drop", task_feature_lengths=lengths, passes=1))
    row = data.prepared["mini_people"]
    assert row["dropped"] == row["reasons"]["inputs_too_long"] > 0
    assert row["examples"] == 50 - row["dropped"]


@pytest.fixture
def left(tmp_path):
    """What a run has left: its data, and its report after some rows."""
    data = prepare(experiment(tmp_path, passes=1))
    account = Account.empty(2).plus(data.tokens.place(data.plan.rows(0)), 0, 9, is_causal=False)
    return data, json.loads(json.dumps(data.report(3, account)))


def test_a_run_goes_on_with_the_data_it_began_with(tmp_path, left):
    data, report = left
    check_resumable(tmp_path / "data_report.json", report, data)
    more = prepare(experiment(tmp_path, passes=3, steps=200))
    check_resumable(tmp_path / "data_report.json", report, more)


def test_a_run_may_end_earlier_than_its_passes_were_prepared_for(tmp_path):
    whole = Mixture("people", MIXTURE.members)
    longer = prepare(experiment(tmp_path, steps=500, max_examples=30_000), whole)
    account = Account.empty(2).plus(longer.tokens.place(longer.plan.rows(0)), 0, 9, is_causal=False)
    report = json.loads(json.dumps(longer.report(3, account)))
    shorter = prepare(experiment(tmp_path, steps=4, max_examples=30_000), whole)
    passes = [len(row["fingerprints"]) for row in shorter.prepared.values()]
    assert passes == [1, 1] and len(report["tasks"]["mini_people"]["fingerprints"]) == 2
    check_resumable(tmp_path / "data_report.json", report, shorter)
    report["tasks"]["mini_people"]["seen"]["examples"] = 2001  # its second pass has begun
    with pytest.raises(ValueError, match="task mini_people must go on with its 2 passes"):
        check_resumable(tmp_path / "data_report.json", report, shorter)


def test_other_tokens_are_refused_by_name(tmp_path, left):
    data, report = left
    report["tasks"]["mini_people"]["fingerprints"] = ["0badf00d"]
    expected = "task mini_people must give the tokens that the run began with, got .* for 0badf00d"
    with pytest.raises(ValueError, match=expected):
        check_resumable(tmp_path / "data_report.json", report, data)


def test_another_order_is_refused_by_what_differs(tmp_path, left):
    data, report = left
    report["plan"]["window"] = 17
    with pytest.raises(ValueError, match=r"another plan \(window: 17 -> 1024\)"):
        check_resumable(tmp_path / "data_report.json", report, data)


def test_passes_cannot_be_added_once_all_were_drawn(tmp_path, left):
    _, report = left
    report["tasks"]["mini_people"]["seen"]["examples"] = 51
    more = prepare(experiment(tmp_path, passes=3, steps=200))
    with pytest.raises(ValueError, match="task mini_people must go on with its 1 passes"):
        check_resumable(tmp_path / "data_report.json", report, more)
