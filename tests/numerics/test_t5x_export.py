"""What is exported to T5X lies as T5X's own checkpoints do."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack
import numpy as np
import pytest
import tensorstore
from t5x_samples import SAMPLES, model_of

from flanjax import conversion, opened
from flanjax.interop import t5x_format
from flanjax.interop.places import everything


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest, test_data: pathlib.Path) -> pathlib.Path:
    return test_data / "reference/t5x_checkpoints" / request.param


def facts_of(sample: pathlib.Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((sample / "config.json").read_text("utf-8"))
    return facts


def export(sample: pathlib.Path, folder: pathlib.Path, form: Any) -> pathlib.Path:
    facts = facts_of(sample)
    source = opened.open_any(str(sample / facts["checkpoint_dir"]), config=model_of(facts))
    target = folder / facts["checkpoint_dir"]
    conversion.export_t5x(source, target, form=form, dtype=np.dtype(np.float32))
    return target


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields each leaf of a legacy file: a spec, or shape and type of an array."""
    for key, entry in tree.items():
        place = f"{path}/{key}".lstrip("/")
        if isinstance(entry, dict) and "driver" not in entry:
            yield from leaves(entry, place)
        elif isinstance(entry, msgpack.ExtType):
            shape, dtype, data = msgpack.unpackb(entry.data)
            yield place, (entry.code, shape, dtype, data if place == "state/step" else None)
        else:
            yield place, entry


def test_a_legacy_checkpoint_has_t5x_s_files_entries_and_slots(sample, tmp_path):
    if "legacy" not in sample.name:
        sample = sample.with_name(sample.name.replace("orbax", "legacy"))
    if not sample.is_dir():  # the decoder comes in the other form alone
        sample = sample.with_name("t5_1_0_legacy")
    theirs = sample / facts_of(sample)["checkpoint_dir"]
    ours = export(sample, tmp_path, "legacy")
    names = [sorted(p.name for p in folder.iterdir()) for folder in (ours, theirs)]
    assert names[0] == names[1]
    files = [msgpack.unpackb((folder / "checkpoint").read_bytes()) for folder in (ours, theirs)]
    assert files[0]["version"] == files[1]["version"]
    found, wanted = (dict(leaves(file["optimizer"])) for file in files)
    assert found == wanted
    for array in theirs.glob("*/.zarray"):
        written = ours / array.parent.name / ".zarray"
        assert json.loads(written.read_text()) == json.loads(array.read_text())


@pytest.mark.parametrize("form", ["legacy", "orbax"])
def test_every_tensor_comes_back(sample, tmp_path, form):
    theirs = t5x_format.open_arrays(sample / facts_of(sample)["checkpoint_dir"])
    ours = t5x_format.open_arrays(export(sample, tmp_path, form))
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        index = everything(array.shape)
        assert ours[name].dtype == array.dtype
        assert ours[name].read(index).tobytes() == array.read(index).tobytes(), name


def test_an_orbax_checkpoint_has_t5x_s_arrays(sample, tmp_path):
    folder = export(sample, tmp_path, "orbax") / "state"
    tree = json.loads((sample / "tree.json").read_text("utf-8"))
    metadata = json.loads((folder / "_METADATA").read_text("utf-8"))
    names = {
        "/".join(key["key"] for key in entry["key_metadata"])
        for entry in metadata["tree_metadata"].values()
    }
    assert names == {entry["path"] for entry in tree}
    base = {"driver": "file", "path": f"{folder}/"}
    for entry in tree:
        path = f"{entry['path'].replace('/', '.')}/"
        kvstore = {"driver": "ocdbt", "base": base, "path": path}
        store = tensorstore.open({"driver": "zarr", "kvstore": kvstore}, read=True).result()
        assert (list(store.shape), store.dtype.name) == (entry["shape"], entry["dtype"])


def test_an_orbax_checkpoint_says_of_its_arrays_what_t5x_s_does(sample, tmp_path):
    if "orbax" not in sample.name:
        sample = sample.with_name("t5_1_1_orbax")
    theirs = sample / facts_of(sample)["checkpoint_dir"] / "state"
    ours = export(sample, tmp_path, "orbax") / "state"
    found, wanted = (
        {
            entry["array_metadata"]["param_name"]: entry["array_metadata"]
            for entry in json.loads((folder / "array_metadatas/process_0").read_text("utf-8"))[
                "array_metadatas"
            ]
        }
        for folder in (ours, theirs)
    )
    assert found == wanted
    found, wanted = (
        json.loads((folder / "_METADATA").read_text("utf-8"))["tree_metadata"]
        for folder in (ours, theirs)
    )
    assert found == wanted


def test_the_name_gives_the_step(sample, tmp_path):
    facts = facts_of(sample)
    source = opened.open_any(str(sample / facts["checkpoint_dir"]), config=model_of(facts))
    dtype = np.dtype(np.float32)
    with pytest.raises(ValueError, match="export must go to checkpoint_N, whose N is T5X's step"):
        conversion.export_t5x(source, tmp_path / "out", form="orbax", dtype=dtype)
    (tmp_path / "checkpoint_3").mkdir()
    with pytest.raises(ValueError, match="export must go to a new directory"):
        conversion.export_t5x(source, tmp_path / "checkpoint_3", form="orbax", dtype=dtype)
