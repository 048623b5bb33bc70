"""Files of the tasks that compare two sentences; the texts are made up."""

from __future__ import annotations

from original_sample import Fault, Sample

ANLI = Sample(
    '{"uid": "a", "context": "Holm (born 1902) flew.", "hypothesis": "Holm flew after 1950.",'
    ' "label": "n", "model_label": "e", "genre": "wiki", "reason": "no date", "tag": "r"}\n'
    '{"uid": "b", "context": "Holm flew.", "hypothesis": "Holm never flew.",'
    ' "label": "c", "model_label": "n", "genre": "wiki", "reason": "", "tag": "r"}\n'
    '{"uid": "c", "context": "A \\"Caf\\u00e9\\".", "hypothesis": "A caf\\u00e9.",'
    ' "label": "e", "model_label": "c", "genre": "wiki", "reason": "", "tag": "r"}\n',
    [
        {"context": "Holm (born 1902) flew.", "hypothesis": "Holm flew after 1950.", "label": 1},
        {"context": "Holm flew.", "hypothesis": "Holm never flew.", "label": 2},
        {"context": 'A "Café".', "hypothesis": "A café.", "label": 0},
    ],
    ["It's impossible to say", "No", "Yes"],
    (
        Fault('"label": "c"', '"label": "contradiction"', "must be a label"),
        Fault('"context": "Holm flew."', '"premise": "Holm flew."', "field 'context'"),
    ),
)

RTE = Sample(
    "index\tsentence1\tsentence2\tlabel\n"
    "7\tThe mayor spoke in Oslo.\tThe mayor lives in Oslo.\tnot_entailment\n"
    '8\t"We sank", said the crew of the "Star.\tThe Star sank.\tentailment\n',
    [
        {
            "premise": "The mayor spoke in Oslo.",
            "hypothesis": "The mayor lives in Oslo.",
            "label": 1,
        },
        {
            "premise": '"We sank", said the crew of the "Star.',
            "hypothesis": "The Star sank.",
            "label": 0,
        },
    ],
    ["no", "yes"],
    (
        Fault("\tnot_entailment\n", "\tneutral\n", "must be a label"),
        Fault("\tentailment\n", "\n", "must have 4 columns, got 3"),
        Fault("\tlabel\n", "\tgold_label\n", "column 'label'"),
    ),
)

_SNLI_RECORDS = [
    {"premise": 'Two "rival" bands play.', "hypothesis": "Bands win.", "label": 1},
    {"premise": "A dog runs.", "hypothesis": "The dog sleeps.", "label": 2},
    {"premise": "A dog runs.", "hypothesis": "It is hot.", "label": -1},
    {"premise": '"Go", a man says.', "hypothesis": "A man talks.", "label": 0},
]
_SNLI_ANSWERS = ["it is not possible to tell", "no", None, "yes"]

SNLI_JSONL = Sample(
    '{"annotator_labels": ["neutral", "entailment", "neutral"], "captionID": "1.jpg#0",'
    ' "gold_label": "neutral", "pairID": "1.jpg#0n", "sentence1": "Two \\"rival\\" bands play.",'
    ' "sentence1_parse": "(ROOT (S Two))", "sentence2": "Bands win.", "sentence2_parse": ""}\n'
    '{"annotator_labels": ["contradiction"], "captionID": "2.jpg#0",'
    ' "gold_label": "contradiction", "pairID": "2.jpg#0c", "sentence1": "A dog runs.",'
    ' "sentence1_parse": "(ROOT)", "sentence2": "The dog sleeps.", "sentence2_parse": ""}\n'
    '{"annotator_labels": ["neutral", "entailment"], "captionID": "2.jpg#0",'
    ' "gold_label": "-", "pairID": "2.jpg#0e", "sentence1": "A dog runs.",'
    ' "sentence1_parse": "(ROOT)", "sentence2": "It is hot.", "sentence2_parse": ""}\n'
    '{"annotator_labels": ["neutral", "entailment"], "captionID": "3.jpg#0",'
    ' "gold_label": "entailment", "pairID": "3.jpg#0e", "sentence1": "\\"Go\\", a man says.",'
    ' "sentence1_parse": "(ROOT)", "sentence2": "A man talks.", "sentence2_parse": ""}\n',
    _SNLI_RECORDS,
    _SNLI_ANSWERS,
    (
        Fault('"gold_label": "neutral"', '"gold_label": "unsure"', "must be a label"),
        Fault('"gold_label": "entailment"', '"gold": "entailment"', "column 'gold_label'"),
    ),
)

SNLI_TXT = Sample(
    "gold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse"
    "\tsentence1\tsentence2\tcaptionID\tpairID\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\n"
    'neutral\t( Two )\t( Bands )\t(ROOT)\t(ROOT)\tTwo "rival" bands play.\tBands win.'
    "\t1.jpg#0\t1.jpg#0n\tneutral\tentailment\tneutral\tneutral\tneutral\n"
    "contradiction\t( A )\t( The )\t(ROOT)\t(ROOT)\tA dog runs.\tThe dog sleeps."
    "\t2.jpg#0\t2.jpg#0c\tcontradiction\t\t\t\t\n"
    "-\t( A )\t( It )\t(ROOT)\t(ROOT)\tA dog runs.\tIt is hot."
    "\t2.jpg#0\t2.jpg#0e\tneutral\tentailment\t\t\t\n"
    'entailment\t( Go )\t( A )\t(ROOT)\t(ROOT)\t"Go", a man says.\tA man talks.'
    "\t3.jpg#0\t3.jpg#0e\tneutral\tentailment\t\t\t\n",
    _SNLI_RECORDS,
    _SNLI_ANSWERS,
    (
        Fault("contradiction\t( A )", "contradicts\t( A )", "must be a label"),
        Fault("\tsentence1\tsentence2\t", "\tpremise\tsentence2\t", "column 'sentence1'"),
    ),
)

SNLI_QUOTED = Sample(
    "sentence1\tsentence2\tgold_label\n"
    '"Two ""rival"" bands play."\tBands win.\tneutral\n'
    "A dog runs.\tThe dog sleeps.\tcontradiction\n"
    "A dog runs.\tIt is hot.\t-\n"
    '"""Go"", a man says."\tA man talks.\tentailment\n',
    _SNLI_RECORDS,
    _SNLI_ANSWERS,
    (
        Fault("\tneutral\n", "\tunsure\n", "must be a label"),
        Fault("\tgold_label\n", "\tlabel\n", "column 'gold_label'"),
    ),
)

WNLI = Sample(
    "index\tsentence1\tsentence2\tlabel\r\n"
    '0\tThe cup is in the "box". It is red.\tThe cup is red.\t1\r\n'
    "1\tAnn met Eve when she left.\tAnn left.\t0\r\n",
    [
        {
            "sentence1": 'The cup is in the "box". It is red.',
            "sentence2": "The cup is red.",
            "label": 1,
        },
        {"sentence1": "Ann met Eve when she left.", "sentence2": "Ann left.", "label": 0},
    ],
    ["yes", "no"],
    (
        Fault("Ann left.\t0", "Ann left.\t2", "must be a label"),
        Fault("\tlabel\r\n", "\tscore\r\n", "field 'label'"),
    ),
)

MRPC = Sample(
    "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
    '1\t20\t21\t"We are ready, he said.\tHe said: "We are ready."\r\n'
    "0\t22\t23\tIt rose 2 %.\tIt fell 2 %.\r\n",
    [
        {
            "sentence1": '"We are ready, he said.',
            "sentence2": 'He said: "We are ready."',
            "label": 1,
        },
        {"sentence1": "It rose 2 %.", "sentence2": "It fell 2 %.", "label": 0},
    ],
    ["yes", "no"],
    (
        Fault("0\t22", "3\t22", "must be a label"),
        Fault("Quality", "quality", "column 'Quality'"),
    ),
)

QQP = Sample(
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    '5\t1\t0\t"Is ""red"" a colour?"\tIs red one?\t1\n'
    "6\t1\t1\tWho am I?\tWho are you?\t0\n",
    [
        {"question1": '"Is ""red"" a colour?"', "question2": "Is red one?", "label": 1},
        {"question1": "Who am I?", "question2": "Who are you?", "label": 0},
    ],
    ["yes", "no"],
    (
        Fault("you?\t0", "you?\t2", "must be a label"),
        Fault("\tis_duplicate", "\tlabel", "column 'is_duplicate'"),
    ),
)

PAWS = Sample(
    "id\tsentence1\tsentence2\tlabel\n"
    "1\tThe `` Orr '' joins the Venn .\tThe Venn joins the `` Orr '' .\t0\n"
    "2\tIn 1911 , Hald moved .\tHald moved in 1911 .\t1\n",
    [
        {
            "sentence1": "The `` Orr '' joins the Venn .",
            "sentence2": "The Venn joins the `` Orr '' .",
            "label": 0,
        },
        {"sentence1": "In 1911 , Hald moved .", "sentence2": "Hald moved in 1911 .", "label": 1},
    ],
    ["no", "yes"],
    (
        Fault("1911 .\t1", "1911 .\tyes", "must be a label"),
        Fault("\tlabel", "\tnoisy_label", "field 'label'"),
    ),
)

STSB = Sample(
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
    '0\tmain-news\tMSRvid\t2012\t1\tnone\tnone\t"A man sings.\tA man is singing.\t5.000\n'
    "1\tmain-news\tMSRvid\t2012\t2\tnone\tnone\tA cat.\tA car.\t0.400\n"
    "2\tmain-news\tMSRvid\t2012\t3\tnone\tnone\tA cat.\tA pet.\t2.5\n",
    [
        {"sentence1": '"A man sings.', "sentence2": "A man is singing.", "label": 5.0},
        {"sentence1": "A cat.", "sentence2": "A car.", "label": 0.4},
        {"sentence1": "A cat.", "sentence2": "A pet.", "label": 2.5},
    ],
    ["5", "0", "3"],
    (
        Fault("\t5.000", "\tfive", "must be a number"),
        Fault("\t0.400", "\t7.400", "IndexError"),
        Fault("\tscore", "\tlabel", "column 'score'"),
    ),
)

WIC = Sample(
    '{"word": "bank", "sentence1": "A bank lends.", "sentence2": "The river\'s bank.",'
    ' "idx": 0, "label": false, "start1": 2, "start2": 12, "end1": 6, "end2": 16}\n'
    '{"word": "wash", "sentence1": "We wash it.", "sentence2": "He washed it.",'
    ' "idx": 1, "label": true, "start1": 3, "start2": 3, "end1": 7, "end2": 9}\n',
    [
        {
            "word": "bank",
            "sentence1": "A bank lends.",
            "sentence2": "The river's bank.",
            "label": 0,
        },
        {"word": "wash", "sentence1": "We wash it.", "sentence2": "He washed it.", "label": 1},
    ],
    ["different meanings", "the same meaning"],
    (
        Fault('"label": true', '"label": "same"', "must be a label"),
        Fault('"label": false', '"gold": false', "column 'label'"),
    ),
)

SAMPLES: dict[tuple[str, int], Sample] = {
    ("anli_r1", 0): ANLI,
    ("anli_r2", 0): ANLI,
    ("anli_r3", 0): ANLI,
    ("rte", 0): RTE,
    ("snli", 0): SNLI_JSONL,
    ("snli", 1): SNLI_TXT,
    ("snli", 2): SNLI_QUOTED,
    ("wnli", 0): WNLI,
    ("glue_mrpc", 0): MRPC,
    ("glue_qqp", 0): QQP,
    ("paws_wiki", 0): PAWS,
    ("stsb", 0): STSB,
    ("wic", 0): WIC,
}
