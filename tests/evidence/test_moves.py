"""How the prices of one run moved together: what each move says beside the others."""

import numpy as np
import pytest

from gpuledger.core.evidence.moves import Moves, figures_of_moves, taken_over

ROW = {
    "usd": 1.0, "believed_usd": 1.0, "gpu_count": 1.0, "term": 0.0, "option": "on_demand", "gpu": "h100",
    "region": "east", "provider": "made", "sku": "one", "way": "on_demand",
}  # fmt: skip


def figures(*rows: dict[str, object], both: int | None = None) -> dict[str, list[float]]:
    """Of moves that differ from one plain row as told."""
    told = [{**ROW, **row} for row in rows]
    told = [
        {**row, "product": row.get("product", f"{row['gpu']} {row['sku']} {row['option']}")} for row in told
    ]

    def codes(name: str) -> np.ndarray:
        values = sorted({str(row[name]) for row in told})
        return np.array([values.index(str(row[name])) for row in told])

    def numbers(name: str) -> np.ndarray:
        return np.array([row[name] for row in told], float)

    moves = Moves(
        change=np.log(numbers("usd") / numbers("believed_usd")),
        **{name: numbers(name) for name in ("usd", "believed_usd", "gpu_count", "term")},
        **{name: codes(name) for name in ("option", "gpu", "region", "provider", "sku")},
        product_key=codes("product").astype(np.uint64),
        way=codes("way").astype(np.uint64),
    )
    every = {int(option): both or len(told) for option in np.unique(moves.option)}
    return {name: figure.tolist() for name, figure in figures_of_moves(moves, every).items()}


def moved(usd: float, before: float, **other: object) -> dict[str, object]:
    return {"usd": usd, "believed_usd": before, **other}


def test_a_list_that_is_halved_says_so_of_each_row():
    found = figures(
        moved(2, 4), moved(1, 2, gpu="a100"), moved(0.5, 1, gpu="l4"), moved(2.9, 3, gpu="t4"), both=6
    )
    assert found["option_factor"] == pytest.approx([0.5] * 4)
    assert found["option_alike"] == [3] * 4
    assert found["option_gpus"] == [3] * 4
    assert found["option_both"] == [6] * 4


def test_a_way_to_buy_says_nothing_of_another():
    found = figures(moved(2, 4), moved(1.9, 2, option="spot", way="spot"))
    assert found["option_factor"] == pytest.approx([0.5, 0.95])


def test_a_product_that_is_cut_in_three_places_is_counted_and_one_of_two_is_not():
    cut = [moved(3, 4, region=region) for region in ("east", "west", "north")]
    other = [moved(6, 8, gpu="a100", region=region) for region in ("east", "west")]
    found = figures(*cut, *other)
    assert found["product_alike"][:3] == [3] * 3
    assert found["product_regions"][:3] == [3] * 3
    assert np.isnan(found["product_alike"][3:]).all()


def test_a_place_whose_prices_moved_by_one_factor_is_counted_apart_from_others():
    found = figures(
        moved(2.4, 2), moved(1.2, 1, gpu="l4"), moved(2.02, 2, gpu="t4"), moved(2.4, 2, region="west")
    )
    assert found["region_alike"][0] == found["region_alike"][1] == 2
    assert np.isnan(found["region_alike"][2])
    assert found["region_gpus"][3] == 1


@pytest.mark.parametrize(
    ("one", "other", "is_exchanged"),
    [
        pytest.param({"gpu": "h100"}, {"gpu": "a100"}, True, id="two products in one place"),
        pytest.param({"region": "east"}, {"region": "west"}, True, id="one product in two places"),
        pytest.param({"way": "on_demand"}, {"option": "spot", "way": "spot"}, True, id="two ways to buy"),
        pytest.param({"provider": "made"}, {"provider": "other"}, True, id="two providers"),
        pytest.param({}, {}, False, id="two of one kind are the same"),
        pytest.param({"gpu": "h100"}, {"gpu": "a100", "region": "west"}, False, id="other products elsewhere"),
    ],
)  # fmt: skip
def test_prices_that_changed_places(
    one: dict[str, object], other: dict[str, object], is_exchanged: bool
) -> None:
    found = figures(moved(2, 4, **one), moved(4, 2, **other))
    assert found["is_exchanged"] == [is_exchanged] * 2


def test_the_price_of_the_whole_machine_counts_as_well():
    found = figures(moved(1, 2, gpu_count=4), moved(8, 4, gpu="a100"))
    assert found["is_exchanged"] == [True, True]


def test_a_small_move_meets_another_by_chance_unless_it_is_one_of_many_between_two_places():
    pair = (moved(2.00, 2.02), moved(2.02, 2.00, region="west"))
    assert not any(figures(*pair)["is_exchanged"])
    many = [{**move, "gpu": gpu} for gpu in ("h100", "a100") for move in pair]
    found = figures(*many)
    assert found["is_exchanged"] == found["is_of_places"] == [True] * 4


def test_prices_that_slipped_by_a_row_are_told_and_two_alone_are_not():
    slipped = [
        moved(new, before, gpu=gpu, region=region)
        for new, before, gpu, region in [(4, 2, "a", "r1"), (8, 4, "b", "r2"), (16, 8, "c", "r3")]
    ]
    assert figures(*slipped)["is_exchanged"] == [True] * 3
    assert figures(*slipped[:2])["is_exchanged"] == [False] * 2


def test_a_price_without_a_rate_says_nothing():
    found = figures(moved(2, 4), moved(float("nan"), 2, gpu="a100"))
    assert found["option_factor"] == pytest.approx([0.5, 0.5])
    assert found["option_alike"] == [1, 1]
    assert found["is_exchanged"] == [False, False]


@pytest.mark.parametrize(
    ("whole", "shelf", "gpu", "is_taken"),
    [
        pytest.param(84.8, 1, 2, True, id="what another product cost that went from there"),
        pytest.param(84.9, 1, 2, False, id="another price"),
        pytest.param(84.8, 2, 2, False, id="another place"),
        pytest.param(84.8, 1, 1, False, id="the same product under another name"),
    ],
)
def test_a_price_that_one_that_went_had(whole: float, shelf: int, gpu: int, is_taken: bool) -> None:
    found = taken_over(
        np.array([84.8, whole]),
        np.array([np.log(84.8 / 98.32), np.nan]),
        np.array([1, shelf], np.uint64),
        np.array([1, gpu]),
        np.array([True, False]),
        np.array([False, True]),
    )
    assert found.tolist() == [is_taken, False]
