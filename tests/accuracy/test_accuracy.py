"""Estimates against published runs. Needs `GPULEDGER_TRUTH`; the levels asserted are those reached, see
docs/accuracy.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gpuledger.core.estimate.constants import constants
from tests.accuracy.memory_report import memory_scores, user_scores, verdict_of
from tests.accuracy.report import coverage, named, throughput_scores, write
from tools.calibration.calibrate import RUN_TABLES, STEADY_TABLES, Peaks, Throughput
from tools.calibration.online import Online

TRUTH = os.environ.get("GPULEDGER_TRUTH")
ACCURACY_PAGE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"
REACHED = (
    ("stated", "whole runs of tier A,", 9, 13.5),
    ("stated", "whole runs of tiers A and B", 13, 18),
    ("stated", "all throughput", 7.5, 11),
    ("stated", "mixtures of experts on GPUs", 15, 22),
    ("stated", "small models", 12, 20),
    ("stated", "adapters", 12, 22),
    ("stated", "full fine-tuning", 20, 35),
    ("stated", "B200", 15, 20),
    ("said", "all throughput", 12, 18.5),
    ("said", "adapters", 35, 50),
)
needs_truth = pytest.mark.skipif(not TRUTH, reason="GPULEDGER_TRUTH names no folder of published runs")


@pytest.fixture(scope="module")
def throughput() -> Throughput:
    return Throughput(Path(TRUTH or "."))


@pytest.fixture(scope="module")
def peaks() -> Peaks:
    return Peaks(Path(TRUTH or "."))


@needs_truth
def test_every_table_has_rows_and_every_row_left_out_has_a_reason(throughput: Throughput) -> None:
    assert set(throughput.tables) == {*STEADY_TABLES, *RUN_TABLES}
    assert len(throughput.observations) > 600
    assert all(reason for reason in throughput.skipped)


@needs_truth
def test_published_throughput_is_met_by_the_released_constants(throughput: Throughput) -> None:
    predicted, _ = throughput.predicted(constants())
    overall = named(throughput_scores(throughput, predicted), "all throughput")
    assert overall.rows > 500
    assert overall.median < 7.5
    assert overall.mean < 11


@needs_truth
@pytest.mark.deep
def test_peaks_and_facts_are_told_as_the_page_says(peaks: Peaks) -> None:
    scores, verdict = memory_scores(peaks, constants()), verdict_of(peaks, constants())
    held_out = scores["all"][0]
    assert held_out.rows > 150
    assert held_out.median < 6
    assert held_out.mean < 9
    assert verdict["facts"] > 150
    assert verdict["right"] >= 0.95
    assert verdict["wrong and unsafe"] <= 1
    by_name = {score.name: score for score in scores["classes"]}
    assert all(75 <= by_name[name].covered <= 88 for name in ("networks trained whole", "adapters")), by_name
    assert all(score.covered >= 75 for score in by_name.values() if score.rows >= 20), by_name
    assert by_name["Megatron-Core on B200, dense"].mean < 8


@needs_truth
def test_peaks_as_a_user_says_them(peaks: Peaks) -> None:
    scores = {score.name: score for score in user_scores(peaks)}
    assert (scores["adapters"].median < 30, scores["adapters"].mean < 40) == (True, True), scores
    assert (scores["pretraining"].median < 25, scores["pretraining"].mean < 40) == (True, True), scores
    assert all(75 <= scores[name].covered <= 88 for name in ("adapters", "pretraining")), scores


@needs_truth
def test_a_planning_row_above_the_peak_of_its_gpu_is_not_believed(throughput: Throughput) -> None:
    """No prediction exceeds what matrix multiplies reach."""
    _, found = throughput.predicted(constants())
    peak = np.array([row.device.gemm_flops_per_second * row.device.gemm_ceiling for row in throughput.rows])
    assert (found.time.hardware_flops / found.time.total < peak).all()


@needs_truth
@pytest.mark.accuracy
def test_families_held_out_are_predicted_as_the_page_says(throughput: Throughput, peaks: Peaks) -> None:
    k, folder = constants(), Path(TRUTH or ".")
    folds, user = throughput.folds(k), Throughput(folder, as_said=True)
    levels = [(rows, rows.held_out(folds)) for rows in (throughput, user)]
    online = Online(folder)
    write(folder, levels, peaks, online, ACCURACY_PAGE)
    scores, said = (throughput_scores(*level) for level in levels)
    for of, beginning, median, mean in REACHED:
        found = named(said if of == "said" else scores, beginning)
        assert (found.median < median, found.mean < mean) == (True, True), found
    wide = {key: share for key, (rows, share) in coverage(levels, online).items() if rows >= 20}
    assert all(0.75 <= round(share, 2) <= 0.88 for share in wide.values()), wide
