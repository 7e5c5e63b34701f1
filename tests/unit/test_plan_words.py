"""Plans as people say them: counts, sizes, names, samples and methods in their own words."""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpuledger.core.count import count_from, gb_from, gib_from, hours_from
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.workload import demand
from gpuledger.core.plan import model_rows, plan_from_mapping, preset_parts, preset_plan, read_plan
from gpuledger.plan_files import with_files

NAMES = {
    "meta-llama/Llama-3.1-8B": ("llama-3.1-8b", None),
    "meta-llama/Meta-Llama-3-8B-Instruct": ("llama-3-8b", None),
    "llama 3 8b": ("llama-3-8b", None),
    "Llama-3-8B": ("llama-3-8b", None),
    "llama3.1:8b": ("llama-3.1-8b", None),
    "Llama-3.3-70B": ("llama-3.3-70b", None),
    "meta-llama/Llama-2-7b-hf": ("llama-2-7b", None),
    "unsloth/llama-3-8b-bnb-4bit": ("llama-3-8b", None),
    "mistralai/Mistral-7B-Instruct-v0.3": ("mistral-7b", None),
    "mistralai/Mistral-Nemo-Base-2407": ("mistral-nemo-12b", None),
    "Qwen/Qwen2.5-7B-Instruct": ("qwen2.5-7b", None),
    "Qwen/Qwen3-30B-A3B": ("qwen3-30b-a3b", None),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": ("tinyllama-1.1b", None),
    "google-bert/bert-base-uncased": ("bert-base", None),
    "meta-llama/Llama-4-Scout-17B-16E": ("llama-4-scout", None),
    "Llama 3 8B LoRA": ("llama-3-8b", "lora"),
    "llama-2-7b-full_finetune": ("llama-2-7b", "full_finetune"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_the_preset_of_its_shape(name):
    assert preset_parts(name) == NAMES[name]


@pytest.mark.parametrize("name", ["llama-5-9b", "llama", "llama-3-18b", "mistral-70b", "", "gpt-9"])
def test_a_name_of_another_size_or_family_means_none(name):
    assert preset_parts(name) is None


def test_every_preset_is_found_under_its_own_name_in_any_case():
    assert [preset_parts(name.upper()) for name in model_rows()] == [(name, None) for name in model_rows()]


@pytest.mark.parametrize(
    "name", ["llama-3.3-70b", "qwen2.5-0.5b", "qwen2.5-3b", "qwen2.5-14b", "qwen3-4b", "qwen3-14b"]
)
def test_new_presets_count_to_what_is_published(name):
    counted = resolve(plan_from_mapping({"model": name}))[0].parameters
    assert counted == pytest.approx(float(model_rows()[name]["published_parameters"]), rel=0.005)


@pytest.mark.parametrize(
    ("text", "number"),
    [("20M", 2e7), ("1.4T", 1.4e12), ("7b", 7e9), ("5k", 5e3), ("1,000,000", 1e6), ("2e12", 2e12)],
)
def test_counts(text, number):
    assert count_from(text) == number


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [
        (gb_from, "500", 500),
        (gb_from, "2 TB", 2000),
        (gb_from, "16GiB", pytest.approx(17.18, rel=1e-3)),
        (gib_from, "24GB", 24),
        (gib_from, "24", 24),
        (hours_from, "72", 72),
        (hours_from, "3 d", 72),
        (hours_from, "90 min", 1.5),
        (hours_from, "3 h 42 min", 3.7),
    ],
)
def test_sizes_and_times(read, text, number):
    assert read(text) == pytest.approx(number) if isinstance(number, float) else read(text) == number


@pytest.mark.parametrize("read", [count_from, gb_from, gib_from, hours_from])
@pytest.mark.parametrize("text", ["", "1,4T", "0x10", "-3", "nan", "inf", "3 parsecs", "9" * 4300, "3 4"])
def test_what_is_no_quantity_is_refused(read, text):
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ({"method": "LoRA", "model": "llama-3-8b", "dataset_tokens": "20M"}, {"method": "lora", "dataset_tokens": 2e7}),
        (
            {"method": "Full", "parameters": "7B", "training_tokens": "1e9"},
            {"method": "full_finetune", "parameters": 7e9},
        ),
        (
            {"method": "qlora", "model": "llama-3-8b", "samples": "5k", "tokens_per_sample": 600, "epochs": 3},
            {"dataset_tokens": 3e6, "total_tokens": 9e6},
        ),
        ({"model": "llama-3-8b", "precision": "BF16", "optimizer": "AdamW-8bit"}, {"optimizer": "adamw_8bit"}),
    ],
)  # fmt: skip
def test_keys_in_people_words(keys, meant):
    plan = plan_from_mapping(keys)
    assert {name: getattr(plan, name) for name in meant} == meant


def test_sizes_times_money_and_ranges_in_the_sections():
    text = (
        'model = "llama-3-8b"\n[constraints]\ndeadline_hours = "3 d"\nbudget_usd = "$1,250"\n'
        '[costs]\ndataset_gb = "2 TB"\nfailed_run_factor = "2..3"\n'
    )
    plan = read_plan(text, syntax="toml")
    assert (plan.constraints.deadline_hours, plan.constraints.budget_usd) == (72, Decimal(1250))
    assert plan.costs.dataset_gb == 2000 and plan.costs.failed_run_factor is not None
    assert (plan.costs.failed_run_factor.low, plan.costs.failed_run_factor.high) == (2, 3)


@pytest.mark.parametrize(
    "value", ["1e28", "1e308", "0xffffffffffffffffffffffff", "9" * 5000, "-1", "0", "true", "nan"]
)
@pytest.mark.parametrize("key", ["dataset_tokens", "parameters", "sequence_length"])
def test_a_number_out_of_bounds_is_one_line(key, value):
    with pytest.raises(InvalidPlanError) as refused:
        read_plan(f'model = "llama-3-8b"\nmethod = "lora"\n{key} = {value}\n', syntax="toml")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"model": "llama-3-8b", "method": "lora", "samples": 5000}, "tokens_per_sample: is needed"),
        ({"model": "llama-3-8b", "method": "finetune"}, "lora or qlora"),
        ({"model": "llama-3-9b", "method": "lora"}, "did you mean llama-3-8b"),
        ({"model": "llama-3-8b", "costs": {"credit_usd": 100}}, "at which provider"),
        ({"model": "nothing/like-it.json"}, "send the keys of the config"),
    ],
)
def test_what_is_not_clear_is_asked_for(keys, words):
    with pytest.raises(InvalidPlanError, match=words):
        plan_from_mapping(keys)


def test_a_plan_without_method_that_looks_like_fine_tuning_asks():
    with pytest.raises(InvalidPlanError, match="too few to pretrain"):
        demand(plan_from_mapping({"model": "llama-3-8b", "dataset_tokens": 20e6}))


def test_pretraining_that_is_assumed_is_said():
    assumed = demand(plan_from_mapping({"model": "llama-3-8b", "training_tokens": "1T"})).assumptions
    assert "method: pretrain (not given)" in assumed
    assert "method: pretrain (not given)" not in demand(preset_plan("llama-3-8b")).assumptions


def test_half_of_the_layers_frozen_save_a_quarter_of_the_work_with_adapters():
    def flops(share: float) -> float:
        keys = {"model": "llama-3-8b", "method": "lora", "dataset_tokens": 2e7, "frozen_layers_share": share}
        return float(demand(plan_from_mapping(keys)).workload.model_flops_per_token)

    assert flops(0.5) / flops(0) == pytest.approx(0.75, abs=0.02)


def test_a_config_file_is_a_model_of_any_method(tmp_path):
    config = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
              "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
              "tie_word_embeddings": False}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = plan_from_mapping(
        with_files({"model": "config.json", "method": "qlora", "dataset_tokens": "20M"}, tmp_path)
    )
    assert plan.method == "qlora" and resolve(plan)[0].parameters == pytest.approx(8030261248, rel=1e-3)


def test_a_data_set_is_counted(tmp_path):
    rows = [{"instruction": "a" * 100, "output": "b" * 299}] * 50
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = with_files({"model": "llama-3-8b", "method": "lora", "data": "train.jsonl", "epochs": 2}, tmp_path)
    plan = plan_from_mapping(keys)
    assert plan.samples == 50 and plan.dataset_tokens == pytest.approx(50 * 400 / 4)
    assert any("4 bytes a token assumed" in text for text in demand(plan).assumptions)


@pytest.mark.parametrize("name", ["none.jsonl", "train.docx"])
def test_a_data_set_that_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "train.docx").write_text("text\nhello\n")
    with pytest.raises(InvalidPlanError, match="data"):
        with_files({"data": name}, tmp_path)


@pytest.mark.parametrize(
    ("keys", "weights"),
    [
        ({"quantization": "8bit"}, "int8"),
        ({"quantization": "4-bit"}, "nf4"),
        ({"quantisation": "NF4"}, "nf4"),
        ({"bits": 8}, "int8"),
        ({"load_in_8bit": True}, "int8"),
        ({"load_in_4bit": True}, "nf4"),
        ({"load_in_4bit": False}, None),
        ({"weights": "LLM.int8"}, "int8"),
        ({"quantization": "none"}, "fp16"),
    ],
)
def test_quantised_weights_in_the_words_of_other_programs(keys, weights):
    assert plan_from_mapping({"model": "llama-2-13b", "method": "lora", **keys}).weights == weights


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"precision": "int8"}, 'weights = "int8"'),
        ({"precision": "4bit"}, 'weights = "nf4"'),
        ({"quantization": "2bit"}, "must be 'fp16', 'int8' or 'nf4'"),
        ({"dataset_tokens": 1e28}, r"must be at most 1e\+18, got 1e\+28"),
        ({"dataset_tokens": -1}, "must be more than 0, got -1"),
        ({"dataset_tokens": "0x10"}, "'0x10' is no count, as in 20000, 20k"),
        ({"dataset_tokens": int("f" * 40, 16)}, "a number of 160 bits"),
        ({"dataset_tokens": 10**4300}, "bits"),
        ({"dataset_tokens": 1e308}, "must be at most"),
        ({"dataset_tokens": "9" * 4300}, "4300 characters"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_says_what_can(keys, words):
    with pytest.raises(InvalidPlanError, match=words) as refused:
        plan_from_mapping({"model": "llama-2-13b", "method": "lora", **keys})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def test_rows_of_parquet_and_paragraphs_of_text_are_samples(tmp_path):
    texts = ["a" * 400, "b" * 800]
    pq.write_table(pa.table({"prompt": texts, "id": [1, 2]}), tmp_path / "train.parquet")
    (tmp_path / "train.txt").write_text("\n\n".join(texts))
    for name in ("train.parquet", "train.txt"):
        keys = with_files({"model": "llama-3-8b", "method": "lora", "data": name}, tmp_path)
        assert (keys["samples"], keys["tokens_per_sample"]) == (2, pytest.approx(150))


def test_conversations_count_all_their_turns(tmp_path):
    row = {"messages": [{"role": "user", "content": "x" * 40}, {"role": "assistant", "content": "y" * 59}]}
    (tmp_path / "chat.jsonl").write_text(json.dumps(row) + "\n\n")
    assert with_files({"data": "chat.jsonl"}, tmp_path)["tokens_per_sample"] == pytest.approx(25)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.jsonl", "{not json\n", "broken.jsonl"),
        ("empty.jsonl", "", "holds no text"),
        ("other.jsonl", '{"id": 7}\n', "holds no text"),
        ("latin.txt", b"\xff\xfe\xff", "latin.txt"),
        ("not.parquet", b"PAR0", "not.parquet"),
    ],
)
def test_a_data_set_without_text_is_refused_in_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidPlanError, match=words) as refused:
        with_files({"data": name}, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_tokenizer_counts_where_the_package_is_installed(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    counter = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    counter.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    counter.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "t.txt").write_text("a a a a a")
    keys = with_files({"data": "t.txt", "tokenizer": "tokenizer.json"}, tmp_path)
    assert keys["tokens_per_sample"] == 5 and "counted by tokenizer.json" in keys["data_basis"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("llama3", "llama-3-8b"),
        ("mixtral", "mixtral-8x7b"),
        ("Qwen/Qwen2.5", "qwen2.5-"),
        ("llama-3-9b", "llama-3-8b"),
    ],
)
def test_a_family_without_its_size_names_its_members(name, near):
    with pytest.raises(InvalidPlanError, match=f"did you mean {near}"):
        plan_from_mapping({"model": name, "method": "lora"})
