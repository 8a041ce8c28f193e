"""Ways to damage a text: bytes, words, its encoding, the values of JSON, the elements of XML."""

import json
import random
import re
from typing import Any

Rng = random.Random
Value = Any  # Any: what a JSON document holds
BYTES = (b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 20, b"\xff" * 4, b"\0" * 4, b",", b":", b"\n")
# As they stand in a document of JSON.
VALUES = (
    *("null", "true", "false", "-1", "0", "0.5", "-0.0", "1e300", "-1e300", "1e999", "NaN", "-Infinity"),
    *("2147483648", "-9223372036854775809", "9" * 400, "9" * 5000, "100000000", "16777216", "65536", "256"),
    *('""', '"x"', '"1"', '"../../x"', '"/etc/passwd"', '"C:\\\\x"', '"a/../../b.png"', '"\\ud800"', '"\\u0000"'),
    *('"ä\\n\\t\\u001b[31m"', '"%"', '"${x}"', '"{}"', '"' + "a" * 9000 + '"', "[]", "{}", "[[]]", "[null]", '[""]'),
    *('{"":0}', "[1e300,1,2,3,4,-1e300]", "[0,1,NaN,2,3,4]", '{"size":[-1,9],"counts":[1,2]}'),
    *('{"size":[1000000000,1000000000],"counts":"0"}', '{"a":' * 500 + "0" + "}" * 500),
    *("[" * 500 + "]" * 500, "[" * 100_000),
    *('"' + "a" * 300 + '.png"', '"a\\u0000b.png"', '"' + "é" * 200 + '"', '"=1+2"'),
)
WORDS = (
    *("-1", "1e999", "nan", "inf", "9" * 20, "9" * 5000, "0", "1", "256", "65536", "100000000", "0.5", "", "x", "é"),
    *("../../x", "/etc/passwd", "a/../b", "\0", "\ufeff", "\x1b[31m", "&a;", "<a>", "]]>", '"', ",", ";", "\n", "\t"),
    *("!!python/object:os.system", "*a", "&a [*a]", "{", "[" * 3000, "null", "~", "yes", "0x10", "1_000", "٣", "²"),
    *('"\\ud800"', '"\\0"', "a" * 300, "\x1b]0;x\x07", "=1+2", "CON", "a/" * 200),
)
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>",
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY i SYSTEM "file:///etc/passwd">]>',
    '<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<?xml version="1.0" encoding="utf-16"?>',
    '<?xml version="1.0" encoding="no-such"?>',
)


def changed_bytes(data: bytes, rng: Rng) -> bytes:
    """Up to five changes: a byte, a bit, something cut out, put in, repeated or written over, or the rest gone."""
    found = bytearray(data or b"x")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(found))
        change = rng.randrange(7)
        if change == 0:
            found[at] = rng.randrange(256)
        elif change == 1:
            found[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del found[at : at + rng.randrange(1, 30)]
        elif change == 3:
            found[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif change == 4:
            found[at : at + 8] = found[rng.randrange(len(found)) :][:8]
        elif change == 5:
            found[at : at + 1] = rng.choice(BYTES)
        else:
            del found[at:]
        found = found or bytearray(b"x")
    return bytes(found)


def encoded(data: bytes, rng: Rng) -> bytes:
    """A text in another encoding, with another mark at its start, or with other line ends."""
    text = data.decode("utf-8", "replace")
    ways = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\xef\xbb\xbf" * 2 + data,
        lambda: text.replace("a", "é").encode("latin-1", "replace"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data + b"\0" * 9,
        lambda: data + data,
    )
    return rng.choice(ways)()


def another_word(data: bytes, rng: Rng) -> bytes:
    """A text, one or some of whose words are others."""
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 3))):
        words = list(re.finditer(r"[\w.+-]+", text))
        if not words:
            return data
        word = rng.choice(words)
        text = text[: word.start()] + rng.choice(WORDS) + text[word.end() :]
    return text.encode("utf-8")


def with_entities(data: bytes, rng: Rng) -> bytes:
    """XML whose words are entities: of ten to the eighth letters, or of other files."""
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", data.decode("utf-8", "replace"))
    words = list(re.finditer(r"(?<=[\">])[\w.]+(?=[\"<])", text))
    if words:
        word = rng.choice(words)
        text = text[: word.start()] + "&i;" + text[word.end() :]
    return (rng.choice(ENTITIES) + text).encode("utf-8")


def another_element(data: bytes, rng: Rng) -> bytes:
    """XML with a tag that is gone, twice, renamed or very deep."""
    text = data.decode("utf-8", "replace")
    tag = rng.choice(list(re.finditer(r"<[^>]*>", text)) or [re.match("", text)])
    assert tag is not None
    put = rng.choice(("", tag[0] * 2, "<a>" * 50_000, "<x y='z'/>", "<![CDATA[", "<a><b/></a>", "<!--"))
    return (text[: tag.start()] + put + text[tag.end() :]).encode("utf-8")


def _places(value: Value) -> list[tuple[Value, Value]]:
    """Every (container, key) of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


def another_value(data: bytes, rng: Rng) -> bytes:
    """A document with some values replaced, gone, repeated or exchanged, or with a key that is there twice."""
    try:
        document = json.loads(data)
    except ValueError:
        return changed_bytes(data, rng)
    puts = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = _places(document)
        if not places:
            break
        (inside, key), (other, other_key) = rng.choice(places), rng.choice(places)
        change = rng.randrange(10)
        if change < 6:
            puts.append(rng.choice(VALUES))
            inside[key] = f"@{len(puts) - 1}@"
        elif change == 6:
            del inside[key]
        elif change == 7 and isinstance(inside, list):
            inside.append(inside[key])
        elif change == 8 and isinstance(inside, dict):
            puts.append(f'{json.dumps(inside[key])},"{key}":{rng.choice(VALUES)}')
            inside[key] = f"@{len(puts) - 1}@"
        elif not isinstance(inside[key], (dict, list)):
            inside[key] = json.loads(json.dumps(other[other_key]))
    text = json.dumps(document)
    for number, put in enumerate(puts):
        text = text.replace(f'"@{number}@"', put)
    return text.encode("utf-8", "surrogatepass")
