"""Files of the tasks that choose among options of each record; made-up texts."""

from __future__ import annotations

from original_sample import Fault, Sample

_COPA_RECORDS = [
    {
        "premise": 'The "Star" & crew sank.',
        "choice1": "It was calm.",
        "choice2": "It hit a rock.",
        "question": "cause",
        "label": 1,
    },
    {
        "premise": "Ann fell.",
        "choice1": "She hurt her knee.",
        "choice2": "She sang.",
        "question": "effect",
        "label": 0,
    },
]

COPA = Sample(
    '{"premise": "The \\"Star\\" & crew sank.", "choice1": "It was calm.",'
    ' "choice2": "It hit a rock.", "question": "cause", "label": 1, "idx": 0}\n'
    '{"premise": "Ann fell.", "choice1": "She hurt her knee.", "choice2": "She sang.",'
    ' "question": "effect", "label": 0, "idx": 1}\n',
    _COPA_RECORDS,
    ["It hit a rock.", "She hurt her knee."],
    (
        Fault('"label": 1', '"label": 2', "must be a label"),
        Fault('"label": 0', '"answer": 0', "field 'label'"),
    ),
)

COPA_XML = Sample(
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE copa-corpus SYSTEM "copa.dtd">\n'
    '<copa-corpus version="1.0">\n\n'
    '  <item id="501" asks-for="cause" most-plausible-alternative="2">\n'
    "    <p>The &quot;Star&quot; &amp; crew sank.</p>\n"
    "    <a1>It was calm.</a1>\n    <a2>It hit a rock.</a2>\n  </item>\n\n"
    '  <item id="502" asks-for="effect" most-plausible-alternative="1">\n'
    "    <p>Ann fell.</p>\n"
    "    <a1>She hurt her knee.</a1>\n    <a2>She sang.</a2>\n  </item>\n\n"
    "</copa-corpus>\n",
    _COPA_RECORDS,
    ["It hit a rock.", "She hurt her knee."],
    (
        Fault('alternative="2"', 'alternative="0"', "must be a label"),
        Fault('most-plausible-alternative="1"', "", "must be a label"),
        Fault("<a2>She sang.</a2>", "", "'choice2' must be text"),
        Fault("</copa-corpus>", "", "as its publisher writes it"),
    ),
)

HELLASWAG = Sample(
    '{"ind": 4, "activity_label": "Rowing", "ctx_a": "A boat waits.", "ctx_b": "a man",'
    ' "ctx": "A boat waits. a man", "split": "val", "split_type": "indomain", "label": 2,'
    ' "endings": ["flies.", "melts.", "gets in.", "barks."], "source_id": "activitynet~v_1"}\n'
    '{"ind": 5, "activity_label": "Baking", "ctx_a": "[header] Bake [title] Heat.",'
    ' "ctx_b": "", "ctx": "[header] Bake [title] Heat.", "split": "val",'
    ' "split_type": "zeroshot", "label": 0, "source_id": "wikihow~2",'
    ' "endings": ["[step] Wait.", "Swim.", "Run.", "Sleep."]}\n'
    '{"ind": 6, "activity_label": "Baking", "ctx": "Mix it.", "source_id": "wikihow~3",'
    ' "endings": ["Wait.", "Swim.", "Run.", "Sleep."]}\n',
    [
        {
            "context": "A boat waits. a man",
            "endings": ["flies.", "melts.", "gets in.", "barks."],
            "activity_label": "Rowing",
            "label": 2,
        },
        {
            "context": "[header] Bake [title] Heat.",
            "endings": ["[step] Wait.", "Swim.", "Run.", "Sleep."],
            "activity_label": "Baking",
            "label": 0,
        },
        {
            "context": "Mix it.",
            "endings": ["Wait.", "Swim.", "Run.", "Sleep."],
            "activity_label": "Baking",
            "label": -1,
        },
    ],
    ["gets in.", "Wait.", None],
    (
        Fault('"label": 2', '"label": 4', "IndexError"),
        Fault('"label": 0', '"label": "first"', "must be an integer"),
        Fault('"ctx": "A boat', '"context": "A boat', "column 'ctx'"),
    ),
)

PIQA = Sample(
    '{"goal": "Dry a \\"cup\\".", "sol1": "Use a stone.", "sol2": "Use a towel."}\n'
    '{"goal": "Open a tin.", "sol1": "Use an opener.", "sol2": "Use a feather."}\n',
    [
        {"goal": 'Dry a "cup".', "sol1": "Use a stone.", "sol2": "Use a towel.", "label": 1},
        {"goal": "Open a tin.", "sol1": "Use an opener.", "sol2": "Use a feather.", "label": 0},
    ],
    ["Use a towel.", "Use an opener."],
    (
        Fault("1\n", "2\n", "must be a label"),
        Fault("0\n", "", "must have a line for each"),
        Fault('"sol2": "Use a towel."', '"sol": "Use a towel."', "field 'sol2'"),
    ),
    labels="1\n0\n",
)

# Endings are counted from one, in TFDS as well.
STORY_CLOZE = Sample(
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
    'a-1,Ann ran.,"She fell, hard.",She cried.,Bo came.,Bo left her.,Bo helped.,2\n'
    'b-2,It rained.,Cy had no coat.,"He said ""Brr"".",He ran home.,He got dry.,He froze.,1\n',
    [
        {
            "context": "Ann ran. She fell, hard. She cried. Bo came.",
            "endings": ["Bo left her.", "Bo helped."],
            "label": 2,
        },
        {
            "context": 'It rained. Cy had no coat. He said "Brr". He ran home.',
            "endings": ["He got dry.", "He froze."],
            "label": 1,
        },
    ],
    ["Bo helped.", "He got dry."],
    (
        Fault("helped.,2", "helped.,3", "ValueError"),
        Fault("froze.,1", "froze.,0", "ValueError"),
        Fault("helped.,2", "helped.,B", "must be an integer"),
        Fault("RandomFifthSentenceQuiz2", "Quiz2", "column 'RandomFifthSentenceQuiz2'"),
    ),
)

_ARC_RECORDS = [
    {
        "question": 'What is "hot"?',
        "choices": {"text": ["ice", "snow", "fire", "rain"], "label": [0, 1, 2, 3]},
        "answerKey": 2,
    },
    {
        "question": "What flies?",
        "choices": {"text": ["fish", "bird", "worm", "stone"], "label": [0, 1, 2, 3]},
        "answerKey": 1,
    },
    {
        "question": "What shines?",
        "choices": {"text": ["mud", "sun", "soil"], "label": [0, 1, 2]},
        "answerKey": 1,
    },
]

# The tests of some states number their choices.
ARC = Sample(
    '{"id": "a", "question": {"stem": "What is \\"hot\\"?", "choices": ['
    '{"text": "ice", "label": "A"}, {"text": "snow", "label": "B"},'
    ' {"text": "fire", "label": "C"}, {"text": "rain", "label": "D"}]}, "answerKey": "C"}\n'
    '{"id": "b", "question": {"stem": "What flies?", "choices": ['
    '{"text": "fish", "label": "1"}, {"text": "bird", "label": "2"},'
    ' {"text": "worm", "label": "3"}, {"text": "stone", "label": "4"}]}, "answerKey": "2"}\n'
    '{"id": "c", "question": {"stem": "What shines?", "choices": [{"text": "mud", "label": "A"},'
    ' {"text": "sun", "label": "B"}, {"text": "soil", "label": "C"}]}, "answerKey": "B"}\n',
    _ARC_RECORDS,
    ["fire", "bird", None],
    (
        Fault('"answerKey": "C"', '"answerKey": "F"', "must be A to "),
        Fault('"answerKey": "2"', '"answerKey": "0"', "must be A to "),
        Fault('"answerKey": "2"', '"answer": "2"', "column 'answerKey'"),
    ),
)

ARC_FLAT = Sample(
    '{"id": "a", "question": "What is \\"hot\\"?", "choices": {"text": ["ice", "snow", "fire",'
    ' "rain"], "label": ["A", "B", "C", "D"]}, "answerKey": "C"}\n'
    '{"id": "b", "question": "What flies?", "choices": {"text": ["fish", "bird", "worm",'
    ' "stone"], "label": ["1", "2", "3", "4"]}, "answerKey": "2"}\n'
    '{"id": "c", "question": "What shines?", "choices": {"text": ["mud", "sun", "soil"],'
    ' "label": ["A", "B", "C"]}, "answerKey": "B"}\n',
    _ARC_RECORDS,
    ["fire", "bird", None],
    (
        Fault('"answerKey": "C"', '"answerKey": ""', "must be A to "),
        Fault('"answerKey": "2"', '"answerKey": "0"', "must be A to "),
        Fault('"question": "What flies?"', '"stem": "What flies?"', "column 'question'"),
    ),
)

_PRONOUN_BLOCKS = (
    "The bee sat on the rose because it had pollen.\nit\nThe bee,the rose\nthe rose\n\n"
    "Ann met Eve, and she smiled.  \nshe\nAnn, Eve\nAnn\n"
)

DEFINITE_PRONOUNS = Sample(
    _PRONOUN_BLOCKS.replace("\n", "\r\n"),
    [
        {
            "sentence": "The bee sat on the rose because it had pollen.",
            "pronoun": "it",
            "candidates": ["The bee", "the rose"],
            "label": 1,
        },
        {
            "sentence": "Ann met Eve, and she smiled.",
            "pronoun": "she",
            "candidates": ["Ann", "Eve"],
            "label": 0,
        },
    ],
    ["the rose", "Ann"],
    (
        Fault("\nthe rose", "\nthe tulip", "not in list"),
        Fault("she\r\n", "", "not enough values"),
    ),
)

WINOGRANDE = Sample(
    '{"qID": "a-1", "sentence": "Ann paid Eve because _ owed \\"it\\".", "option1": "Ann",'
    ' "option2": "Eve", "answer": "1"}\n'
    '{"qID": "a-2", "sentence": "Ann paid Eve because _ sold it.", "option1": "Ann",'
    ' "option2": "Eve", "answer": "2"}\n',
    [
        {
            "sentence": 'Ann paid Eve because _ owed "it".',
            "option1": "Ann",
            "option2": "Eve",
            "label": 0,
        },
        {
            "sentence": "Ann paid Eve because _ sold it.",
            "option1": "Ann",
            "option2": "Eve",
            "label": 1,
        },
    ],
    ['Ann owed "it".', "Eve sold it."],
    (
        Fault('"answer": "2"', '"answer": "3"', "must be '1' or '2'"),
        Fault('"answer": "1"', '"answer": "0"', "must be '1' or '2'"),
        Fault('"answer": "1"', '"label": "1"', "column 'answer'"),
    ),
)

# The file names the right candidate first; the records have them by the alphabet.
WSC273 = Sample(
    "The cat chased the mouse because [MASK]  was hungry. \n[MASK]\n"
    "The cat ,The mouse \nThe cat \n\n"
    "The cat chased the mouse but [MASK]  was faster .\n[MASK]\nThe mouse,The cat\nThe mouse\n\n"
    "Ann thanked Bea. [MASK] had recieved help.\n[MASK]\nAnn,Bea\nAnn\n",
    [
        {
            "text": "The cat chased the mouse because [MASK] was hungry.",
            "pronoun_start": 33,
            "pronoun_end": 39,
            "option1_normalized": "the cat",
            "option2_normalized": "the mouse",
            "label": 0,
        },
        {
            "text": "The cat chased the mouse but [MASK] was faster.",
            "pronoun_start": 29,
            "pronoun_end": 35,
            "option1_normalized": "the cat",
            "option2_normalized": "the mouse",
            "label": 1,
        },
        {
            "text": "Ann thanked Bea. [MASK] had received help.",
            "pronoun_start": 17,
            "pronoun_end": 23,
            "option1_normalized": "Ann",
            "option2_normalized": "Bea",
            "label": 0,
        },
    ],
    ["the cat was hungry.", "the mouse was faster.", "Ann had received help."],
    (
        Fault("\nThe mouse\n", "\nThe dog\n", "not in list"),
        Fault("Bea. [MASK]", "Bea. She", "substring not found"),
    ),
)

SAMPLES: dict[tuple[str, int], Sample] = {
    ("copa", 0): COPA,
    ("copa", 1): COPA_XML,
    ("hellaswag", 0): HELLASWAG,
    ("piqa", 0): PIQA,
    ("story_cloze", 0): STORY_CLOZE,
    ("arc_challenge", 0): ARC,
    ("arc_challenge", 1): ARC_FLAT,
    ("arc_easy", 0): ARC,
    ("arc_easy", 1): ARC_FLAT,
    ("definite_pronoun_resolution", 0): DEFINITE_PRONOUNS,
    ("winogrande", 0): WINOGRANDE,
    ("wsc273", 0): WSC273,
}
