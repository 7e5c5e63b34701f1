"""Real runs of Transformers, TRL and Lightning on a CPU, resumed and broken. In an environment of their own, because
torch alone is larger than everything else of the project: `make frameworks`."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gpuledger.meter import Meter, hugging_face
from gpuledger.meter import run as meter_run
from tests.meter import jobs

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]


def metered(home: Path) -> Meter:
    return Meter(home=home, usd_per_hour=36_000, run="real", gpus=1)


def trained(meter: Meter, folder: Path, *, steps: int, resume: bool = False, save_steps: int = 0) -> Any:
    transformers = pytest.importorskip("transformers")

    class Clock:
        seconds = 0.0

    more = {"save_strategy": "steps", "save_steps": save_steps} if save_steps else {}
    arguments = (
        jobs.training_arguments(folder, 4, steps, include_num_input_tokens_seen=True, **more)
        if not more
        else (
            transformers.TrainingArguments(
                output_dir=str(folder / "trainer"),
                per_device_train_batch_size=4,
                max_steps=steps,
                logging_steps=2,
                report_to=[],
                use_cpu=True,
                disable_tqdm=True,
                include_num_input_tokens_seen=True,
                **more,
            )
        )
    )
    made = transformers.Trainer(
        model=jobs._network(Clock, 0.0),
        args=arguments,
        train_dataset=jobs._samples(200, 64),
        callbacks=[hugging_face(meter)],
    )
    made.train(resume_from_checkpoint=resume or None)
    return made


def test_a_resumed_trainer_goes_on_with_its_dollars(tmp_path: Path):
    first = trained(metered(tmp_path / "a"), tmp_path, steps=8, save_steps=4)
    spent = first.state.log_history[-1]["usd_spent"]
    # on another machine, whose home knows nothing of the run
    second = trained(metered(tmp_path / "b"), tmp_path, steps=16, save_steps=4, resume=True)
    seen = [row["usd_spent"] for row in second.state.log_history if "usd_spent" in row]
    assert seen == sorted(seen)
    assert seen[-1] > spent
    state = json.loads((tmp_path / "b" / "runs" / "real.json").read_bytes())
    assert state["steps"] == 16
    assert state["tokens"] == pytest.approx(16 * 4 * 64)


def test_a_full_disk_does_not_reach_a_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path, content: bytes, *, is_durable: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(meter_run, "write_whole", refuse)
    meter = metered(tmp_path)
    assert trained(meter, tmp_path, steps=4).state.global_step == 4
    assert meter.problems > 0


def test_trl_takes_the_same_callback(tmp_path: Path):
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")

    class Clock:
        seconds = 0.0

    ids = [row["input_ids"].tolist() for row in jobs._samples(40, 64)]
    meter = metered(tmp_path)
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "sft"),
        per_device_train_batch_size=4,
        max_steps=4,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        max_length=64,
        save_strategy="no",
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=False,
    )
    made = trl.SFTTrainer(
        model=jobs._network(Clock, 0.0),
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"input_ids": ids}),
        processing_class=_tokenizer(),
        callbacks=[hugging_face(meter)],
    )
    made.train()
    assert meter.state.steps == 4
    assert meter.state.tokens >= 4 * 4 * 64


def _tokenizer() -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = {f"w{n}": n for n in range(jobs.VOCABULARY)}
    inside = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inside, pad_token="w1", eos_token="w2")


def test_tensorboard_writes_what_the_reader_reads(tmp_path: Path):
    board = pytest.importorskip("torch.utils.tensorboard")
    from gpuledger.core.actuals.run_log import parse

    with board.SummaryWriter(str(tmp_path)) as writer:
        for step in range(1, 6):
            writer.add_scalar("tokens", step * 1024.0, step, walltime=1000.0 + 2 * step)
    (path,) = tmp_path.glob("events.out.tfevents*")
    progress = parse(path.read_bytes(), str(path))
    assert [(one.step, one.tokens, one.wall_time) for one in progress][-1] == (5, 5120.0, 1010.0)


def test_a_real_run_takes_real_time(tmp_path: Path):
    meter = metered(tmp_path)
    begun = time.monotonic()
    trained(meter, tmp_path, steps=6)
    assert 0 < meter.state.seconds <= time.monotonic() - begun + 0.5
    assert meter.state.started_at is not None
    assert datetime.fromisoformat(meter.state.started_at).astimezone(UTC) <= datetime.now(UTC)
