"""Logs of every program that trains, to the same progress; lines as the programs write them."""

import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuledger import Ledger, UsageError
from gpuledger.core.actuals.run_log import parse
from gpuledger.core.actuals.watch import Watched, watched

TITAN = (
    "[titan] 2026-10-05 08:00:00,000 - root - INFO - step:  1  loss: 12.2  grad_norm:  4.1  memory:  9.5GiB(10.1%)"
    "  tps: 1,031  tflops: 5.2  mfu: 1.67%\n"
    "[titan] 2026-10-05 08:01:00,000 - root - INFO - \x1b[31mstep: 11\x1b[0m  loss:  9.1  grad_norm:  2.0  memory: "
    " 9.5GiB(10.1%)  tps: 7,312  tflops: 36.9  mfu: 11.83%\n"
)
MEGATRON = "\n".join(
    f" [2026-10-05 08:00:{second:02}.123456] iteration {step:8}/    1000 | consumed samples: {256 * step:12} |"
    f" elapsed time per iteration (ms): 4000.0 | throughput per GPU (TFLOP/s/GPU): 160.1 | learning rate: 3.0E-04 |"
    f" global batch size:   256 | lm loss: 7.1E+00 |"
    for step, second in ((10, 0), (11, 4), (12, 8))
)
NANOTRON = (
    "10/05/2026 08:00:01 [INFO|DP=0|PP=0|TP=0|ip-10-0-0-1]: iteration: 15 / 1000 | consumed_tokens: 15.7M |"
    " elapsed_time_per_iteration_ms: 1.2K | tokens_per_sec: 880K | tokens_per_sec_per_gpu: 110K |"
    " global_batch_size: 512 | lm_loss: 8.6 | model_tflops_per_gpu: 145\n"
)
NEMO = (
    "Training epoch 0, iteration 49/99 | lr: 1.5e-05 | global_batch_size: 32 | global_step: 49 |"
    " reduced_train_loss: 6.1 | train_step_timing in s: 1.5 | consumed_samples: 1600\n"
)
TRAINER = json.dumps(
    {
        "global_step": 40,
        "max_steps": 100,
        "log_history": [
            {"step": 20, "loss": 2.5, "epoch": 0.2, "num_input_tokens_seen": 20_480},
            {
                "step": 40,
                "loss": 2.1,
                "epoch": 0.4,
                "num_input_tokens_seen": 40_960,
                "train_runtime": 80.0,
                "train_steps_per_second": 0.5,
            },
        ],
    }
)
WANDB = json.dumps(
    {"_step": 40, "_timestamp": 1791158400.0, "train/num_input_tokens_seen": 40_960, "tokens_per_second": 512}
)
HISTORY = "Step,tokens,_timestamp\n10,10240,1791158400\n20,20480,1791158420\n30,30720,1791158440\n"


def event_file(*rows: tuple[int, float, str, float]) -> bytes:
    """What TensorBoard reads: step, time, tag and value of each event."""

    def field(number: int, kind: int, content: bytes) -> bytes:
        return bytes([number << 3 | kind]) + content

    def block(number: int, content: bytes) -> bytes:
        return field(number, 2, bytes([len(content)]) + content)

    events = [field(1, 1, struct.pack("<d", 0.0)) + block(3, b"brain.Event:2")]
    for step, at, tag, value in rows:
        inside = block(1, tag.encode()) + field(2, 5, struct.pack("<f", value))
        events.append(
            field(1, 1, struct.pack("<d", at)) + field(2, 0, bytes([step])) + block(5, block(1, inside))
        )
    return b"".join(struct.pack("<Q", len(e)) + b"0000" + e + b"0000" for e in events)


def wandb_file(*rows: dict[str, Any]) -> bytes:
    """What W&B keeps of a run: each row a record of history, parted where a block of 32 KiB ends."""

    def varint(value: int) -> bytes:
        return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

    def block(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    out = b":W&B\xe1\xbe\x00"
    for row in rows:
        items = (
            block(1, block(2, key.encode()) + block(16, json.dumps(value).encode()))
            for key, value in row.items()
        )
        content = block(2, b"".join(items))
        kind = 1
        while content or kind == 1:
            left = 32_768 - len(out) % 32_768
            if left < 7:
                out += bytes(left)
                continue
            part, content = content[: left - 7], content[left - 7 :]
            kind = (2 if content else 1) if kind == 1 else (3 if content else 4)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            if not content:
                break
    return out


RUN_FILE = wandb_file(
    *(
        {"_step": n, "train/global_step": 10 * n, "_timestamp": 100.0 + 20 * n, "tokens": 10_240 * n}
        for n in (1, 2, 3)
    )
)
TENSORBOARD = event_file(
    (10, 100.0, "tokens", 10_240.0), (20, 120.0, "tokens", 20_480.0), (30, 140.0, "tokens", 30_720.0)
)
# document, what is told beside it; last step, steps, seconds of a step, tokens a second
LOGS: dict[str, tuple[bytes, dict[str, Any], tuple[int, int | None, float, float]]] = {
    "torchtitan": (TITAN.encode(), {"gpus": 8}, (11, None, 6.0, 7312 * 8)),
    "Megatron": (MEGATRON.encode(), {"sequence_length": 4096}, (12, 1000, 4.0, 256 * 4096 / 4)),
    "nanotron": (NANOTRON.encode(), {}, (15, 1000, 1.2, 15.7e6 / 15 / 1.2)),
    "NeMo": (NEMO.encode(), {"sequence_length": 4096}, (50, 100, 1.5, 32 * 4096 / 1.5)),
    "trainer_state.json": (TRAINER.encode(), {}, (40, 100, 2.0, 512.0)),
    "TensorBoard": (TENSORBOARD, {}, (30, None, 2.0, 512.0)),
    "W&B summary": (WANDB.encode(), {}, (40, None, 2.0, 512.0)),
    "W&B run file": (RUN_FILE, {}, (30, None, 2.0, 512.0)),
    "W&B history": (HISTORY.encode(), {}, (30, None, 2.0, 512.0)),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_says_where_a_run_is(name: str):
    document, told, (step, steps, seconds, rate) = LOGS[name]
    answer = watched(parse(document, name), Watched(**told))
    assert (answer["step"], answer["steps"]) == (step, steps)
    assert answer["step_seconds"] == pytest.approx(seconds)
    assert answer["tokens_per_second"] == pytest.approx(rate, rel=0.01)


def test_dollars_to_the_end_have_an_interval():
    answer = watched(parse(MEGATRON.encode(), "log"), Watched(usd_per_hour=36.0, steps=1000, budget_usd=30))
    assert answer["usd_to_finish"]["mid"] == pytest.approx(988 * 4 / 3600 * 36)
    assert answer["usd_to_finish"]["low"] < answer["usd_to_finish"]["mid"] < answer["usd_to_finish"]["high"]
    assert answer["usd_over_budget"] == pytest.approx(answer["usd_projected"] - 30)


def test_steps_that_are_done_again_are_paid_for_again():
    again = MEGATRON + "\n" + MEGATRON.replace("2026-10-05", "2026-10-06")
    once = watched(parse(MEGATRON.encode(), "log"), Watched(usd_per_hour=3600.0))
    twice = watched(parse(again.encode(), "log"), Watched(usd_per_hour=3600.0))
    assert twice["usd_spent"] - once["usd_spent"] == pytest.approx(8.0)


def test_a_log_of_no_known_program_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=r"torchtitan, Megatron, nanotron"):
        parse(b"epoch 1 done\n", "my.log")


def test_a_log_without_times_says_what_to_give():
    with pytest.raises(UsageError, match="--tokens-per-step"):
        watched(parse(b'{"step": 3}', "log"), Watched())


def test_an_event_file_that_was_cut_off_is_read_to_there():
    assert [one.step for one in parse(TENSORBOARD[:-5], "events")] == [10, 20]


def test_the_ledger_takes_price_and_plan_of_a_quote(tmp_path):
    quote = {"paid_gpus": 8, "usd_per_gpu_hour": "2.00", "usd_total": {"mid": "10.00"}}
    (tmp_path / "quotes").mkdir()
    (tmp_path / "quotes" / "0123456789abcdef.json").write_text(json.dumps(quote))
    answer = Ledger(tmp_path, environ={}).watch_run(MEGATRON.encode(), quote_id="0123456789abcdef")
    assert answer["usd_spent"] == pytest.approx(answer["hours"] * 16)
    assert answer["usd_over_plan"] == pytest.approx(answer["usd_projected"] - 10)


MANGLED = {
    "no history": b'{"log_history": null}',
    "rows that are none": b'{"log_history": [1, {"step": "abc"}, {"step": null}, {"step": NaN}]}',
    "a step without end": b'{"step": 1e400, "tokens": 3}',
    "brackets alone": b"[" * 100_000,
    "a number cut in two": b"iteration 5/ 10 | elapsed time per iteration (ms): 1.2.3 | lm loss: 1 |",
    "commas alone": b"step: 1 tps: ,,, mfu: ...%",
    "counts of nothing": b"iteration: 10 / 100 | consumed_tokens: ..M | tokens_per_sec: . |",
    "a field without end": b"step,tokens\n1," + b"x" * 200_000,
}


@pytest.mark.parametrize("name", MANGLED)
def test_a_mangled_log_is_refused_in_words(name: str):
    with pytest.raises(UsageError):
        parse(MANGLED[name], "train.log")


def test_a_mangled_line_or_value_among_good_ones_tells_nothing():
    good = parse(MEGATRON.encode(), "train.log")
    broken = MEGATRON.replace("\n", "\n iteration 7/ 10 | elapsed time per iteration (ms): 1.2.3 |\n", 1)
    assert parse(broken.encode(), "train.log") == good
    rows = b'[{"step": 1, "tokens": NaN, "wall_time": 1}, {"step": 2, "tokens": NaN, "wall_time": 2}]'
    assert [(one.step, one.tokens) for one in parse(rows, "rows.json")] == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("4,000.0", 4.0), ("4000", 4.0), ("4000,0", None), ("4.000,0", None), ("4e3", None)],
)
def test_a_number_that_could_be_misread_tells_nothing(written: str, seconds: float | None):
    """4000,0 is four seconds or forty; 4,000.0 is four."""
    log = MEGATRON.replace("4000.0", written).encode()
    if seconds is None:
        with pytest.raises(UsageError):
            parse(log, "train.log")
    else:
        assert {one.step_seconds for one in parse(log, "train.log")} == {seconds}


CUT = {
    "a line of Megatron": (MEGATRON[: MEGATRON.rindex("4000.0") + 2], 11),
    "a row of a table": (HISTORY[:-8], 20),
    "a line of JSON": ("\n".join(json.dumps({"_step": n, "_timestamp": 100 + n}) for n in (1, 2, 3))[:-3], 2),
}


@pytest.mark.parametrize("name", CUT)
def test_the_line_that_is_being_written_tells_nothing(name: str):
    text, last = CUT[name]
    assert parse(text.encode(), "log")[-1].step == last


def test_a_state_that_was_cut_off_is_said_to_be_so():
    with pytest.raises(UsageError, match="begins like JSON and cannot be read to its end"):
        parse(TRAINER[:-20].encode(), "trainer_state.json")


RANKS = {
    "each line of every rank": "\n".join(
        f"[rank{n}]:{row}" for row in MEGATRON.splitlines() for n in range(4)
    ),
    "the whole of one rank after the other": "\n".join(
        f"[rank{n}]:{row}" for n in range(4) for row in MEGATRON.splitlines()
    ),
}


@pytest.mark.parametrize("name", RANKS)
def test_what_several_ranks_tell_of_one_step_is_paid_for_once(name: str):
    once = watched(parse(MEGATRON.encode(), "log"), Watched(usd_per_hour=3600.0))
    assert watched(parse(RANKS[name].encode(), "log"), Watched(usd_per_hour=3600.0)) == once


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("text", [MEGATRON, HISTORY])
def test_a_log_is_read_in_the_letters_of_any_system(text: str, encoding: str):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    assert parse(mark + text.encode(encoding), "log") == parse(text.encode(), "log")


@pytest.mark.parametrize("most", [0, -1, None])
def test_a_trainer_without_an_end_has_none(most: int | None):
    state = json.loads(TRAINER) | {"max_steps": most}
    assert {one.steps for one in parse(json.dumps(state).encode(), "log")} == {None}


BROKEN = [log for log, _, _ in LOGS.values()]


@given(st.sampled_from(BROKEN), st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4)), max_size=6))
def test_no_bytes_of_a_log_raise_but_in_words(log: bytes, changes: list[tuple[int, bytes]]):
    for place, inside in changes:
        at = place % (len(log) + 1)
        log = log[:at] + inside + log[at + len(inside) // 2 :]
    try:
        watched(parse(log, "log"), Watched(usd_per_hour=1.0, gpus=8, sequence_length=4096))
    except UsageError as error:
        assert str(error)


def test_a_run_file_of_many_blocks_is_read_to_where_it_was_cut_or_changed():
    rows = [{"global_step": n, "_timestamp": 100.0 + n, "note": "x" * (n % 700)} for n in range(400)]
    rows[200]["note"] = "y" * 70_000
    document = wandb_file(*rows)
    assert [one.step for one in parse(document, "run.wandb")] == list(range(400))
    half = [one.step for one in parse(document[: len(document) // 2], "run.wandb")]
    assert half == list(range(len(half))) and 100 < len(half) < 300
    broken = bytearray(document)
    broken[len(document) // 2] ^= 1
    assert [one.step for one in parse(bytes(broken), "run.wandb")] == half


def test_steps_of_training_are_not_mixed_with_calls_that_logged():
    rows = [
        {"_step": 1, "train/global_step": 10, "_timestamp": 20.0},
        {"_step": 2, "eval/loss": 1.0, "_timestamp": 25.0},
        {"_step": 3, "train/global_step": 20, "_timestamp": 40.0},
    ]
    assert [(one.step, one.wall_time) for one in parse(json.dumps(rows).encode(), "log")] == [
        (10, 20.0),
        (20, 40.0),
    ]
