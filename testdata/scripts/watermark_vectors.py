"""Numbers of windows and tokens, from the words of docs/formats/watermark-key.md and nothing of this project: testdata/vectors/watermark.tsv.

Made with blake3 1.0.11 for Python 3.11.7: python3 testdata/scripts/watermark_vectors.py > testdata/vectors/watermark.tsv
"""

from struct import pack, unpack

from blake3 import blake3

KEY = bytes(range(32))
print("# scheme, window, token, number; key 00 01 … 1f; testdata/scripts/watermark_vectors.py, blake3 1.0.11")
for scheme in ("kgw", "gumbel"):
    hash_key = blake3(KEY, derive_key_context=f"filiation watermark v1 {scheme}").digest()
    for window in ((0,), (1, 2), (511, 0, 70_000), (1, 2, 3, 4, 5, 6, 7, 8)):
        for token in (0, 7, 299, 128_255):
            output = blake3(b"".join(pack("<I", t) for t in window), key=hash_key).digest(length=8, seek=8 * token)
            number = (2 * (unpack("<Q", output)[0] >> 12) + 1) / 2**53
            print(scheme, " ".join(map(str, window)), token, repr(number), sep="\t")
