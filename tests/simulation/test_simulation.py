"""Seeds that hold whatever happens, and what a failure tells. `make simulate` runs ten thousand."""

import pytest

from tests.simulation.run import WORLDS, run_seed, told

IN_EVERY_SUITE = [WORLDS]
"""Of one market, whose first day is made once."""


@pytest.mark.simulation
@pytest.mark.parametrize("seed", IN_EVERY_SUITE)
def test_whatever_happens_the_ledger_holds(seed):
    result = run_seed(seed)
    assert not result.error, told(result)
    assert result.steps >= 8
    assert result.checks


def test_a_seed_takes_the_same_way_again():
    one, other = run_seed(3 * WORLDS, steps=2), run_seed(3 * WORLDS, steps=2)
    assert one == other
