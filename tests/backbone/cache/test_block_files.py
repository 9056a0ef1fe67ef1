"""Blocks of bytes on disk: killed writers, several writers, and removal of old folders."""

import os
import subprocess
import sys
import time

from spacy_bert_suite.backbone.cache.block_files import BlockFiles, prune, size_of

WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from spacy_bert_suite.backbone.cache.block_files import BlockFiles

files = BlockFiles(Path(sys.argv[1]))
n = 0
while True:
    numbers = range(n, n + 20)
    blocks = [memoryview(bytes([i % 251]) * (1000 + i % 7)) for i in numbers]
    files.write([i.to_bytes(16, "little") for i in numbers], blocks)
    n += 20
"""


def key_of(i):
    return i.to_bytes(16, "little")


def test_killed_while_writing_and_two_writers(tmp_path):
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    deadline = time.time() + 30
    while (size_of(tmp_path) < 2_000_000 or len([*tmp_path.glob("*.index")]) < 2) and (
        time.time() < deadline
    ):
        time.sleep(0.02)
    for writer in writers:
        writer.kill()
        writer.wait()
    files = BlockFiles(tmp_path)
    assert len([*tmp_path.glob("*.rows")]) == 2
    assert len(files) >= 20
    for i in range(len(files)):  # all that is listed is there, and right
        buffer = bytearray(1000 + i % 7)
        assert files.read(key_of(i), memoryview(buffer))
        assert buffer == bytes([i % 251]) * len(buffer)
    assert not files.read(key_of(10**9), memoryview(bytearray(10)))


def test_prune_takes_the_oldest(tmp_path):
    new, middle, old = (letter * 32 for letter in "abc")
    for age, name in enumerate([new, middle, old]):
        files = BlockFiles(tmp_path / name)
        files.write([key_of(0)], [memoryview(bytes(1000))])
        for path in (tmp_path / name).iterdir():
            os.utime(path, (0, 1000 - age))
    prune(tmp_path, tmp_path / "none", 2500)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [new, middle]
