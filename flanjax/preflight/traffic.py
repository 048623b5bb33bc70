"""What a device reads and writes of its memory in a step, read from its HLO.

XLA's own "bytes accessed" takes a loop's body once, and layers are such a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flanjax.preflight import hlo

_FREE = (
    *("parameter", "constant", "iota", "tuple", "get-tuple-element", "bitcast", "opt-barrier"),
    *("while", "conditional", "call", "after-all", "partition-id", "replica-id"),
)
"""What moves nothing itself."""
_SLICES = ("dynamic-slice", "slice", "gather")


def memory_bytes(module: hlo.Module) -> int:
    """Returns bytes that kernels read and write in a step.

    A kernel reads each of its operands once and writes its result once; of an
    array from which it takes a slice, or into which it writes one, the slice
    counts. What the compiler has put into on-chip memory does not.
    """
    return sum(
        run.times * _kernel_bytes(module, computation, instruction)
        for run in hlo.runs(module)
        if not run.is_fused
        for computation in [module.computations[run.computation]]
        for instruction in computation.values()
    )


def _kernel_bytes(
    module: hlo.Module,
    computation: Mapping[str, hlo.Instruction],
    instruction: hlo.Instruction,
) -> int:
    opcode = instruction.opcode
    if opcode in _FREE or opcode.endswith(("-done", "-update")):
        return 0
    operands = hlo.operand_shapes(computation, instruction)
    if opcode.endswith("-start"):
        return 2 * _bytes(instruction.shapes[:1])
    if opcode == "custom-call" and not operands:
        return 0  # allocates
    if opcode == "fusion":
        (called,) = instruction.called("calls")
        inner = module.computations[called]
        reads = [
            _read(inner, number, shapes) for number, shapes in enumerate(operands)
        ]  # fmt: skip
        return sum(reads) + _written(inner, instruction)
    if opcode in _SLICES:
        return 2 * _bytes(instruction.shapes)
    if opcode == "dynamic-update-slice":
        return 2 * _bytes(operands[1])
    return sum(map(_bytes, operands)) + _bytes(instruction.shapes)


def _bytes(arrays: Sequence[hlo.Array]) -> int:
    return sum(array.num_bytes for array in arrays if array.in_memory)


def _read(inner: Mapping[str, hlo.Instruction], number: int, shapes: tuple[hlo.Array, ...]) -> int:
    """Returns what a kernel reads of one operand."""
    whole = _bytes(shapes)
    if not whole:
        return 0
    parts = [
        _part(use, name) for name, use in _uses(inner, number)
    ]  # fmt: skip
    if not parts or None in parts:
        return whole
    return min(whole, sum(part for part in parts if part is not None))


def _uses(
    inner: Mapping[str, hlo.Instruction], number: int
) -> Iterator[tuple[str, hlo.Instruction]]:
    """Yields what reads a parameter, past bitcasts, with the name it has there."""
    names = {
        name
        for name, each in inner.items()
        if each.opcode == "parameter" and each.literal == str(number)
    }
    for name, each in inner.items():
        if not names.intersection(each.operands):
            continue
        if each.opcode == "bitcast":
            names.add(name)
        else:
            yield next(operand for operand in each.operands if operand in names), each


def _part(use: hlo.Instruction, name: str) -> int | None:
    """Returns what a use reads of an array, None for all of it."""
    if use.operands[0] != name:
        return None
    if use.opcode in _SLICES:
        return _elements_bytes(use.shapes)
    return 0 if use.opcode == "dynamic-update-slice" else None


def _elements_bytes(arrays: Sequence[hlo.Array]) -> int:
    """Returns bytes of arrays within a kernel, whose place nobody names."""
    return sum(array.num_bytes for array in arrays)


def _written(inner: Mapping[str, hlo.Instruction], fusion: hlo.Instruction) -> int:
    """Returns what a kernel writes of its results."""
    root = next(each for each in inner.values() if each.is_root)
    results = [inner[name] for name in root.operands] if root.opcode == "tuple" else [root]
    if len(results) != len(fusion.shapes):
        return _bytes(fusion.shapes)
    written = 0
    for result, array in zip(results, fusion.shapes, strict=True):
        while result.opcode == "bitcast":
            result = inner[result.operands[0]]
        if result.opcode == "dynamic-update-slice" and array.in_memory:
            written += _elements_bytes(inner[result.operands[1]].shapes)
        else:
            written += _bytes([array])
    return written
