"""The example worker on real licence texts, each fact checked another way."""

from __future__ import annotations

import glob
import math
import os
import re
import subprocess
import unittest
import zlib
from collections import Counter

import poold
from examples import text

FOLDER = "/usr/share/common-licenses"
LICENCES = sorted(path for path in glob.glob(f"{FOLDER}/*") if not os.path.islink(path))


def path_of(name: str) -> str:
    return os.path.join(FOLDER, name)


def read(name: str) -> str:
    with open(path_of(name), encoding="utf-8") as file:
        return file.read()


def run(*command: str) -> str:
    """The output of a command; grep's "nothing found" is no failure."""
    found = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})
    return found.stdout


class TestCounts(unittest.TestCase):
    def test_there_are_texts(self) -> None:
        self.assertGreaterEqual(len(LICENCES), 10)

    def test_counts_are_those_of_wc(self) -> None:
        for path in LICENCES:
            lines, tokens, characters, size = map(int, run("wc", "-lwmc", path).split()[:4])
            found = text.word_count(path=path)
            self.assertEqual(
                (found["lines"], found["tokens"], found["characters"], found["bytes"]),
                (lines, tokens, characters, size),
            )
            self.assertTrue(0 < found["distinct_words"] < found["words"])

    def test_text_that_is_not_utf_8(self) -> None:
        given = b"caf\xe9 au lait\n".decode("utf-8", "surrogateescape")
        self.assertEqual(text.word_count(given)["bytes"], 13)
        self.assertGreater(text.entropy(given)["bits_per_character"], 3)

    def test_top_words_are_those_of_grep(self) -> None:
        for path in LICENCES:
            words = run("grep", "-oE", "[[:alnum:]]+(['-][[:alnum:]]+)*", path)
            expected = Counter(words.lower().split())
            found = text.top_words(path=path, limit=10_000, stop_words=True)
            self.assertEqual(dict(found), expected)
            counts = [count for _, count in found]
            self.assertEqual(counts, sorted(counts, reverse=True))

    def test_top_words_of_the_gpl(self) -> None:
        found = text.top_words(path=path_of("GPL-3"), limit=3)
        self.assertEqual([word for word, _ in found], ["license", "work", "program"])
        found = text.top_words("bee ant bee Ant cow the the The", limit=2)
        self.assertEqual(found, [["ant", 2], ["bee", 2]])


class TestSentences(unittest.TestCase):
    def test_none_of_the_text_is_lost(self) -> None:
        for path in LICENCES:
            original = read(path).split()
            kept = " ".join(text.sentences(path=path)).split()
            lost = Counter(original) - Counter(kept)
            self.assertEqual([token for token in lost if re.search(r"\w", token)], [])
            self.assertEqual(Counter(kept) - Counter(original), Counter())

    def test_known_ones(self) -> None:
        found = text.sentences(path=path_of("GPL-3"))
        for sentence in (
            "Preamble",
            "0. Definitions.",
            'Each licensee is addressed as "you".',
            "When we speak of free software, we are referring to freedom, not price.",
        ):
            self.assertIn(sentence, found)
        apache = text.sentences(path=path_of("Apache-2.0"))
        self.assertIn("2. Grant of Copyright License.", apache)

    def test_what_ends_one(self) -> None:
        cases = {
            "See section 7. The rest follows.": ["See section 7.", "The rest follows."],
            'He asked "Why?" Nobody knew.': ['He asked "Why?"', "Nobody knew."],
            "Mr. Smith of Foo Inc. said so.": ["Mr. Smith of Foo Inc. said so."],
            "J. R. Smith wrote 2.5 pages.": ["J. R. Smith wrote 2.5 pages."],
            "1.2. Terms apply.\n\n(a) these.": ["1.2. Terms apply.", "(a) these."],
            "A heading\n\nA text\nof lines": ["A heading", "A text of lines"],
            "-----\n\n": [],
            "": [],
        }
        for given, expected in cases.items():
            with self.subTest(given):
                self.assertEqual(text.sentences(given), expected)


class TestReadability(unittest.TestCase):
    def test_formulas(self) -> None:
        for path in LICENCES:
            found = text.readability(path=path)
            per_sentence = found["words"] / found["sentences"]
            ease = 206.835 - 1.015 * per_sentence - 84.6 * found["syllables"] / found["words"]
            self.assertAlmostEqual(found["flesch_reading_ease"], ease, 2)
            grade = 0.39 * per_sentence + 11.8 * found["syllables"] / found["words"] - 15.59
            self.assertAlmostEqual(found["flesch_kincaid_grade"], grade, 2)

    def test_licences_are_hard_and_a_fable_is_easy(self) -> None:
        for path in LICENCES:
            self.assertLess(text.readability(path=path)["flesch_reading_ease"], 60)
            self.assertGreater(text.readability(path=path)["flesch_kincaid_grade"], 9)
        fable = "The cat sat on the mat. The dog ran to the cat. They were good friends."
        self.assertGreater(text.readability(fable)["flesch_reading_ease"], 100)
        self.assertEqual(text.readability(fable)["syllables"], 16)

    def test_syllables(self) -> None:
        known = """a 1 the 1 free 1 source 1 used 1 based 1 whole 1 file 1 license 2 program 2
            software 2 version 2 patent 2 science 2 client 2 people 2 little 2 freedom 2 changes 2
            user 2 written 2 copyright 3 previous 3 distribute 3 modified 3 licenses 3 notices 3
            area 3 idea 3 created 3 permitted 3 library 3 violate 3 guarantee 3 material 4
            obligation 4 available 4 appropriate 4 derivative 4 society 4 recipient 4 organization 5
            executable 5""".split()
        for word, count in zip(known[::2], known[1::2]):
            with self.subTest(word):
                self.assertEqual(text._syllables(word), int(count))


class TestMeaning(unittest.TestCase):
    def test_keywords(self) -> None:
        found = [each["phrase"] for each in text.keywords(path=path_of("GPL-3"))]
        self.assertEqual(found[0], "covered work")
        self.assertIn("corresponding source", found)
        flat = " ".join(read("GPL-3").casefold().split())
        for each in text.keywords(path=path_of("GPL-3"), limit=50):
            self.assertLessEqual(each["count"], len(re.findall(re.escape(each["phrase"]), flat)))
            self.assertGreater(each["count"], 0)

    def test_summary(self) -> None:
        for path in LICENCES:
            every = text.sentences(path=path)
            found = text.summary(path=path, limit=4)
            places = [every.index(sentence) for sentence in found]
            self.assertEqual(places, sorted(places))
            self.assertEqual(len(found), 4)
        given = (
            "The red fox hunts the grey mouse at night. Bread rises slowly in a warm oven indeed."
            " The grey mouse fears the red fox by day. At night the fox hunts and the mouse hides."
        )
        self.assertNotIn("Bread", " ".join(text.summary(given, limit=3)))
        self.assertEqual(text.summary("Short one.", limit=3), ["Short one."])

    def test_concordance(self) -> None:
        for word in ("license", "warranty", "source"):
            for path in LICENCES:
                found = text.concordance(word, path=path)
                lines = run("grep", "-onwi", word, path).splitlines()
                self.assertEqual(
                    [f"{each['line']}:{each['match']}" for each in found], lines, (word, path)
                )
        phrase = text.concordance("free software foundation", path=path_of("GPL-3"), width=10)
        flat = " ".join(read("GPL-3").split())
        self.assertEqual(len(phrase), len(re.findall("Free Software Foundation", flat)))
        for each in phrase:
            self.assertTrue(len(each["left"]) <= 10 and len(each["right"]) <= 10)
            self.assertIn(each["left"] + each["match"] + each["right"], flat)

    def test_similarity(self) -> None:
        found = text.similarity(paths=LICENCES)
        self.assertEqual(len(found), math.comb(len(LICENCES), 2))
        pairs = {(each["first"], each["second"]): each for each in found}
        near = pairs[path_of("LGPL-2"), path_of("LGPL-2.1")]
        far = pairs[path_of("BSD"), path_of("GPL-3")]
        for measure in ("cosine", "vocabulary", "passages"):
            self.assertGreater(near[measure], far[measure] + 0.3)
            self.assertTrue(all(0 <= each[measure] <= 1 for each in found))
        same = text.similarity(["One text of five words.", "ONE text, of five words"])[0]
        self.assertEqual((same["cosine"], same["vocabulary"], same["passages"]), (1, 1, 1))
        other = text.similarity(["one two three", "four five six"])[0]
        self.assertEqual((other["cosine"], other["vocabulary"], other["passages"]), (0, 0, 0))

    def test_shared_passages(self) -> None:
        names = ["GPL-1", "GPL-2", "BSD"]
        found = text.shared_passages([path_of(name) for name in names])
        self.assertEqual(len(found), 3)
        first = found[0]
        self.assertEqual((first["first"], first["second"]), (path_of("GPL-1"), path_of("GPL-2")))
        one, other = (" ".join(read(name).split()) for name in names[:2])
        self.assertGreater(len(first["passages"]), 10)
        for passage in first["passages"]:
            self.assertIn(passage["text"], one)
            self.assertIn(passage["text"], other)
            self.assertEqual(len(passage["text"].split()), passage["words"])
            self.assertGreaterEqual(passage["words"], 20)
        self.assertEqual(
            first["shared_words"], sum(passage["words"] for passage in first["passages"])
        )
        self.assertAlmostEqual(first["first_share"], first["shared_words"] / len(one.split()), 4)
        whole = text.shared_passages([path_of("BSD")] * 2)[0]
        self.assertEqual((whole["first_share"], len(whole["passages"])), (1.0, 1))

    def test_entropy(self) -> None:
        self.assertEqual(text.entropy("aaaa")["bits_per_character"], 0)
        self.assertEqual(text.entropy("abcdefgh" * 100)["bits_per_character"], 3)
        self.assertLess(text.entropy("abcdefgh" * 100)["bits_per_character_after_another"], 0.01)
        for path in LICENCES:
            found = text.entropy(path=path)
            raw = read(path).encode()
            total, counts = len(read(path)), Counter(read(path))
            expected = math.log2(total) - sum(n * math.log2(n) for n in counts.values()) / total
            self.assertAlmostEqual(found["bits_per_character"], expected, 3)
            self.assertLess(
                found["bits_per_character_after_another"], found["bits_per_character"] - 0.5
            )
            self.assertAlmostEqual(
                found["compressed_share"], len(zlib.compress(raw, 9)) / len(raw), 3
            )


class TestMistakes(unittest.TestCase):
    def test_they_are_rejected(self) -> None:
        cases = [
            (text.word_count, {}),
            (text.word_count, {"text": "a", "path": "b"}),
            (text.word_count, {"text": 5}),
            (text.word_count, {"path": "/no/such/file"}),
            (text.word_count, {"path": ["a"]}),
            (text.word_count, {"path": "/usr/bin/env"}),
            (text.top_words, {"text": "a", "limit": 0}),
            (text.keywords, {"text": "a", "limit": "5"}),
            (text.summary, {"text": "a", "limit": True}),
            (text.readability, {"text": "..."}),
            (text.entropy, {"text": ""}),
            (text.concordance, {"word": " ", "text": "a"}),
            (text.concordance, {"word": 5, "text": "a"}),
            (text.similarity, {}),
            (text.similarity, {"texts": ["a"]}),
            (text.similarity, {"texts": ["a", "b"], "paths": ["a", "b"]}),
            (text.shared_passages, {"paths": [path_of("BSD")]}),
            (text.shared_passages, {"paths": "BSD"}),
        ]
        for function, arguments in cases:
            with self.subTest(function.__name__, **arguments):
                self.assertRaises(poold.Rejected, function, **arguments)

    def test_everything_served_is_documented_and_typed(self) -> None:
        for name in text.__all__:
            function = getattr(text, name)
            self.assertTrue(function.__doc__, name)
            self.assertIn("return", function.__annotations__)


if __name__ == "__main__":
    unittest.main()
