"""A baseline that reads no order: options judged by their words and those of the prompt.

It is fitted on the tasks that a run trains on, as the models are, and judges options of tasks that
it never saw: a logistic regression over four features of an option in its prompt.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Returns a text's words, small letters alone."""
    return _WORD.findall(text.lower())


class BagOfWords:
    """Scores options; a `flanjax.evaluation.cluster.Predictor` without `generate`.

    Attributes:
      gain: Word -> log odds of standing in a right option, from training.
      weights: Of the features.
    """

    def __init__(self, gain: Mapping[str, float], weights: np.ndarray):
        self.gain = gain
        self.weights = weights

    @classmethod
    def fitted(
        cls, prompts: Sequence[str], options: Sequence[Sequence[str]], right: Sequence[int]
    ) -> BagOfWords:
        """Returns the baseline that training examples give.

        Args:
          prompts: Prompts.
          options: The options of each.
          right: The place of each right one.
        """
        counts = (collections.Counter[str](), collections.Counter[str]())
        for choices, place in zip(options, right, strict=True):
            for number, option in enumerate(choices):
                counts[number == place].update(set(words(option)))
        gain = {
            word: math.log((counts[1][word] + 1) / (counts[0][word] + 1))
            for word in counts[0] | counts[1]
        }
        fitted = cls(gain, np.zeros(_NUM_FEATURES))
        rows, labels = [], []
        for prompt, choices, place in zip(prompts, options, right, strict=True):
            rows += [fitted.features(prompt, option, choices) for option in choices]
            labels += [number == place for number in range(len(choices))]
        regression = LogisticRegression(fit_intercept=False)  # of one prompt only order counts
        fitted.weights = regression.fit(np.array(rows), np.array(labels)).coef_[0]
        return fitted

    def features(self, prompt: str, option: str, options: Sequence[str]) -> list[float]:
        """Returns what is known of an option: its words, and how many the prompt shares."""
        told = collections.Counter(words(prompt))
        own = words(option) or [""]
        shared = [min(told[word], 3) for word in own]
        longest = max(len(words(each)) for each in options) or 1
        return [
            sum(self.gain.get(word, 0.0) for word in own) / len(own),
            sum(map(bool, shared)) / len(own),
            sum(shared) / len(own),
            len(own) / longest,
        ]

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Returns a score for each option of each prompt."""
        return [
            np.array([self.features(prompt, option, choices) for option in choices]) @ self.weights
            for prompt, choices in zip(prompts, options, strict=True)
        ]


_NUM_FEATURES = 4
