"""Text analysis as a worker: statistics, readability, keywords, summaries, comparison.

The daemon runs it as `python3 -m poold.worker examples.text`.  These are plain functions over
English text that use only the standard library.  Only `poold.Rejected`, which tells a caller that
the request is wrong, comes from poold.

Every function takes its text as `text`, or as `path`, a file of UTF-8 that the worker may read.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import zlib
from collections import Counter
from itertools import combinations, pairwise

import poold

__all__ = [
    "concordance",
    "entropy",
    "keywords",
    "readability",
    "sentences",
    "served_by",
    "shared_passages",
    "similarity",
    "summary",
    "top_words",
    "word_count",
]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

# A full stop, perhaps with closing quotes, before text that may begin a sentence.
_STOP = re.compile(r"""[.!?]+["'”’)\]]*(?=\s+["'“‘(\[]*[A-Z0-9])""")

# A full stop that does not end a sentence: after a number or letter that begins one, an initial, or
# an abbreviation.
_NO_STOP = re.compile(
    r"^\(?(?:[0-9]+(?:\.[0-9]+)*|[ivx]+|[A-Za-z])\)?\.$"
    r"|(?:^|[\s(\"'“])(?:[A-Z]|e\.g|i\.e|cf|vs|[Mm]rs?|[Dd]r|Prof|St|Nos?|Art|Sec|Fig|Vol|pp?"
    r"|Inc|Ltd|Corp|Co|U\.S|U\.S\.C|C\.F\.R)\.$"
)

_STOP_WORDS = frozenset(
    """a about above after again against all also am an and any are as at be because been before
    being below between both but by can cannot could did do does doing down during each either else
    every few for from further had has have having he her here hers herself him himself his how
    however i if in into is it its itself just may me might more most must my myself neither no nor
    not now of off on once only or other our ours ourselves out over own per same shall she should
    so some such than that the their theirs them themselves then there thereof these they this those
    through thus to too under unless until up upon us very was we were what whatever when where
    whereas whether which while who whom whose why will with within without would yet you your yours
    yourself yourselves""".split()
)


def word_count(text: str | None = None, path: str | None = None) -> dict:
    """Counts the words, sentences and characters of a text.

    Returns:
        {"lines", "tokens", "words", "distinct_words", "sentences", "characters", "bytes"}: tokens
        are separated by white space, words consist of letters and digits, and lines, characters
        and bytes are those of wc(1).
    """
    text = _read(text, path)
    words = _words(text)
    return {
        "lines": text.count("\n"),
        "tokens": len(text.split()),
        "words": len(words),
        "distinct_words": len(set(words)),
        "sentences": len(_sentences(text)),
        "characters": len(text),
        "bytes": len(_bytes(text)),
    }


def top_words(
    text: str | None = None, path: str | None = None, limit: int = 10, stop_words: bool = False
) -> list[list]:
    """The most frequent words, as [word, count], the most frequent first, then by alphabet.

    Args:
        limit: how many.
        stop_words: whether to count words such as "the" and "of".
    """
    counts = Counter(_words(_read(text, path)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    wanted = [list(item) for item in ranked if stop_words or item[0] not in _STOP_WORDS]
    return wanted[: _positive("limit", limit)]


def sentences(text: str | None = None, path: str | None = None) -> list[str]:
    """The sentences in order, each on one line.  A heading is a sentence of its own; a number that
    begins a paragraph ("4.", "2.1.") belongs to the sentence after it."""
    return _sentences(_read(text, path))


def readability(text: str | None = None, path: str | None = None) -> dict:
    """How hard a text is to read.

    Returns:
        {"flesch_reading_ease"}: 100 is very easy, below 30 very hard; and as years of school
        {"flesch_kincaid_grade", "gunning_fog", "smog", "coleman_liau", "automated_readability"};
        and the counts that they are computed from: {"sentences", "words", "syllables", "letters",
        "long_words"} (of three syllables and more).
    """
    text = _read(text, path)
    found = _sentences(text)
    words = _words(text)
    if not words:
        raise poold.Rejected("a text without words has no readability")
    syllables = [_syllables(word) for word in words]
    letters = sum(character.isalnum() for word in words for character in word)
    long_words = sum(count >= 3 for count in syllables)
    per_sentence = len(words) / len(found)
    per_word = sum(syllables) / len(words)
    scores = {
        "flesch_reading_ease": 206.835 - 1.015 * per_sentence - 84.6 * per_word,
        "flesch_kincaid_grade": 0.39 * per_sentence + 11.8 * per_word - 15.59,
        "gunning_fog": 0.4 * (per_sentence + 100 * long_words / len(words)),
        "smog": 1.0430 * math.sqrt(long_words * 30 / len(found)) + 3.1291,
        "coleman_liau": 5.88 * letters / len(words) - 29.6 / per_sentence - 15.8,
        "automated_readability": 4.71 * letters / len(words) + 0.5 * per_sentence - 21.43,
    }
    return {name: round(score, 2) for name, score in scores.items()} | {
        "sentences": len(found),
        "words": len(words),
        "syllables": sum(syllables),
        "letters": letters,
        "long_words": long_words,
    }


def keywords(text: str | None = None, path: str | None = None, limit: int = 10) -> list[dict]:
    """The phrases of up to three words that describe a text, the best first.

    Rapid automatic keyword extraction: phrases are separated by stop words and punctuation; the
    score of a word grows with the length of its phrases, the score of a phrase is the sum over its
    words, times its frequency.

    Returns:
        [{"phrase", "count", "score"}].
    """
    phrases = [phrase for phrase in _phrases(_read(text, path)) if len(phrase) <= 3]
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    for phrase in phrases:
        for word in phrase:
            frequency[word] += 1
            degree[word] += len(phrase)
    found = [
        {
            "phrase": " ".join(phrase),
            "count": count,
            "score": round(count * sum(degree[word] / frequency[word] for word in phrase), 2),
        }
        for phrase, count in Counter(phrases).items()
    ]
    found.sort(key=lambda each: (-each["score"], each["phrase"]))
    return found[: _positive("limit", limit)]


def concordance(
    word: str, text: str | None = None, path: str | None = None, width: int = 40
) -> list[dict]:
    """Every occurrence of a word, in upper or lower case, with the text around it.

    Args:
        word: one word, or several in this order.
        width: characters of context on either side.

    Returns:
        [{"line", "left", "match", "right"}]: lines are counted from 1, and each run of white space
        is one space.
    """
    text = _read(text, path)
    parts = word.split() if isinstance(word, str) else []
    if not parts:
        raise poold.Rejected("word: a text with at least one word")
    width = _positive("width", width)
    pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, parts)) + r"(?!\w)"
    found = []
    line, counted = 1, 0
    for match in re.finditer(pattern, text, re.IGNORECASE):
        begin, end = match.span()
        line += text.count("\n", counted, begin)
        counted = begin
        found.append(
            {
                "line": line,
                "left": _single(text[max(0, begin - 2 * width) : begin])[-width:],
                "match": _single(match.group()),
                "right": _single(text[end : end + 2 * width])[:width],
            }
        )
    return found


def similarity(texts: list[str] | None = None, paths: list[str] | None = None) -> list[dict]:
    """Compares all pairs of texts; the most similar pair is first.

    Returns:
        [{"first", "second", "cosine", "vocabulary", "passages"}]: the two by path, or by number
        from 0; the cosine of their word frequencies without stop words; the share of common words
        in both vocabularies; the share of common runs of five words.  Each from 0.0 to 1.0.
    """
    if (texts is None) == (paths is None):
        raise poold.Rejected("give texts or paths, as a list of two or more")
    names: list = list(range(len(texts))) if paths is None else list(paths)
    documents = [_read(text, None) for text in texts or ()] or [_read(None, p) for p in paths or ()]
    if len(documents) < 2:
        raise poold.Rejected("give two or more texts to compare")
    found = []
    profiles = [_Profile(document) for document in documents]
    for (a, first), (b, second) in combinations(zip(names, profiles), 2):
        found.append({"first": a, "second": b} | first.compare(second))
    found.sort(key=lambda each: -each["cosine"])
    return found


def shared_passages(paths: list[str], minimum: int = 20) -> list[dict]:
    """The passages that each pair of files has in common, word for word, whatever their layout; the
    pair with the most common words is first.

    Args:
        paths: two or more.
        minimum: the minimum number of words of a passage.

    Returns:
        [{"first", "second", "passages", "shared_words", "first_share", "second_share"}]: passages
        as [{"words", "text"}], the longest first; the number of words in all passages, and its
        share of each file's words.
    """
    minimum = _positive("minimum", minimum)
    if not isinstance(paths, list) or len(paths) < 2:
        raise poold.Rejected("paths: a list of two or more")
    documents = [(path, _read(None, path).split()) for path in paths]
    found = [_compare_passages(*two, minimum) for two in combinations(documents, 2)]
    found.sort(key=lambda each: -each["shared_words"])
    return found


def _compare_passages(
    first: tuple[str, list[str]], second: tuple[str, list[str]], minimum: int
) -> dict:
    one, other = first[1], second[1]
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= minimum]
    blocks.sort(key=lambda block: -block.size)
    shared = sum(block.size for block in blocks)
    return {
        "first": first[0],
        "second": second[0],
        "passages": [
            {"words": block.size, "text": " ".join(one[block.a : block.a + block.size])}
            for block in blocks
        ],
        "shared_words": shared,
        "first_share": round(shared / max(1, len(one)), 4),
        "second_share": round(shared / max(1, len(other)), 4),
    }


def summary(text: str | None = None, path: str | None = None, limit: int = 3) -> list[str]:
    """The sentences that summarize the text best, in the order of the text.

    TextRank: each sentence votes for the sentences that have words in common with it.  Headings and
    other sentences of fewer than six words have no vote.

    Args:
        limit: how many sentences.
    """
    limit = _positive("limit", limit)
    found = _sentences(_read(text, path))
    candidates = [each for each in found if len(_words(each)) >= 6] or found
    scores = _rank([frozenset(_content_words(each)) for each in candidates])
    best = sorted(range(len(candidates)), key=lambda i: (-scores[i], i))[:limit]
    return [candidates[i] for i in sorted(best)]


def entropy(text: str | None = None, path: str | None = None) -> dict:
    """The information in a text, in bits.

    Returns:
        {"bits_per_character"}: of each character alone; {"bits_per_character_after_another"}: if
        the character before is known; {"bits_per_word"}; {"compressed_share"}: the size after
        compression with zlib, as a share of the original.
    """
    text = _read(text, path)
    if not text:
        raise poold.Rejected("an empty text has no entropy")
    raw = _bytes(text)
    pairs = _entropy(Counter(pairwise(text)))
    firsts = _entropy(Counter(text[:-1]))
    return {
        "bits_per_character": round(_entropy(Counter(text)), 4),
        "bits_per_character_after_another": round(pairs - firsts, 4),
        "bits_per_word": round(_entropy(Counter(_words(text))), 4),
        "compressed_share": round(len(zlib.compress(raw, 9)) / len(raw), 4),
    }


def served_by() -> dict:
    """The worker that answers: {"pid", "attempt", "remaining" in seconds (nil: no limit)}."""
    context = poold.context()
    left = context.remaining()
    return {
        "pid": os.getpid(),
        "attempt": context.attempt,
        "remaining": None if math.isinf(left) else round(left, 3),
    }


def _read(text: str | None, path: str | None) -> str:
    if (text is None) == (path is None):
        raise poold.Rejected("give the text as `text`, or the name of a file as `path`")
    if path is None:
        if not isinstance(text, str):
            raise poold.Rejected(f"text: a text, not {type(text).__name__}")
        return text
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise poold.Rejected(f"path: {path!r} cannot be read: {error}") from None


def _bytes(text: str) -> bytes:
    """The bytes of the text as it was read, including those that were not UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _positive(name: str, value: int) -> int:
    if type(value) is not int or value < 1:
        raise poold.Rejected(f"{name}: a whole number from 1, not {value!r}")
    return value


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _content_words(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _STOP_WORDS and not word.isdigit()]


def _single(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _sentences(text: str) -> list[str]:
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        line = " ".join(paragraph.split())
        begin = 0
        for stop in _STOP.finditer(line):
            piece = line[begin : stop.end()]
            if not _NO_STOP.search(piece.strip()):
                found.append(piece.strip())
                begin = stop.end()
        found.append(line[begin:].strip())
    return [sentence for sentence in found if _WORD.search(sentence)]


def _phrases(text: str) -> list[tuple[str, ...]]:
    """Runs of words between stop words, numbers and punctuation."""
    found = []
    for piece in re.split(r"[^\w\s'’-]+|\n\s*\n", text.casefold()):
        run: list[str] = []
        for word in _WORD.findall(piece):
            if word in _STOP_WORDS or len(word) < 2 or word[0].isdigit():
                found.append(tuple(run))
                run = []
            else:
                run.append(word)
        found.append(tuple(run))
    return [phrase for phrase in found if phrase]


def _syllables(word: str) -> int:
    """An estimate from the spelling: groups of vowels, without silent ones, at least one."""
    word = re.sub(r"[^a-z]", "", word)
    count = len(re.findall(r"[aeiouy]+", word))
    if re.search(r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouydt]ed$|[^aeiouysxzcg]es$", word):
        count -= 1
    count += len(re.findall(r"(?<![tscgx])i[aou]|ea(?=te|$)|ism$", word))
    count += len(re.findall(r"(?<![tc])ie(?=nce|nt)|(?<=sc)ie(?=nce)|ie(?=ty)", word))
    return max(1, count)


class _Profile:
    """The properties of a text that are compared."""

    def __init__(self, text: str) -> None:
        words = _words(text)
        self.counts = Counter(_content_words(text))
        self.norm = math.sqrt(sum(count * count for count in self.counts.values()))
        self.vocabulary = set(words)
        self.runs = {tuple(words[i : i + 5]) for i in range(len(words) - 4)}

    def compare(self, other: _Profile) -> dict:
        product = sum(count * other.counts[word] for word, count in self.counts.items())
        norms = self.norm * other.norm
        return {
            "cosine": round(product / norms, 4) if norms else 0.0,
            "vocabulary": _share(self.vocabulary, other.vocabulary),
            "passages": _share(self.runs, other.runs),
        }


def _share(one: set, other: set) -> float:
    union = len(one | other)
    return round(len(one & other) / union, 4) if union else 0.0


def _rank(sentences: list[frozenset[str]]) -> list[float]:
    """The stationary votes of TextRank: damping 0.85, until no vote changes by a millionth."""
    links: list[list[tuple[int, float]]] = [[] for _ in sentences]
    for (i, one), (j, other) in combinations(enumerate(sentences), 2):
        common = len(one & other)
        if common and len(one) > 1 and len(other) > 1:
            weight = common / (math.log(len(one)) + math.log(len(other)))
            links[i].append((j, weight))
            links[j].append((i, weight))
    totals = [sum(weight for _, weight in each) for each in links]
    scores = [1.0] * len(sentences)
    change = 1.0
    while change > 1e-6:
        new = [0.15 + 0.85 * sum(w / totals[j] * scores[j] for j, w in each) for each in links]
        change = max((abs(a - b) for a, b in zip(new, scores)), default=0.0)
        scores = new
    return scores


def _entropy(counts: Counter) -> float:
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values()) + 0.0
