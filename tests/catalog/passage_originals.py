"""Files of the tasks that ask about a passage; the texts are made up."""

from __future__ import annotations

from original_sample import Fault, Sample

_BOOL_Q_RECORDS = [
    {"question": "is tea a drink", "passage": "Tea -- hot or cold -- is a drink.", "answer": True},
    {"question": "can seals fly", "passage": "``Seals'' swim.", "answer": False},
]

BOOL_Q = Sample(
    '{"question": "is tea a drink", "title": "Tea", "answer": true,'
    ' "passage": "Tea -- hot or cold -- is a drink."}\n'
    '{"question": "can seals fly", "title": "Seal", "answer": false,'
    ' "passage": "``Seals\'\' swim."}\n',
    _BOOL_Q_RECORDS,
    ["yes", "no"],
    (
        Fault('"answer": true', '"answer": "perhaps"', "must be true or false"),
        Fault('"answer": false', '"label": false', "field 'answer'"),
    ),
)

# SuperGLUE writes an article's title before its passage; TFDS's bool_q has it apart.
BOOL_Q_SUPERGLUE = Sample(
    '{"question": "is tea a drink", "passage": "Tea -- Tea -- hot or cold -- is a drink.",'
    ' "idx": 0, "label": true}\n'
    '{"question": "can seals fly", "passage": "Seal (animal) -- ``Seals\'\' swim.",'
    ' "idx": 1, "label": false}\n',
    _BOOL_Q_RECORDS,
    ["yes", "no"],
    (
        Fault('"label": true', '"label": 2', "must be true or false"),
        Fault('"label": false', '"answer": false', "column 'label'"),
    ),
)

MULTIRC = Sample(
    '{"idx": 4, "version": 1.1, "passage": {"text": "Ann left at noon .", "questions": ['
    '{"question": "When did she go ?", "idx": 9, "answers": ['
    '{"text": "12:00", "idx": 30, "label": 1}, {"text": "At night", "idx": 31, "label": 0}]}]}}\n'
    '{"idx": 5, "version": 1.1, "passage": {"text": "Bo stayed .", "questions": ['
    '{"question": "Who stayed ?", "idx": 10, "answers": [{"text": "Bo", "idx": 32}]}]}}\n',
    [
        {
            "paragraph": "Ann left at noon .",
            "question": "When did she go ?",
            "answer": "12:00",
            "label": 1,
            "idx": {"paragraph": 4, "question": 9},
        },
        {
            "paragraph": "Ann left at noon .",
            "question": "When did she go ?",
            "answer": "At night",
            "label": 0,
            "idx": {"paragraph": 4, "question": 9},
        },
        {
            "paragraph": "Bo stayed .",
            "question": "Who stayed ?",
            "answer": "Bo",
            "label": -1,
            "idx": {"paragraph": 5, "question": 10},
        },
    ],
    ["yes", "no", None],
    (
        Fault('"label": 0', '"label": 2', "must be a label"),
        Fault('"text": "Bo"', '"answer": "Bo"', "column 'text'"),
    ),
)

OPENBOOKQA = Sample(
    '{"id": "7-1", "question": {"stem": "What melts?", "choices": [{"text": "ice", "label": "A"},'
    ' {"text": "sand", "label": "B"}, {"text": "wood", "label": "C"}, {"text": "air", "label":'
    ' "D"}]}, "fact1": "heat melts ice", "humanScore": "1.00", "clarity": "2.00",'
    ' "turkIdAnonymized": "b3", "answerKey": "A"}\n'
    '{"id": "7-2", "question": {"stem": "A \\"bee\\" eats", "choices": [{"text": "tar", "label":'
    ' "A"}, {"text": "tin", "label": "B"}, {"text": "ink", "label": "C"}, {"text": "pollen",'
    ' "label": "D"}]}, "fact1": "bees eat pollen", "humanScore": "0.80", "clarity": "1.40",'
    ' "turkIdAnonymized": "a1", "answerKey": "D"}\n',
    [
        {
            "question": {
                "stem": "What melts?",
                "choice_A": "ice",
                "choice_B": "sand",
                "choice_C": "wood",
                "choice_D": "air",
            },
            "fact1": "heat melts ice",
            "answerKey": 0,
        },
        {
            "question": {
                "stem": 'A "bee" eats',
                "choice_A": "tar",
                "choice_B": "tin",
                "choice_C": "ink",
                "choice_D": "pollen",
            },
            "fact1": "bees eat pollen",
            "answerKey": 3,
        },
    ],
    ["ice", "pollen"],
    (
        Fault('"answerKey": "D"', '"answerKey": "E"', "must be A to "),
        Fault('"answerKey": "A"', '"answerKey": "1"', "must be A to "),
        Fault('"fact1": "heat', '"fact": "heat', "column 'fact1'"),
    ),
)

COSMOS_QA = Sample(
    "id,context,question,answer0,answer1,answer2,answer3,label\n"
    'b##1,"It rained , so I ran . ""Brr"" .",Why ?,I was wet .,I was dry .,I slept .,'
    "None of the above choices .,0\n"
    "b##2,We got a cat .,What now ?,It barks .,It flies .,It swims .,It meows .,3\n",
    [
        {
            "context": 'It rained , so I ran . "Brr" .',
            "question": "Why ?",
            "answer0": "I was wet .",
            "answer1": "I was dry .",
            "answer2": "I slept .",
            "answer3": "None of the above choices .",
            "label": 0,
        },
        {
            "context": "We got a cat .",
            "question": "What now ?",
            "answer0": "It barks .",
            "answer1": "It flies .",
            "answer2": "It swims .",
            "answer3": "It meows .",
            "label": 3,
        },
    ],
    ["I was wet .", "It meows ."],
    (
        Fault("meows .,3", "meows .,4", "must be a label"),
        Fault("label\n", "answer\n", "field 'label'"),
    ),
)

# An entity's end is its last character; names that stand in a passage twice are listed once.
RECORD = Sample(
    '{"source": "CNN", "idx": 3, "passage": {"text": "Bo met Ana.\\n@highlight\\nAna won",'
    ' "entities": [{"start": 0, "end": 1}, {"start": 7, "end": 9}, {"start": 23, "end": 25}]},'
    ' "qas": [{"query": "Then @placeholder won", "idx": 8, "answers": ['
    '{"start": 7, "end": 9, "text": "Ana"}, {"start": 23, "end": 25, "text": "Ana"}]},'
    ' {"query": "So @placeholder lost", "idx": 9}]}\n',
    [
        {
            "passage": "Bo met Ana.\n@highlight\nAna won",
            "query": "Then @placeholder won",
            "entities": ["Ana", "Bo"],
            "answers": ["Ana"],
            "idx": {"query": 8},
        },
        {
            "passage": "Bo met Ana.\n@highlight\nAna won",
            "query": "So @placeholder lost",
            "entities": ["Ana", "Bo"],
            "answers": [],
            "idx": {"query": 9},
        },
    ],
    ["Ana", None],
    (
        Fault('"entities"', '"names"', "column 'entities'"),
        Fault('"query": "Then', '"question": "Then', "column 'query'"),
    ),
)

DROP = Sample(
    '{"nfl_1": {"passage": "Hill kicked 3 \\"field\\" goals.", "qa_pairs": ['
    '{"question": "How many?", "answer": {"number": "3", "date": {"day": "", "month": "",'
    ' "year": ""}, "spans": []}, "query_id": "q1", "validated_answers": [{"number": "4",'
    ' "date": {"day": "", "month": "", "year": ""}, "spans": []}]},'
    ' {"question": "Who?", "answer": {"number": "", "date": {}, "spans": ["Hill"]},'
    ' "query_id": "q2", "validated_answers": []}], "wiki_url": ""},'
    ' "history_2": {"passage": "On 9 May 1567 it fell.", "qa_pairs": ['
    '{"question": "When?", "answer": {"number": "", "date": {"day": "9", "month": "May",'
    ' "year": "1567"}, "spans": []}, "query_id": "q3"}]}}',
    [
        {
            "passage": 'Hill kicked 3 "field" goals.',
            "question": "How many?",
            "answer": "3",
            "validated_answers": ["4"],
        },
        {
            "passage": 'Hill kicked 3 "field" goals.',
            "question": "Who?",
            "answer": "Hill",
            "validated_answers": [],
        },
        # TFDS has "1567-May-9"; to_fields turns that into the same words.
        {
            "passage": "On 9 May 1567 it fell.",
            "question": "When?",
            "answer": "9 May 1567",
            "validated_answers": [],
        },
    ],
    ["3", "Hill", "9 May 1567"],
    (Fault('"question": "Who?"', '"query": "Who?"', "column 'question'"),),
)

SQUAD_V1 = Sample(
    '{"version": "1.1", "data": [{"title": "Beyonc%C3%A9", "paragraphs": [{"context":'
    ' " She sang in Bath in 1999.", "qas": [{"id": "5", "question": "Where did she sing?",'
    ' "answers": [{"answer_start": 13, "text": "Bath"}, {"answer_start": 10, "text": "in Bath"}]},'
    ' {"id": "6", "question": "When?", "answers": [{"answer_start": 21, "text": "1999"}]}]}]}]}',
    [
        {
            "title": "Beyonc%C3%A9",
            "context": " She sang in Bath in 1999.",
            "question": "Where did she sing?",
            "answers": {"text": ["Bath", "in Bath"]},
        },
        {
            "title": "Beyonc%C3%A9",
            "context": " She sang in Bath in 1999.",
            "question": "When?",
            "answers": {"text": ["1999"]},
        },
    ],
    ["Bath", "1999"],
    (Fault('"question": "When?"', '"query": "When?"', "column 'question'"),),
)

SQUAD_V2 = Sample(
    '{"version": "v2.0", "data": [{"title": "Super_Bowl", "paragraphs": [{"qas": ['
    '{"question": "Where was it?", "id": "5a", "answers": [{"text": "Bath", "answer_start": 10}],'
    ' "is_impossible": false}, {"plausible_answers": [{"text": "Bath", "answer_start": 10}],'
    ' "question": "Where was it not?", "id": "5b", "answers": [], "is_impossible": true}],'
    ' "context": "It was in Bath."}]}]}',
    [
        {
            "title": "Super_Bowl",
            "context": "It was in Bath.",
            "question": "Where was it?",
            "answers": {"text": ["Bath"]},
            "is_impossible": False,
        },
        {
            "title": "Super_Bowl",
            "context": "It was in Bath.",
            "question": "Where was it not?",
            "answers": {"text": []},
            "is_impossible": True,
        },
    ],
    ["Bath", "unanswerable"],
    (
        Fault('"is_impossible": false', '"is_impossible": "no"', "must be true or false"),
        Fault(', "is_impossible": true', "", "column 'is_impossible'"),
    ),
)

SAMPLES: dict[tuple[str, int], Sample] = {
    ("bool_q", 0): BOOL_Q,
    ("bool_q", 1): BOOL_Q_SUPERGLUE,
    ("multirc", 0): MULTIRC,
    ("openbookqa", 0): OPENBOOKQA,
    ("cosmos_qa", 0): COSMOS_QA,
    ("record", 0): RECORD,
    ("drop", 0): DROP,
    ("squad_v1", 0): SQUAD_V1,
    ("squad_v2", 0): SQUAD_V2,
}
