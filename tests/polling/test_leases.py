"""Leases, in a home of one's own and in a shared store: one holder each, who loses them by doing nothing."""

from datetime import timedelta

import pytest

from gpuledger.core.errors import LeasedError
from gpuledger.core.store.leases import Leases, holder_name


@pytest.fixture
def leases(either_home, clock) -> Leases:
    either_home.create()
    return Leases(home=either_home, clock=clock, lasts=timedelta(seconds=90))


def test_one_holder_at_a_time(leases: Leases):
    assert leases.living() == {}
    assert leases.take("a", ["runpod", "vast"]) == {"runpod", "vast"}
    assert leases.take("b", ["vast", "verda"]) == {"verda"}
    assert leases.renew("a") == {"runpod", "vast"}
    assert leases.held_by("b") == {"verda"}
    with pytest.raises(LeasedError, match="vast is read by a, whose lease ends at"):
        leases.check_free("vast")
    leases.check_free("ecb")
    leases.release("a", ["vast"])
    assert leases.take("b", ["vast", "runpod"]) == {"vast"}
    leases.release("b")
    assert {name: lease.holder for name, lease in leases.living().items()} == {"runpod": "a"}


def test_whoever_holds_a_source_may_write_for_it(leases: Leases):
    leases.take("a", ["runpod"])
    with leases.holding("a", "runpod"):
        pass
    for holder, source in (("b", "runpod"), ("a", "vast")):
        with pytest.raises(LeasedError, match="has lapsed"), leases.holding(holder, source):
            pass


def test_a_lease_lapses_by_itself_and_is_not_renewed_then(home, clock):
    home.create()
    leases = Leases(home=home, clock=clock)
    leases.take("a", ["runpod"])
    clock.forward(seconds=60)
    assert leases.renew("a") == {"runpod"}
    clock.forward(seconds=90)
    assert leases.renew("a") == frozenset()
    leases.check_free("runpod")
    with pytest.raises(LeasedError, match="has lapsed"), leases.holding("a", "runpod"):
        pass
    assert leases.take("b", ["runpod"]) == {"runpod"}


def test_a_lease_of_a_clock_that_was_ahead_is_none(home, clock):
    home.create()
    leases = Leases(home=home, clock=clock)
    clock.forward(hours=3)
    leases.take("a", ["runpod"])
    clock.forward(hours=-3)
    assert leases.living() == {}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"runpod": {}}', b'{"runpod": {"holder": "a", "until": "x"}}']
)
def test_a_broken_file_holds_no_lease(home, clock, content: bytes):
    home.create()
    leases = Leases(home=home, clock=clock)
    leases.take("a", ["runpod"])
    (home.path / "locks" / "leases.json").write_bytes(content)
    assert leases.living() == {}
    assert leases.take("b", ["runpod"]) == {"runpod"}


def test_no_two_processes_have_one_name(home):
    assert len({holder_name(home) for _ in range(50)}) == 50
