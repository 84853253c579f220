"""Seeded ways to alter the files of a bundle, and to make the digests fit again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

MANIFEST = "challenge.json"
Alteration = Callable[[Random, bytes], bytes]

#: JSON texts that take the place of a value.
NASTY_JSON = [
    "null", "true", "[]", "{}", '""', "0", "-1", "1.5", "3.0", "1e308", "-1e308", "1e999", "NaN",
    "Infinity", "-Infinity", "9007199254740993", "1" + "0" * 40, "1" + "0" * 5000, '"\\u0000"',
    '"\\ud800"', '"\\u001b[2J"', '"../../etc/passwd"', '"/etc/passwd"', '"a\\n"',
    '"' + "x" * 3000 + '"', "[" * 50 + "]" * 50, "[" * 900 + "]" * 900, '{"a": {"a": {"a": 1}}}',
    "[1, 1]", "[0.5, 0.5]", '["planted", 1e-300]', "[1e-9]", "2000000000", '"sealed"', '"plain"',
    '"0000000000000000000000000000000000000000000000000000000000000000"',
]  # fmt: skip
NASTY_DTYPES = ["F64", "F16", "BF16", "I64", "I8", "U8", "BOOL", "F8_E4M3", "F4", "X", "", "f32"]
NASTY_NUMBERS = [0, 1, -1, 2, 7, 2**31, 2**32 + 1, 2**53, 2**63, 2**64, 2**64 - 1, 10**30]


def flip_bit(random: Random, content: bytes) -> bytes:
    altered = bytearray(content)
    altered[random.randrange(len(altered))] ^= 1 << random.randrange(8)
    return bytes(altered)


def truncate(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content))]


def extend(random: Random, content: bytes) -> bytes:
    return content + random.choice([b"\0", b" ", b"\n", b"{}", random.randbytes(64)])


def swap_blocks(random: Random, content: bytes) -> bytes:
    one, two = sorted(random.sample(range(len(content)), 2))
    size = random.randint(1, max(1, min(64, two - one)))
    altered = bytearray(content)
    altered[one : one + size], altered[two : two + size] = (
        altered[two : two + size],
        altered[one : one + size],
    )
    return bytes(altered)


def overwrite(random: Random, content: bytes) -> bytes:
    place = random.randrange(len(content))
    filler = random.choice([b"\0", b"\xff", b'"', b"[", b"{", random.randbytes(1)])
    size = random.randint(1, 64)
    return content[:place] + filler * size + content[place + size :]


def delete_block(random: Random, content: bytes) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + content[place + random.randint(1, 64) :]


def repeat_block(random: Random, content: bytes) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + content[place : place + random.randint(1, 64)] + content[place:]


BYTE_ALTERATIONS: tuple[Alteration, ...] = (
    flip_bit, truncate, extend, swap_blocks, overwrite, delete_block, repeat_block
)  # fmt: skip


def replace_value(random: Random, content: bytes) -> bytes:
    """Puts a nasty value in the place of one anywhere in the JSON."""
    value = json.loads(content)
    holder, key = random.choice(list(places(value)))
    holder[key] = "@@"
    return json.dumps(value).replace('"@@"', random.choice(NASTY_JSON)).encode()


def delete_key(random: Random, content: bytes) -> bytes:
    value = json.loads(content)
    holder, key = random.choice(list(places(value)))
    del holder[key]
    return json.dumps(value).encode()


def add_key(random: Random, content: bytes) -> bytes:
    value = json.loads(content)
    holders = [holder for holder, _ in places(value) if isinstance(holder, dict)]
    name = random.choice(
        ["extra", "", "../x", "/etc/passwd", "__proto__", "\u202e", "id", "a" * 999]
    )
    random.choice(holders)[name] = random.choice([None, 1, "x", [], {}])
    return json.dumps(value).encode()


def duplicate_key(random: Random, content: bytes) -> bytes:
    value = json.loads(content)
    holders = [holder for holder, _ in places(value) if isinstance(holder, dict)]
    holder = random.choice(holders)
    name = random.choice(list(holder))
    holder["@@"] = holder[name]
    return json.dumps(value).replace('"@@"', json.dumps(name)).encode()


def shuffle_keys(random: Random, content: bytes) -> bytes:
    value = json.loads(content)
    holder = random.choice([value, *[h for h, _ in places(value) if isinstance(h, dict)]])
    items = list(holder.items())
    random.shuffle(items)
    holder.clear()
    holder.update(items)
    return json.dumps(value, indent=random.choice([None, 1, 2])).encode()


JSON_ALTERATIONS: tuple[Alteration, ...] = (
    replace_value, replace_value, replace_value, delete_key, add_key, duplicate_key, shuffle_keys
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Returns every (container, key or index) in a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        found.append((value, key))
        found += places(value[key])
    return found


def split_header(content: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(content[:8], "little")
    return content[8 : 8 + length], content[8 + length :]


def with_header(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def alter_header(random: Random, content: bytes) -> bytes:
    header, data = split_header(content)
    return with_header(random.choice(JSON_ALTERATIONS)(random, header), data)


def alter_header_bytes(random: Random, content: bytes) -> bytes:
    header, data = split_header(content)
    return with_header(random.choice(BYTE_ALTERATIONS)(random, header), data)


def alter_length(random: Random, content: bytes) -> bytes:
    length = random.choice([0, 1, 7, 2**20, 2**27, 2**31, 2**63, 2**64 - 1, len(content)])
    return length.to_bytes(8, "little") + content[8:]


def alter_tensor(random: Random, content: bytes) -> bytes:
    """Changes dtype, shape or offsets of one tensor in the header."""
    header, data = split_header(content)
    value = json.loads(header)
    name = random.choice([name for name in value if name != "__metadata__"])
    entry = value[name]
    kind = random.randrange(5)
    if kind == 0:
        entry["dtype"] = random.choice(NASTY_DTYPES)
    elif kind == 1:
        entry["shape"] = [*entry["shape"][:-1], random.choice(NASTY_NUMBERS)]
    elif kind == 2:
        entry["data_offsets"][random.randrange(2)] = random.choice(NASTY_NUMBERS)
    elif kind == 3:
        other = random.choice([other for other in value if other != "__metadata__"])
        entry["data_offsets"] = value[other]["data_offsets"]
    else:
        entry["shape"] = random.choice([[], [0], [1] * 200, entry["shape"][::-1], [2**40, 2**40]])
    return with_header(json.dumps(value).encode(), data)


TENSOR_ALTERATIONS: tuple[Alteration, ...] = (
    *BYTE_ALTERATIONS, alter_header, alter_header_bytes, alter_length, alter_tensor, alter_tensor
)  # fmt: skip


def freeze(manifest: Mapping[str, Any]) -> bytes:
    """Returns the content of a manifest with a `frozen` that fits, as a forger makes it."""
    value = {name: entry for name, entry in manifest.items() if name != "frozen"}
    digest = hashlib.sha256(_layout(value)).hexdigest()
    return _layout({**value, "frozen": digest})


def _layout(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def sign(files: Mapping[str, bytes], changed: str) -> dict[str, bytes]:
    """Returns the files with digests, sizes and commitment that fit, as a forger makes them."""
    manifest = json.loads(files[MANIFEST])
    content = files[changed]
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["files"][changed] = entry
    if changed == "truth.safetensors":
        committed = hashlib.sha256(b"plantkit-truth-1\n" + content).hexdigest()
        manifest["truth"]["commitment"] = committed
    return {**files, MANIFEST: freeze(manifest)}
