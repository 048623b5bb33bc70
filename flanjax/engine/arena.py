"""The tokens of many files as one flat array, so that a batch is one gather.

The files are mapped, not read: each one at its place in a range of addresses
that the process has set aside. Memory holds what was touched lately.

```
 address   0           file 0            file 1       ...
           |..zeros....|=============|...|=====|......|
```
The first NUM_ZEROS addresses hold zeros; padding is read there.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import pathlib
import weakref
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NUM_ZEROS = 1 << 20
"""Tokens before the first file, more than any row has; they take no memory until read."""

RESIDENT_BYTES = 1 << 28
"""Memory holds no more of larger files at a time."""

_PAGE = mmap.PAGESIZE
_FIXED = 0x10  # MAP_FIXED
_NO_RESERVE = 0x4000  # MAP_NORESERVE
_FAILED = ctypes.c_void_p(-1).value
_DONT_NEED = 4  # MADV_DONTNEED: drops the mapping's pages, not the file's


class Arena(NamedTuple):
    """Tokens of several files in one address space.

    Attributes:
      tokens: uint16 or uint32, one dimension; the first NUM_ZEROS are 0.
      starts: Where each file's first token lies.
      region: (address, bytes) of mapped memory; None where the arena is a copy.
    """

    tokens: np.ndarray
    starts: tuple[int, ...]
    region: tuple[int, int] | None = None

    def take(self, addresses: np.ndarray, out: np.ndarray) -> None:
        """Writes the tokens at int64 addresses into `out`, of the tokens' dtype."""
        self.tokens.take(addresses, out=out, mode="clip")

    def copied(self, addresses: np.ndarray, sizes: np.ndarray) -> tuple[Arena, np.ndarray]:
        """Returns an arena of some examples alone, and where each lies in it.

        The files are read from front to back, RESIDENT_BYTES at a time: the system
        maps 64 KiB around every example, so a window in its own order has all of
        a large file in memory.

        Args:
          addresses: int64 [n], where each lies here.
          sizes: int64 [n], its tokens.
        """
        order = np.argsort(addresses)
        sources, sizes = addresses[order], sizes[order]
        ends = np.cumsum(sizes) + NUM_ZEROS
        starts = ends - sizes
        tokens = np.zeros(ends[-1], self.tokens.dtype)
        spans = np.arange(0, self.tokens.size, RESIDENT_BYTES // self.tokens.itemsize)
        bounds = [*np.searchsorted(sources, spans).tolist(), len(sources)]
        for first, last in itertools.pairwise(bounds):
            if first == last:
                continue
            here = slice(first, last)
            places = np.arange(starts[first], ends[last - 1])
            places += np.repeat(sources[here] - starts[here], sizes[here])
            self.take(places, tokens[starts[first] : ends[last - 1]])
            self.release()
        found = np.empty_like(starts)
        found[order] = starts
        return Arena(tokens, ()), found

    def release(self) -> None:
        """Lets go of the pages read so far; they are mapped again when needed."""
        if self.region is not None:
            _libc().madvise(ctypes.c_void_p(self.region[0]), self.region[1], _DONT_NEED)


def joined(arrays: Sequence[np.ndarray], dtype: np.dtype) -> Arena:
    """Returns an arena that is a copy of arrays in memory: the plain way."""
    sizes = [array.size for array in arrays]
    starts = itertools.accumulate(sizes[:-1], initial=NUM_ZEROS)
    tokens = np.concatenate([np.zeros(NUM_ZEROS, dtype), *arrays]).astype(dtype)
    return Arena(tokens, tuple(starts))


def mapped(paths: Sequence[pathlib.Path], dtype: np.dtype) -> Arena:
    """Returns an arena over files of tokens: nothing is copied.

    Args:
      paths: Files of little-endian tokens.
      dtype: Their type.

    Raises:
      OSError: A file cannot be opened or mapped.
    """
    sizes = [path.stat().st_size for path in paths]
    spans = [-(-size // _PAGE) * _PAGE for size in sizes]
    begins = list(itertools.accumulate(spans, initial=NUM_ZEROS * dtype.itemsize))
    total = begins[-1]
    base = _map(None, total, mmap.PROT_READ, _NO_RESERVE | mmap.MAP_ANONYMOUS, -1)
    memory = (ctypes.c_ubyte * total).from_address(base)
    weakref.finalize(memory, _libc().munmap, ctypes.c_void_p(base), total)
    for path, size, begin in zip(paths, sizes, begins[:-1], strict=True):
        if size:
            _map_file(path, base + begin, size)
    tokens: np.ndarray = np.frombuffer(memoryview(memory).toreadonly(), dtype)
    return Arena(tokens, tuple(begin // dtype.itemsize for begin in begins[:-1]), (base, total))


def _map_file(path: pathlib.Path, address: int, size: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _map(address, size, mmap.PROT_READ, _FIXED, descriptor)
    finally:
        os.close(descriptor)


def _map(address: int | None, size: int, protection: int, flags: int, descriptor: int) -> int:
    found: int = _libc().mmap(address, size, protection, mmap.MAP_PRIVATE | flags, descriptor, 0)
    if found == _FAILED:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)} on mapping {size:,} bytes")
    return found


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    )  # fmt: skip
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return libc
