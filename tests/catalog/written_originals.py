"""Files of the tasks that are answered in free words; the texts are made up."""

from __future__ import annotations

from original_sample import Fault, Sample

NATURAL_QUESTIONS = Sample(
    '{"question": "who wrote \\"emma\\"", "answer": ["Jane Austen", "Austen"]}\n'
    '{"question": "when did it end", "answer": ["1 May 1815"]}\n',
    [
        {"question": 'who wrote "emma"', "answer": ["Jane Austen", "Austen"]},
        {"question": "when did it end", "answer": ["1 May 1815"]},
    ],
    ["Jane Austen", "1 May 1815"],
    (Fault('"answer": ["1 May 1815"]', '"answer": 1815', "must be a list"),),
)

# As TFDS has it but for training, where it has a row for each scene.
COMMON_GEN = Sample(
    '{"concept_set": "dog#park#run", "scene": ["A dog runs in the park.", "Dogs run."],'
    ' "reason": ["Dogs like parks.", "n/a"]}\n'
    '{"concept_set": "cat#sleep", "scene": ["The \\"cat\\" sleeps."], }\n',
    [
        {
            "concepts": ["dog", "park", "run"],
            "target": "A dog runs in the park.",
            "references": ["A dog runs in the park.", "Dogs run."],
        },
        {
            "concepts": ["cat", "sleep"],
            "target": 'The "cat" sleeps.',
            "references": ['The "cat" sleeps.'],
        },
    ],
    ["A dog runs in the park.", 'The "cat" sleeps.'],
    (Fault('"scene": ["The', '"target": ["The', "column 'scene'"),),
)

_E2E_RECORDS = [
    {
        "meaning_representation": "name[Orr], area[city centre]",
        "target": 'Orr, in the centre, is "good".',
        "references": ['Orr, in the centre, is "good".'],
    },
    {
        "meaning_representation": "name[Café Venn]",
        "target": "Try Café Venn.",
        "references": ["Try Café Venn."],
    },
]

E2E = Sample(
    "mr,ref\n"
    '"name[Orr], area[city centre]","Orr, in the centre, is ""good""."\n'
    "name[Café Venn],Try Café Venn.\n",
    _E2E_RECORDS,
    ['Orr, in the centre, is "good".', "Try Café Venn."],
    (Fault("mr,ref", "mr,text", "column 'ref'"),),
)

# The cleaned release keeps the challenge's form, which may differ, in a column of its own.
E2E_CLEANED = Sample(
    "mr,ref,fixed,orig_mr\n"
    '"name[Orr], area[city centre]","Orr, in the centre, is ""good"".",1,name[Orr]\n'
    'name[Café Venn],Try Café Venn.,0,"name[Café Venn], area[riverside]"\n',
    _E2E_RECORDS,
    ['Orr, in the centre, is "good".', "Try Café Venn."],
    (Fault("mr,ref", "form,ref", "column 'mr'"),),
)

AESLC = Sample(
    '{"id": "a_1", "email_body": "Hi Ann,\\nlunch at 12?\\n\\tBo", "subject_line": "Lunch"}\n'
    '{"id": "b_2", "email_body": "See \\"it\\".", "subject_line": "The plan",'
    ' "annotations": ["a plan"]}\n',
    [
        {"email_body": "Hi Ann,\nlunch at 12?\n\tBo", "subject_line": "Lunch"},
        {"email_body": 'See "it".', "subject_line": "The plan"},
    ],
    ["Lunch", "The plan"],
    (Fault('"subject_line": "Lunch"', '"subject": "Lunch"', "field 'subject_line'"),),
    split="train",
)

SAMSUM = Sample(
    '[\n  {"id": "1", "summary": "Ann will bake.", "dialogue": "Ann: I\'ll bake \\u2764\\r\\n'
    'Bo: :)"},\n  {"id": "2", "summary": "Bo is late.", "dialogue": "Bo: late!"}\n]\n',
    [
        {"dialogue": "Ann: I'll bake \u2764\r\nBo: :)", "summary": "Ann will bake."},
        {"dialogue": "Bo: late!", "summary": "Bo is late."},
    ],
    ["Ann will bake.", "Bo is late."],
    (
        Fault('"summary": "Bo is late."', '"title": "Bo is late."', "field 'summary'"),
        Fault("}\n]", "}", "as its publisher writes it"),
    ),
)

SAMPLES: dict[tuple[str, int], Sample] = {
    ("natural_questions", 0): NATURAL_QUESTIONS,
    ("common_gen", 0): COMMON_GEN,
    ("e2e_nlg", 0): E2E_CLEANED,
    ("e2e_nlg", 1): E2E,
    ("aeslc", 0): AESLC,
    ("samsum", 0): SAMSUM,
}
