"""Threads that share a pipeline."""

import copy
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacy_bert_suite.core.locks import ForkedLock, SharedLock, is_running

LONG = 30  # seconds; only a failure takes them


def test_predictions_share_and_training_is_alone():
    lock, inside, most = SharedLock(), [], []

    def work(kind):
        with getattr(lock, kind)():
            inside.append(kind)
            time.sleep(0.002)
            most.append(sorted(inside))
            inside.remove(kind)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, ["shared", "shared", "shared", "alone"] * 20, timeout=LONG))
    assert all("alone" not in kinds or kinds == ["alone"] for kinds in most)
    assert any(len(kinds) > 1 for kinds in most)


def test_training_waits_for_running_predictions_only():
    lock, order = SharedLock(), []
    is_shared, may_end = threading.Event(), threading.Event()

    def predict():
        with lock.shared():
            is_shared.set()
            may_end.wait(LONG)
            order.append("predicted")

    def train():
        with lock.alone():
            order.append("trained")

    first = threading.Thread(target=predict)
    first.start()
    assert is_shared.wait(LONG)
    second = threading.Thread(target=train)
    second.start()
    may_end.set()
    for thread in (first, second):
        thread.join(LONG)
    assert order == ["predicted", "trained"]


def test_who_trains_may_predict_and_train_again():
    lock = SharedLock()
    with lock.alone(), lock.shared(), lock.alone():
        pass
    with lock.shared():
        pass


@pytest.mark.parametrize("kind", [SharedLock, ForkedLock])
def test_a_copy_is_a_new_lock(kind):
    lock = kind()
    with taken(lock):
        for again in (copy.deepcopy(lock), pickle.loads(pickle.dumps(lock))):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(enter, again).result(LONG)


def taken(lock):
    return lock.alone() if isinstance(lock, SharedLock) else lock


def enter(lock):
    with taken(lock):
        return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_its_parent():
    lock, loading = SharedLock(), ForkedLock()
    held, may_end = threading.Event(), threading.Event()

    def hold():
        with lock.alone(), loading:
            held.set()
            may_end.wait(LONG)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LONG)
    child = os.fork()
    if child == 0:
        with lock.shared(), loading:
            os._exit(7)
    may_end.set()
    thread.join(LONG)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_is_running():
    started, may_end = threading.Event(), threading.Event()

    def outer():
        inner()

    def inner():
        started.set()
        may_end.wait(LONG)

    thread = threading.Thread(target=outer)
    thread.start()
    assert started.wait(LONG)
    assert is_running(outer, thread.ident) and is_running(inner, thread.ident)
    assert not is_running(enter, thread.ident)
    may_end.set()
    thread.join(LONG)
    assert not is_running(outer, thread.ident)
