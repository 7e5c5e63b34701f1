"""What `docs/accuracy.md` says beside its tables."""

PREFACE = """# Accuracy

How far estimates are from what was published. Errors are |predicted / published - 1|. Whole runs are compared by
`gpu_hours.mid` (from start to end), benchmarks by `tokens_per_second` (steady state), memory by `memory_gib.total`.
*Stated*: each row becomes the plan that its own columns state, with the software, the network and the sharding group
that its source and notes name; a mixture of experts is the preset of its name. *As a user says it*: method, model,
tokens, GPU, count, precision and sequence length, and nothing else. The tables of published rows lie outside the
repository:

```
GPULEDGER_TRUTH=DIR make accuracy
```

## Protocol

A family is one model family of whole runs and benchmarks, one model size of llm-foundry, one benchmark of MLPerf, and
one class of a measured table. For each in turn all fitted constants are fitted again on the rows of the others, and so
is the choice of the divisions that rows leave open: no figure below, unless it says so, rests on a row of its own
family.

Every fold begins at the priors, which `sql/seeds/calibration.csv` derives. Most are counts with a source; the spread
of the efficiency of collectives, the overhead of ordinary teams and the prior of stragglers were chosen with errors in
view, and some derivations were looked at again after folds were seen. Forms, as opposed to constants, were listed from
published physics with the errors of all families in view; one stayed if a source says so and the first half of the
families that is named below did not get worse as a whole (single classes did: experts of the first half from 18.3 to
19.4 % at the mean by the form of releases); the second half is reported beside it. What is assumed of plans that say
little (how much memory people leave free, the batch, sequences of a pass, ZeRO-3 for networks that are fine-tuned
whole) follows sources that the code names; the two numbers of the first were chosen among nine pairs by the first half
of the families, after the errors of all had been seen. The widths of the intervals are quantiles of the same errors
left out. A table further down shows what is lost when the constants, too, come from one half of the families alone and
the other half is predicted, both ways. Errors on families that nobody here has seen are larger than those below; how
much larger the gap between the columns *left out* and *fitted* suggests.
"""
REASONS = """
Hours are the tokens at the shown rate times an overhead that is shown too; nothing draws computed rates toward
published ones. What is left differs by things that no column states. Identical eight-GPU systems of one MLPerf round
differ by up to 12 %; one vendor's tables of one model on one machine moved by 40 to 60 % between releases of its
container, faster and slower. Of the whole runs some report hours of their steps alone and some all that the cluster
spent. A user's own measured speed removes that part (`gpuledger calibrate`). The hours of fine-tuning on one node are
those of a timed loop: constants are fitted to them without the overhead of a whole run, and what an estimate shows,
with it, is compared. Of their machines one waits 3.8 seconds for 13.5 GB of weights whatever it computes beside them
(fsdp_qlora, two RTX 3090), another half a second (two RTX 4090), and no column says what joins the cards: passes of one
sequence come out a third too fast on the first.

Residuals of the nearest published rows were tried as a correction, shrunk with distance, families left out: see the
last line of the table of transfers. They are shown beside an estimate and change nothing.

Rows are read as their sources describe them: MLPerf submissions train in FP8 since Hopper, NVIDIA's in v5.1 in
NVFP4, the reference code under DeepSpeed in bf16, and evaluate as the benchmarks' rules say. Three classes are only
predicted: the BLOOM sweep, whose machine joins its GPUs by links that the table does not state; Megatron-Bridge's
releases; and one log of 64 GPUs that idle for reasons it does not give. Generation in reinforcement learning has
constants of its own, of which there are but two sources; each is predicted by the other alone.
"""
