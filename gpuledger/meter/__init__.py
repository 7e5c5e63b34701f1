"""A meter for a training run: dollars so far, dollars and hours to the end, tokens per dollar, and a measurement at the
end that the next estimate rests on.

    from gpuledger.meter import Meter, hugging_face
    trainer = Trainer(..., callbacks=[hugging_face(Meter(quote_id="7a4e9db9fb1d84fd"))])

    with Meter(usd_per_hour=23.92, gpus=8, steps=10_000) as meter:
        for batch in batches:
            train(batch)
            meter.step(tokens=batch.numel())

It never raises into the loop and never waits for a disk; what went wrong is counted in `meter.problems`. Importing it
loads nothing but the standard library; a framework is loaded when its callback is asked for.
"""

from gpuledger.meter.callbacks import hugging_face, lightning
from gpuledger.meter.run import Meter

__all__ = ["Meter", "hugging_face", "lightning"]
