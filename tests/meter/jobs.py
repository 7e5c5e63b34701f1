"""One small job on a CPU, in a plain loop and under the Trainers of Transformers and Lightning. Each forward pass takes
what the test says that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpuledger.meter import Meter, hugging_face
from gpuledger.meter import lightning as lightning_meter

VOCABULARY = 128


def plain(
    meter: Meter, clock: Any, folder: Path, *, steps: int, batch: int, length: int, seconds: float
) -> None:
    with meter:
        for _ in range(steps):
            clock.seconds += seconds
            meter.step(tokens=batch * length)


def _network(clock: Any, seconds: float) -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_embd=64, n_head=4, vocab_size=VOCABULARY, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    network = transformers.GPT2LMHeadModel(config)

    def pause(*args: Any) -> None:
        clock.seconds += seconds

    network.register_forward_pre_hook(pause)
    return network


def _samples(count: int, length: int) -> list[dict[str, Any]]:
    import torch

    ids = torch.randint(0, VOCABULARY, (count, length))
    return [{"input_ids": row, "labels": row} for row in ids]


def training_arguments(folder: Path, batch: int, steps: int, **more: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=batch,
        max_steps=steps,
        logging_steps=2,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **more,
    )


def trainer(
    meter: Meter, clock: Any, folder: Path, *, steps: int, batch: int, length: int, seconds: float
) -> None:
    transformers = pytest.importorskip("transformers")
    made = transformers.Trainer(
        model=_network(clock, seconds),
        args=training_arguments(folder, batch, steps),
        train_dataset=_samples(steps * batch, length),
        callbacks=[hugging_face(meter, sequence_length=length)],
    )
    made.train()
    spent = [row["usd_spent"] for row in made.state.log_history if "usd_spent" in row]
    assert spent == sorted(spent)
    assert spent


def lightning(
    meter: Meter, clock: Any, folder: Path, *, steps: int, batch: int, length: int, seconds: float
) -> None:
    L = pytest.importorskip("lightning.pytorch")
    import torch

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network(clock, seconds)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.network(**batch).loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    loader = torch.utils.data.DataLoader(_samples(steps * batch, length), batch_size=batch)
    made = L.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[lightning_meter(meter)],
        default_root_dir=str(folder),
    )
    made.fit(Module(), loader)
