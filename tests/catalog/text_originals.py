"""Files of the tasks that sort texts into classes; the texts are made up."""

from __future__ import annotations

from original_sample import Fault, Sample

IMDB = Sample(
    "Sentiment\tText\n"
    'Positive\t"A ""must"".<br /><br />See it,\ttwice."\n'
    "Negative\tI'm annoyed.\n",
    [
        {"text": 'A "must".<br /><br />See it,\ttwice.', "label": 1},
        {"text": "I'm annoyed.", "label": 0},
    ],
    ["positive", "negative"],
    (
        Fault("Negative\t", "Mixed\t", "must be a label"),
        Fault("Sentiment\t", "Label\t", "column 'Sentiment'"),
    ),
)

SENTIMENT140 = Sample(
    '"4","3","Mon May 11 03:17:40 UTC 2009","cafe","ann","Love the ""Café"" &amp; more"\n'
    '"2","4","Mon May 11 03:18:03 UTC 2009","NO_QUERY","bo","At the station, 9 am"\n'
    '"0","5","Mon May 11 03:18:54 UTC 2009","NO_QUERY","cy","So sad."\n',
    [
        {"text": 'Love the "Café" &amp; more', "polarity": 4},
        {"text": "At the station, 9 am", "polarity": 2},
        {"text": "So sad.", "polarity": 0},
    ],
    ["positive", None, "negative"],
    (
        Fault('"4","3"', '"good","3"', "must be an integer"),
        Fault(',"cy"', "", "must have 6 columns, got 5"),
    ),
    encoding="latin-1",
)

SST2 = Sample(
    '1 a "warm" , funny film .\n0 one long string of clichés .\n',
    [
        {"sentence": 'a "warm" , funny film .', "label": 1},
        {"sentence": "one long string of clichés .", "label": 0},
    ],
    ["positive", "negative"],
    (Fault("0 one", "2 one", "must be '0 sentence'"), Fault("1 a", "a", "must be '0 sentence'")),
)

YELP = Sample(
    '"1","Cold, bad food.\\nA \\""rude\\"" host. "\n"2","The ""pie"" is great!"\n',
    [
        {"text": 'Cold, bad food.\\nA \\""rude\\"" host.', "label": 0},
        {"text": 'The ""pie"" is great!', "label": 1},
    ],
    ["negative", "positive"],
    (Fault('"2",', '"0",', 'must be "1"'), Fault('"1",', "", 'must be "1"')),
)

WSC = Sample(
    '{"text": "Ann met Eve when she left.", "target": {"span2_index": 4, "span1_index": 2,'
    ' "span1_text": "Eve", "span2_text": "she"}, "idx": 0, "label": false}\n'
    '{"text": "The cup fell; it broke.", "target": {"span2_index": 3, "span1_index": 0,'
    ' "span1_text": "The\\ncup", "span2_text": "it"}, "idx": 1, "label": true}\n',
    [
        {
            "text": "Ann met Eve when she left.",
            "span1_text": "Eve",
            "span2_text": "she",
            "span2_index": 4,
            "label": 0,
        },
        {
            "text": "The cup fell; it broke.",
            "span1_text": "The\ncup",
            "span2_text": "it",
            "span2_index": 3,
            "label": 1,
        },
    ],
    ["no", "yes"],
    (
        Fault('"label": true', '"label": "maybe"', "must be a label"),
        Fault('"span1_text": "Eve"', '"span1": "Eve"', "column 'span1_text'"),
    ),
)

# The release counts its classes from one: World, Sports, Business, Sci/Tech.
_AG_ROWS = (
    '"3","Oil, again","Prices don #39;t\\fall."\n'
    '"1","A vote","Ministers ""met""."\n'
    '"4","A probe","It is on &lt;b&gt;Mars&lt;/b&gt;."\n'
    '"2","A match","They won."\n'
)

AG_NEWS = Sample(
    _AG_ROWS,
    [
        {"title": "Oil, again", "description": "Prices don #39;t\\fall.", "label": 2},
        {"title": "A vote", "description": 'Ministers "met".', "label": 0},
        {"title": "A probe", "description": "It is on &lt;b&gt;Mars&lt;/b&gt;.", "label": 3},
        {"title": "A match", "description": "They won.", "label": 1},
    ],
    ["Business", "World", "Science/Tech", "Sports"],
    (
        Fault('"4"', '"5"', "must be 1 to 4, got 5"),
        Fault('"1"', '"0"', "must be 1 to 4, got 0"),
        Fault('"2"', '"Sports"', "invalid literal"),
        Fault(',"They won."', "", "must have 3 columns, got 2"),
    ),
)

AG_NEWS_HEADED = AG_NEWS._replace(content="Class Index,Title,Description\n" + _AG_ROWS)

COLA = Sample(
    'gj04\t1\t\t"Who left?" asked Ann.\ngj04\t0\t*\tLeft the Ann.\n',
    [
        {"sentence": '"Who left?" asked Ann.', "label": 1},
        {"sentence": "Left the Ann.", "label": 0},
    ],
    ["acceptable", "unacceptable"],
    (
        Fault("gj04\t0\t*", "gj04\t*\t0", "must be a label"),
        Fault("gj04\t1\t\t", "gj04\t1\t", "must have 4 columns, got 3"),
    ),
)

TREC = Sample(
    "NUM:count How many `` cups '' are there ?\n"
    "LOC:city What is Oslo 's sister\xf0city ?\n"
    "HUM:ind Who was Holm ?\n"
    "DESC:manner How : with what does one fly ?\n"
    "ABBR:exp What does UN mean ?\n"
    "ENTY:animal What has stripes ?\n",
    [
        {"text": "How many `` cups '' are there ?", "label-coarse": 4},
        {"text": "What is Oslo 's sister city ?", "label-coarse": 5},
        {"text": "Who was Holm ?", "label-coarse": 3},
        {"text": "How : with what does one fly ?", "label-coarse": 0},
        {"text": "What does UN mean ?", "label-coarse": 2},
        {"text": "What has stripes ?", "label-coarse": 1},
    ],
    ["numeric", "location", "human", "description", "abbreviation", "entity"],
    (
        Fault("HUM:ind", "PERS:ind", "must be a label"),
        Fault("ABBR:exp", "ABBR", "must be 'COARSE:fine question'"),
    ),
    encoding="latin-1",
)

SAMPLES: dict[tuple[str, int], Sample] = {
    ("imdb_reviews", 0): IMDB,
    ("sentiment140", 0): SENTIMENT140,
    ("sst2", 0): SST2,
    ("yelp_polarity_reviews", 0): YELP,
    ("wsc", 0): WSC,
    ("ag_news_subset", 0): AG_NEWS,
    ("ag_news_subset", 1): AG_NEWS_HEADED,
    ("cola", 0): COLA,
    ("trec", 0): TREC,
    ("trec", 1): TREC,
}
