"""Pictures of answers: the suffix decides what is written, and what is drawn is what is told."""

import json
import re
import struct

import pytest

pytest.importorskip("altair", reason="the extra `plot` is not installed")

COMMANDS = {
    "history": ("history", "H100-SXM", "--on-demand", "--every", "1mo"),
    "index": ("index", "H100-SXM"),
    "frontier": ("quote", "llama-3-8b-lora", "--frontier", "--allow-stale"),
    "compare": ("compare", "llama-3-8b-lora", "llama-3-8b-qlora"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_suffix_that_is_none_is_refused_before_anything_is_written(gpuledger, tmp_path, name):
    path = tmp_path / "picture.bmp"
    ran = gpuledger(*COMMANDS[name], "--plot", str(path))
    assert ran.code == 2
    assert "'picture.bmp' ends in none of .svg, .png, .pdf, .html, .json" in ran.err
    assert not path.exists()
    assert ran.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_says_what_it_shows_since_when_and_of_what_day(gpuledger, tmp_path, name):
    path = tmp_path / "picture.json"
    ran = gpuledger(*COMMANDS[name], "--plot", str(path), "-f", "json")
    if ran.code == 1 and "no price in that time" in ran.err:
        pytest.skip("the bundled list has no day of it")
    assert ran.code == 0, ran.err
    told = json.loads(path.read_text())
    subtitle = " ".join(told["title"]["subtitle"])
    assert subtitle.startswith("gpuledger, ")
    assert re.search(r"\d{4}-\d\d-\d\d", subtitle)


def test_the_frontier_is_drawn_point_by_point_in_each_form(gpuledger, tmp_path):
    heads = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    for suffix, head in heads.items():
        path = tmp_path / f"frontier{suffix}"
        ran = gpuledger(*COMMANDS["frontier"], "--plot", str(path), "-f", "json")
        assert ran.code == 0, ran.err
        assert path.read_bytes().startswith(head)
    width = struct.unpack(">I", (tmp_path / "frontier.png").read_bytes()[16:20])[0]
    assert width > 1500, "twice as many pixels as the picture is wide"
    told = gpuledger(*COMMANDS["frontier"], "--plot", str(tmp_path / "frontier.json"), "-f", "json")
    points = json.loads(told.out)
    drawn = json.loads((tmp_path / "frontier.json").read_text())
    layer = next(one for one in drawn["layer"] if one["mark"]["type"] == "point")
    values = layer.get("data", drawn.get("data", {})).get("values") or next(iter(drawn["datasets"].values()))
    assert sorted(value["usd"] for value in values) == sorted(
        float(one["usd_total"]["mid"]) for one in points
    )


def test_a_picture_for_a_browser_opens_without_a_network(gpuledger, tmp_path):
    path = tmp_path / "compare.html"
    assert gpuledger(*COMMANDS["compare"], "--plot", str(path), "-f", "json").code == 0
    assert re.findall(r'<script[^>]+src="http', path.read_text()) == []


@pytest.mark.parametrize("values", [(12.9, 47.2), (2.1, 9.8), (0.08, 32.0), (130.0, 400.0)])
def test_a_logarithmic_axis_has_three_labels_even_within_a_power_of_ten(values):
    from gpuledger.cli.plot import _round_values

    assert sum(min(values) <= one <= max(values) for one in _round_values(values)) >= 3


def test_names_on_a_frontier_do_not_cover_each_other():
    from gpuledger.cli.plot import _label

    values = [
        {
            "hours": 1.0 + number / 100,
            "usd": 10.0 + number / 100,
            "what": "8 x h100-sxm-80gb",
            "provider": "aws",
        }
        for number in range(5)
    ] + [{"hours": 50.0, "usd": 1.0, "what": "1 x a10", "provider": "gcp"}]
    _label(values)
    assert sum(value["label"] != "" for value in values[:5]) <= 2
    assert [value["is_front"] for value in values] == [True, False, False, False, False, True]


def test_the_cheapest_and_the_fastest_of_a_frontier_are_named_and_no_name_covers_a_dot():
    from gpuledger.cli.plot import _label

    # a flat front, whose dots stand where names to the right would be
    values = [
        {"hours": hours, "usd": usd, "what": "4 x mi300x-192gb", "provider": "runpod"}
        for hours, usd in ((0.08, 35.3), (0.8, 14.53), (1.6, 14.52), (3.2, 14.51), (6.4, 14.5), (32.0, 11.3))
    ]
    _label(values)
    assert values[0]["label"] and values[-1]["label"] == "4 x mi300x-192gb, runpod"
    assert not values[0]["is_left"] and values[-1]["is_left"]
    assert sum(value["label"] != "" for value in values[1:5]) >= 2


def test_what_no_source_confirms_is_dotted_without_a_gap():
    from gpuledger.cli.plot import _stretches

    points = [
        {"time": time, "usd": 2.0, "line": "spot", "is_dotted": is_dotted}
        for time, is_dotted in (("1", False), ("2", False), ("3", True), ("4", True), ("5", False))
    ]
    drawn = [(one["stretch"], one["time"], one["is_dotted"]) for one in _stretches(points)]
    assert drawn == [
        ("spot 0", "1", False),
        ("spot 0", "2", False),
        ("spot 0", "3", False),
        ("spot 1", "3", True),
        ("spot 1", "4", True),
        ("spot 1", "5", True),
        ("spot 2", "5", False),
    ]
