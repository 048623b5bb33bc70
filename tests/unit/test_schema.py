"""Values are brought into the schema's types, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from flanjax.data.schema import Labels, check_features, conform

NLI = Labels(("entailment", "neutral", "contradiction"))
STARS = Labels(("1", "2"))


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        (str, "a b", "a b"),
        (int, 7, 7),
        (int, "7", 7),
        (int, 7.0, 7),
        (int, 2**60 + 1, 2**60 + 1),
        (float, 3, 3.0),
        (float, "3.8", 3.8),
        (float, 3.799999952316284, 3.8),  # what float32 makes of it
        (bool, True, True),
        (bool, "False", False),
        (bool, 1, True),
        (NLI, 2, 2),
        (NLI, "2", 2),
        (NLI, "contradiction", 2),
        (NLI, -1, -1),
        (NLI, 2.0, 2),
        (NLI, "1.0", 1),
        (Labels(("False", "True")), True, 1),
        (Labels(("False", "True")), "False", 0),
        (bool, 1.0, True),
        (STARS, "2", 1),  # a name, not an index
        (STARS, 0, 0),
        ([str], ["a", "b"], ["a", "b"]),
        ([str], '["a", "b"]', ["a", "b"]),
        ({"text": [str]}, {"text": ["a"], "start": [3]}, {"text": ["a"]}),
        ({"text": [str]}, '{"text": ["a"]}', {"text": ["a"]}),
        ([{"n": int}], [{"n": "1"}, {"n": 2}], [{"n": 1}, {"n": 2}]),
    ],
)
def test_a_value_takes_the_type_of_its_feature(feature: Any, value: Any, expected: Any) -> None:
    found = conform({"x": feature}, {"x": value, "more": 0})
    assert found == {"x": expected}
    assert type(found["x"]) is type(expected)


@pytest.mark.parametrize(
    ("feature", "value", "message"),
    [
        (str, 3, "'x' must be text, got 3"),
        (str, None, "'x' must be text, got None"),
        (int, "seven", "'x' must be an integer, got 'seven'"),
        (int, 7.5, "'x' must be an integer"),
        (int, True, "'x' must be an integer"),
        (float, "nan", "'x' must be a number"),
        (int, 10**400, "'x' must be an integer"),
        (str, "half \ud83d", "'x' must be text without half a surrogate pair"),
        (NLI, "--1", "'x' must be a label"),
        (bool, "maybe", "'x' must be true or false"),
        (NLI, "e", r"'x' must be a label \(0 = entailment, 1 = neutral, 2 = contradiction\)"),
        (NLI, 3, "'x' must be a label .* got 3"),
        (NLI, -2, "'x' must be a label"),
        ([str], "a, b", "'x' must be a list or nest .in a .csv, as JSON"),
        ([str], {"a": 1}, "'x' must be a list"),
        ([int], [1, "b"], r"'x\[1\]' must be an integer"),
        ({"text": str}, ["a"], "'x' must be a nest of the fields text"),
        ({"text": str}, {"txt": "a"}, r"'x' must have the field 'text' .of text., got txt"),
    ],
)
def test_a_value_of_another_kind_is_refused(feature: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conform({"x": feature}, {"x": value})


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"a row must have the field 'label' \(of text, label\), got text"
    ):
        conform({"text": str, "label": NLI}, {"text": "a"})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "features must name a field, got none"),
        ({"x": "str"}, "feature x must be str, int, .* got 'str'"),
        ({"x": [str, int]}, "feature x must be str"),
        ({"x": {"y": object}}, "feature x: feature y must be str"),
    ],
)
def test_a_schema_is_checked(features: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_features(features, where="here")


def test_labels_must_differ() -> None:
    with pytest.raises(ValueError, match="two names or more that differ, got yes, yes"):
        Labels(("yes", "yes"))
