"""A label that nobody knew is kept; the alias that comes later repairs its history, without a replay."""

from decimal import Decimal

from gpuledger.core.alias import Alias


def gpu_ids(books) -> list[tuple]:
    return books.ask("select gpu_label, gpu_id from offer order by offer_no")


def test_an_unmapped_label_keeps_its_price(books, an_offer):
    books.run(an_offer("a", gpu_label="B300 NVL"))
    assert gpu_ids(books) == [("B300 NVL", None)]
    assert books.ask("select amount::double, gpu_id from price_history") == [(2.5, None)]


def test_a_later_alias_maps_the_past_as_well(books, an_offer):
    books.run(an_offer("a", "2.5", gpu_label="B300 NVL"))
    books.run(an_offer("a", "2.6", gpu_label="B300 NVL"))
    books.aliases = (*books.aliases, Alias("", "B300 NVL", None, "b300-sxm-288gb"))
    assert gpu_ids(books) == [("B300 NVL", "b300-sxm-288gb")]
    assert books.ask("select gpu_id, count(*) from price_history group by all") == [("b300-sxm-288gb", 2)]
    books.publish()
    assert books.read("select gpu_id from offer_latest") == [("b300-sxm-288gb",)]


def test_a_corrected_alias_corrects_the_past(books, an_offer):
    books.run(an_offer("a", gpu_label="L4"))
    books.aliases = (Alias("runpod", "L4", None, "l40-48gb"), *books.aliases)
    assert gpu_ids(books) == [("L4", "l40-48gb")]


def test_an_alias_that_is_taken_back_leaves_the_label_unmapped(books, an_offer):
    books.run(an_offer("a", gpu_label="L4"))
    books.aliases = tuple(alias for alias in books.aliases if alias.label != "L4")
    assert gpu_ids(books) == [("L4", None)]


def test_memory_tells_two_offers_of_one_label_apart(books, an_offer):
    books.run(
        an_offer("a", gpu_label="A100", gpu_memory_gib=Decimal(80)),
        an_offer("b", gpu_label="A100", gpu_memory_gib=Decimal(40)),
        an_offer("c", gpu_label="A100"),
    )
    assert gpu_ids(books) == [("A100", "a100-80gb"), ("A100", None), ("A100", None)]
    books.aliases = (*books.aliases, Alias("", "A100", Decimal(40), "a100-40gb"))
    assert gpu_ids(books) == [("A100", "a100-80gb"), ("A100", "a100-40gb"), ("A100", None)]
