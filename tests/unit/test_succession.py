"""Which offer that appeared may be which one that went."""

from collections.abc import Mapping

import numpy as np
import pytest

from gpuledger.core.evidence.succession import Comings, is_other_gpu, nearest, says_more, succession


def comings(*rows: Mapping[str, object]) -> Comings:
    """Claims that share all keys but those that a row states."""
    columns = {
        name: [row.get(name, default) for row in rows]
        for name, default in {
            "is_gone": False, "is_new": False, "usd": 2.0, "like_key": 1, "place_key": 1, "machine_key": 1,
            "label_key": 1, "shelf_key": 1, "way_key": 1, "way": 1, "kin_key": 1, "gpu": "h100", "region": "here",
            "is_mapped": True, "is_old_region": True,
        }.items()
    }  # fmt: skip
    kinds = {"usd": np.float64, "gpu": object, "region": object}
    return Comings(
        **{
            name: np.array(
                values,
                np.uint64 if name.endswith("key") or name == "way" else kinds.get(name, np.bool_),
            )
            for name, values in columns.items()
        }
    )


GONE, NEW = {"is_gone": True}, {"is_new": True}


def test_each_is_paired_with_the_nearest_price_of_its_key():
    key = np.array([1, 1, 1, 2, 1], np.uint64)
    usd = np.array([1.0, 1.2, 3.0, 1.2, 2.9])
    is_new = np.array([False, True, False, True, True])
    assert nearest(key, usd, ~is_new, is_new).tolist() == [1, 0, 4, -1, 2]


def test_a_new_name_at_the_same_price_is_a_rename():
    found = succession(comings(GONE, NEW))
    assert found.renamed_to.tolist() == [1, -1]
    assert found.is_renamed_alike.tolist() == [True, False]


@pytest.mark.parametrize(
    ("before", "after", "is_relabelled"),
    [
        ("a100", "a100-sxm-80gb", False),
        ("h100-sxm-80gb", "h100", False),
        ("h100", "a100", True),
        ("h100", "h100x", True),
    ],
)
def test_a_fuller_name_of_a_gpu_is_no_other_gpu(before: str, after: str, is_relabelled: bool):
    found = succession(comings(GONE | {"gpu": before}, NEW | {"gpu": after}))
    assert bool(found.is_relabelled[1]) == is_relabelled
    assert says_more(before, after) != is_relabelled


@pytest.mark.parametrize(
    ("one", "other", "is_other"),
    [
        ("a100-80gb", "a100-40gb", True),
        ("a100-80gb", "a100-sxm-40gb", True),
        ("h100-sxm-80gb", "h100-pcie-80gb", True),
        ("h100-pcie-80gb", "h100-nvl-94gb", True),
        ("h100-80gb", "gh200-96gb", True),
        ("l40-48gb", "l40s-48gb", True),
        ("l4-24gb", "l40-48gb", True),
        ("rtx-4080-16gb", "rtx-4080-super-16gb", True),
        ("h100-80gb", "h100 mig 1g.10gb", True),
        ("h100-80gb", "h100-sxm-80gb", False),
        ("a100", "a100-sxm-80gb", False),
        ("h200-141gb", "h200-nvl-141gb", False),
    ],
)
def test_another_gpu_at_the_price_of_one_that_went_is_told_from_a_fuller_name(
    one: str, other: str, is_other: bool
):
    assert is_other_gpu(one, other) == is_other_gpu(other, one) == is_other
    own = {"like_key": 2, "place_key": 2, "machine_key": 2, "label_key": 2, "way_key": 2, "kin_key": 2}
    found = succession(comings(GONE | {"gpu": one}, NEW | own | {"gpu": other}))
    assert found.is_renamed_gpu.tolist() == [False, is_other]
    assert found.renamed_to.tolist() == [1 if is_other else -1, -1]
    cheaper = succession(comings(GONE | {"gpu": one}, NEW | own | {"gpu": other, "usd": 1.9}))
    assert not cheaper.is_renamed_gpu.any()


def test_the_same_machine_in_another_old_place_is_moved_and_in_a_new_one_renamed():
    elsewhere = NEW | {"region": "there", "like_key": 2}
    assert succession(comings(GONE, elsewhere)).is_moved.tolist() == [False, True]
    found = succession(comings(GONE, elsewhere | {"is_old_region": False}))
    assert (found.is_moved[1], found.is_renamed_alike[0]) == (False, True)


def test_the_same_machine_bought_in_another_way_at_one_price_is_told():
    spot = NEW | {"way": 2, "like_key": 2, "machine_key": 2, "label_key": 2, "kin_key": 2}
    assert succession(comings(GONE, spot)).is_rebought.tolist() == [False, True]
    assert not succession(comings(GONE, spot | {"usd": 1.0})).is_rebought.any()


def test_where_all_names_changed_the_middle_prices_are_compared():
    went = [GONE | {"usd": usd} for usd in (1.0, 2.0, 3.0)]
    came = [NEW | {"usd": usd * 0.6} for usd in (1.0, 2.0, 3.0)]
    assert np.exp(succession(comings(*went, *came)).shift[3:]).tolist() == pytest.approx([0.6] * 3)
