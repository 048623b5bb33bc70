"""Orders that are functions of a seed: hashes and permutations of integers.

A permutation here is never held: it is computed for the few indices that are
asked for, so a pass over ten million records costs no more than what is read
of it, and any part of it can be read first.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 6
_MIN_HALF_BITS = 4


def mixed(values: np.ndarray, seed: int) -> np.ndarray:
    """Returns uint64 hashes of integers, one to one for each seed.

    Source: the SplitMix64 finalizer (Steele, Lea and Flood 2014, figure 17).
    """
    with np.errstate(over="ignore"):
        z = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def shuffled(size: int, seed: int) -> np.ndarray:
    """Returns int64 [size], the integers below `size` in an order of the seed."""
    return np.argsort(mixed(np.arange(size), seed), kind="stable")


def permuted(indices: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Returns where a permutation of range(size) sends some indices.

    A Feistel network permutes the smallest domain 4 ** k that holds `size`;
    what falls outside is sent on until it falls inside (Black and Rogaway
    2002, section 3, cycle walking), less than four times on average.

    Args:
      indices: int64 [n], each in [0, size).
      size: Length of the permuted range.
      seed: 64 bits; another seed is another permutation.

    Returns:
      int64 [n], different for different indices.
    """
    half_bits = max(_MIN_HALF_BITS, ((size - 1).bit_length() + 1) // 2)
    keys = mixed(np.arange(_ROUNDS), seed)
    found = _feistel(indices.astype(np.uint64), half_bits, keys)
    outside = np.flatnonzero(found >= size)
    while outside.size:
        found[outside] = _feistel(found[outside], half_bits, keys)
        outside = outside[found[outside] >= size]
    return found.astype(np.int64)


def _feistel(values: np.ndarray, half_bits: int, keys: np.ndarray) -> np.ndarray:
    bits = np.uint64(half_bits)
    left, right = values >> bits, values & np.uint64((1 << half_bits) - 1)
    for key in keys:
        left, right = right, left ^ (mixed(right, int(key)) >> np.uint64(64 - half_bits))
    return (left << bits) | right
