"""The meter as a callback of a framework. A framework is loaded when its callback is asked for, and only then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from gpuledger.meter.run import Meter

log = logging.getLogger("gpuledger.meter")


def _guarded(meter: Meter, act: Callable[[], Any]) -> None:
    """The same promise for what a callback does around the meter."""
    try:
        act()
    except Exception as error:
        meter.failed(error)


def hugging_face(meter: Meter, *, sequence_length: int | None = None) -> Any:
    """A callback for the Trainers of Transformers and TRL. What it measures is in every log, and in
    `trainer_state.json`, from which a resumed run goes on.

    Args:
        sequence_length: tokens of one sample, where the trainer's arguments do not say it and it does not count tokens.
    """
    base: Any = import_module("transformers").TrainerCallback

    class HuggingFaceMeter(base):
        """Main process only."""

        is_main = False
        steps = 0
        seen = tokens_per_step = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            def act() -> None:
                self.is_main = bool(state.is_world_process_zero)
                if not self.is_main:
                    return
                self.steps, self.seen = (
                    int(state.global_step),
                    float(getattr(state, "num_input_tokens_seen", 0) or 0),
                )
                length = (
                    sequence_length
                    or getattr(args, "max_length", None)
                    or getattr(args, "max_seq_length", None)
                )
                world = int(getattr(args, "world_size", 1) or 1)
                samples = args.per_device_train_batch_size * args.gradient_accumulation_steps * world
                self.tokens_per_step = float(samples * length) if length else 0.0
                if state.max_steps and state.max_steps > 0:
                    meter.state.steps_planned = int(state.max_steps)
                spent = [
                    float(row["usd_spent"]) for row in state.log_history if row.get("usd_spent") is not None
                ]
                # the steps of a checkpoint are those that count; what was done after it is done again
                meter.resume(usd_spent=max(spent, default=0.0))
                meter.state.steps = self.steps
                meter.state.tokens = self.seen or self.tokens_per_step * self.steps
                meter.start()

            _guarded(meter, act)

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            def act() -> None:
                if not self.is_main:
                    return
                steps, seen = int(state.global_step), float(getattr(state, "num_input_tokens_seen", 0) or 0)
                done = steps - self.steps
                tokens = seen - self.seen if seen > self.seen else self.tokens_per_step * done
                self.steps, self.seen = steps, seen
                meter.step(tokens, steps=done)

            _guarded(meter, act)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            def act() -> None:
                if not self.is_main:
                    return
                plotted_values = meter.values()
                if logs is not None:
                    logs.update(plotted_values)
                if state.log_history:
                    state.log_history[-1].update(plotted_values)

            _guarded(meter, act)

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            def act() -> None:
                if self.is_main:
                    meter.finish(is_whole=not state.max_steps or state.global_step >= state.max_steps)

            _guarded(meter, act)

    return HuggingFaceMeter()


def lightning(meter: Meter, *, tokens_of: Callable[[Any], float] | None = None) -> Any:
    """A callback for Lightning, of the package `lightning` or `pytorch_lightning`.

    Args:
        tokens_of: tokens of one batch on one device; the size of its first tensor of whole numbers without.
    """
    try:
        base: Any = import_module("lightning.pytorch").Callback
    except ImportError:
        base = import_module("pytorch_lightning").Callback

    class LightningMeter(base):
        """Main process only; what it measures is logged with the metrics, and goes into checkpoints."""

        steps = 0
        world = 1

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            def act() -> None:
                self.steps = int(trainer.global_step)
                self.world = int(getattr(trainer, "world_size", 1) or 1)
                estimated = trainer.estimated_stepping_batches
                if estimated not in (None, float("inf")):
                    meter.state.steps_planned = int(estimated)
                meter.state.steps = self.steps
                if trainer.is_global_zero:
                    meter.start()

            _guarded(meter, act)

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            def act() -> None:
                if not trainer.is_global_zero:
                    return
                tokens = (tokens_of or batch_tokens)(batch) * self.world
                done = int(trainer.global_step) - self.steps
                self.steps += done
                meter.step(tokens, steps=done)
                if (
                    trainer.logger is not None
                    and done
                    and self.steps % max(trainer.log_every_n_steps, 1) == 0
                ):
                    trainer.logger.log_metrics(meter.values(), step=self.steps)

            _guarded(meter, act)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            def act() -> None:
                if trainer.is_global_zero:
                    meter.finish(is_whole=not trainer.interrupted)

            _guarded(meter, act)

        def state_dict(self) -> dict[str, Any]:
            return {"usd_spent": meter.usd_spent, "tokens": meter.state.tokens}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            _guarded(meter, lambda: meter.resume(**state_dict))

    return LightningMeter()


def batch_tokens(batch: Any) -> float:
    """Elements of the first tensor of whole numbers in a batch: ids of tokens, in whatever container."""
    if isinstance(batch, dict):
        named = cast("dict[str, Any]", batch)
        inside = named.get("input_ids")
        return batch_tokens(inside) if inside is not None else _first_of(named.values())
    if isinstance(batch, list | tuple):
        return _first_of(batch)
    is_whole = hasattr(batch, "numel") and not (batch.is_floating_point() or batch.is_complex())
    return float(batch.numel()) if is_whole else 0.0


def _first_of(values: Any) -> float:
    return next((tokens for value in values if (tokens := batch_tokens(value))), 0.0)
