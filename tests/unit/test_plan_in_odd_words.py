"""Inputs that are odd but ordinary, by kind: each is read rightly, or refused in one line that says what to write."""

import gzip
import json

import pytest

from gpuledger import parse
from gpuledger.core.cost.options import changed
from gpuledger.core.count import count_from, gb_from, hours_from, minutes_from, months_from, share_from
from gpuledger.core.errors import InvalidPlanError, UsageError
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.workload import demand
from gpuledger.core.money import dollars_from
from gpuledger.core.plan import model_rows, plan_from_mapping, preset_parts
from gpuledger.core.provider import place_code
from gpuledger.plan_files import with_files

LORA = {"method": "lora", "model": "llama-3-8b"}
LLAMA = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
         "tie_word_embeddings": False}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((words, 2e7) for words in ("20 million", "20 Million", "20 millions", "20mln", "20 mio", "20 mn", "20M")),
        *((words, 2e7) for words in ("20 000 000", "20\u202f000\u202f000", "20'000'000", "20,000,000", "20_000_000")),
        *((words, 2e7) for words in ("2×10^7", "2 x 10^7", "2*10**7", "2e+7", "0.02 billion", "20.M")),
        ("5 thousand", 5e3),
        ("1.4 trillion", 1.4e12),
        ("2bn", 2e9),
        (".5M", 5e5),
    ],
)  # fmt: skip
def test_counts_in_words_of_people(text, number):
    assert count_from(text) == pytest.approx(number)


@pytest.mark.parametrize(
    "text", ["0,500", "1,5M", "20.000.000", "twenty", "20 m t", "20MT", "~20M", "2x107", "20 20"]
)
def test_counts_that_may_mean_two_things_are_refused(text):
    with pytest.raises(ValueError, match="is no count, as in"):
        count_from(text)


def test_a_number_may_say_what_it_counts_and_must_not_count_something_else():
    assert count_from("20M tokens", "training_tokens") == 2e7
    assert count_from("4k tokens", "sequence_length") == 4000
    assert count_from("5000 examples", "samples") == 5000
    assert count_from("7B params", "parameters") == 7e9
    with pytest.raises(ValueError, match="'5000 samples' counts samples; dataset_tokens counts tokens"):
        count_from("5000 samples", "dataset_tokens")


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [
        (gb_from, "2 terabytes", 2000),
        (gb_from, "500G", 500),
        (hours_from, "2 hrs", 2),
        (hours_from, "1 day 12 hours", 36),
        (hours_from, "1 year", 8760),
        (minutes_from, "12", 12),
        (minutes_from, "1 h 30 min", 90),
        (months_from, "6 months", 6),
        (months_from, "1 year", 12),
        (share_from, "30 %", 0.3),
        (share_from, "0.3", 0.3),
        (dollars_from, "1.5 million dollars", 1_500_000),
        (dollars_from, "US$20", 20),
        (dollars_from, "2bn", 2_000_000_000),
    ],
)
def test_sizes_times_shares_and_money_with_their_units(read, text, number):
    assert float(read(text)) == pytest.approx(number)


def test_a_plan_takes_units_lists_and_percents_where_they_are_written():
    plan = plan_from_mapping(
        LORA
        | {
            "dataset_tokens": "20 million tokens",
            "frozen_layers_share": "50%",
            "costs": {"startup_minutes": "12 min", "hosting_months": "1 year", "early_stop": "30%"},
            "constraints": {"regions": "eu, us", "purchase_options": "on-demand", "max_wall_days": "6 weeks"},
            "hardware": {"gpu": 4090, "mfu": "45%"},
        }
    )
    assert (plan.dataset_tokens, plan.frozen_layers_share, plan.hardware.mfu) == (2e7, 0.5, 0.45)
    assert (plan.costs.startup_minutes, plan.costs.hosting_months, plan.costs.early_stop) == (12, 12, 0.3)
    assert plan.constraints.regions == ("eu", "us") and plan.constraints.purchase_options == ("on_demand",)
    assert (plan.constraints.max_wall_days, plan.hardware.gpu) == (42, "4090")


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("unsloth/Llama-3.2-3B-Instruct-unsloth-bnb-4bit", "llama-3.2-3b"),
        ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "llama-3.1-70b"),
        ("neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "llama-3.1-8b"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "qwen2.5-7b"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "qwen2.5-7b"),
        ("Qwen/Qwen2.5-7B-Instruct-1M", "qwen2.5-7b"),
        ("Qwen/Qwen3-8B-FP8", "qwen3-8b"),
        ("unsloth/gpt-oss-20b-BF16", "gpt-oss-20b"),
        ("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", "llama-3.1-8b"),
        ("llama3.1:8b-instruct-q4_K_M", "llama-3.1-8b"),
        ("hf.co/unsloth/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "llama-3.2-3b"),
        ("https://huggingface.co/Qwen/Qwen2.5-7B-Instruct/tree/main", "qwen2.5-7b"),
        ("meta-llama/llama-3.1-8b@main", "llama-3.1-8b"),
        ("meta-llama/Llama-3.1-8B/", "llama-3.1-8b"),
        ("EleutherAI/pythia-1.4b-deduped", "pythia-1.4b"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3"),
    ],
)
def test_packed_and_renamed_repositories_mean_the_network_inside(name, preset):
    assert preset_parts(name) == (preset, None)
    assumed = demand(plan_from_mapping({"model": name, "method": "qlora"})).assumptions
    assert not name.endswith("bit") or any(
        f"model: {preset} (the network of {name}" in text for text in assumed
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("NousResearch/Hermes-3-Llama-3.1-8B", "llama-3.1-8b"),
        ("nvidia/Llama-3.1-Nemotron-70B-Instruct-HF", "llama-3.1-70b"),
        ("llama 8b", "llama-3-8b"),
        ("google/gemma-3-12b-it-qat-q4_0-gguf", "gemma-2"),
        ("ai21labs/Jamba-v0.1", "gpuledger presets"),
    ],
)
def test_a_network_of_somebody_else_names_the_nearest_or_where_all_are(name, near):
    assert preset_parts(name) is None
    with pytest.raises(InvalidPlanError, match=near):
        plan_from_mapping({"model": name, "method": "lora"})


@pytest.mark.parametrize(
    ("keys", "weights"),
    [
        ({"model": "unsloth/llama-3-8b-bnb-4bit"}, "nf4"),
        ({"model": "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8"}, "int8"),
        ({"model": "TheBloke/Llama-2-7B-Chat-GPTQ"}, "nf4"),
        ({"model": "TheBloke/Llama-2-7B-Chat-GPTQ", "weights": "int8"}, "int8"),
        ({"model": LLAMA | {"quantization_config": {"load_in_4bit": True}}}, "nf4"),
        ({"model": LLAMA | {"quantization_config": {"quant_method": "gptq", "bits": 8}}}, "int8"),
        ({"model": LLAMA | {"quantization_config": {"quant_method": "fp8"}}}, None),
        ({"model": "meta-llama/Llama-3.1-8B"}, None),
    ],
)
def test_lora_on_packed_weights_holds_them_packed_and_says_so(keys, weights):
    plan = plan_from_mapping({"method": "lora", **keys})
    assert plan.weights == weights
    said = any("bits" in text for text in demand(plan).assumptions if text.startswith("model:"))
    assert said == (weights is not None and "weights" not in keys)


def test_a_size_alone_is_a_network_of_so_many_parameters():
    assert plan_from_mapping({"model": "7B", "method": "lora"}).parameters == 7e9


@pytest.mark.parametrize(
    ("value", "weights"), [(True, "nf4"), ("True", "nf4"), (1, "nf4"), ("no", None), (0, None)]
)
def test_a_switch_in_any_spelling_is_one(value, weights):
    assert plan_from_mapping(LORA | {"load_in_4bit": value}).weights == weights


def test_a_switch_that_is_none_is_refused():
    with pytest.raises(InvalidPlanError, match="load_in_4bit: 'maybe' is neither true nor false"):
        plan_from_mapping(LORA | {"load_in_4bit": "maybe"})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"num_train_epochs": 3}, "it is epochs here"),
        ({"max_seq_length": 2048}, "it is sequence_length here"),
        ({"gpu": "h100"}, "it is hardware.gpu"),
        ({"budget_usd": 20}, "it is constraints.budget_usd"),
        ({"hardware": {"epochs": 2}}, "it is epochs, at the top of the plan"),
        ({"learning_rate": 1e-4}, "it changes no cost, leave it out"),
        ({"num_hidden_layers": 32}, "if this is a config.json, it needs its model_type"),
        ({"hardware": {"gpsu": 8}}, "did you mean gpu"),
        ({"constraints": {"regions": 7}}, 'must be a list, as in \\["eu", "us"\\], got 7'),
        ({"hardware": {"gpu": ["a", "b"]}}, "must be text"),
        ({"epochs": [3]}, "must be a number"),
        ({"name": "x" * 300}, "300 characters; 200 at most"),
    ],
)
def test_a_key_of_another_place_or_program_is_refused_with_its_own(keys, words):
    with pytest.raises(InvalidPlanError, match=words) as refused:
        plan_from_mapping(LORA | keys)
    assert "\n" not in str(refused.value) and "plan: plan:" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nb", "a b"), ("x\0\u202ey", "x y"), ("  ", "plan"), ("名前", "名前")]
)
def test_a_name_is_one_printable_line(name, shown):
    assert plan_from_mapping(LORA | {"name": name}).name == shown


def test_set_changes_the_method_of_a_preset_as_its_flag_does():
    preset = parse.plan("llama-3-8b-lora").model_dump(mode="json", exclude_unset=True)
    for values in ({"set": ["method=SFT"]}, {"method": "full_finetune"}):
        assert plan_from_mapping(changed(preset, values, is_preset=True)).method == "full_finetune"


SAMPLED = LORA | {"samples": 5000, "tokens_per_sample": 600}


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ({"tokens_per_sample": "900"}, 4.5e6),
        ({"samples": "10k"}, 6e6),
        ({"set": ["tokens_per_sample=900"]}, 4.5e6),
        ({"set": ["samples=10k"]}, 6e6),
        ({"dataset_tokens": "20 million"}, 2e7),
        ({"set": ["dataset_tokens=20 million"]}, 2e7),
        ({"samples": "10k", "tokens_per_sample": "900"}, 9e6),
    ],
)
def test_a_count_given_anew_replaces_what_follows_from_the_old_one(values, tokens):
    keys = plan_from_mapping(SAMPLED).model_dump(mode="json", exclude_unset=True)
    assert plan_from_mapping(changed(keys, values, is_preset=False)).dataset_tokens == tokens


def test_counts_that_contradict_each_other_are_refused():
    with pytest.raises(
        InvalidPlanError, match="is not samples x tokens_per_sample 3e\\+06; give one of them"
    ):
        plan_from_mapping(SAMPLED | {"dataset_tokens": "20M"})
    assert plan_from_mapping(SAMPLED | {"dataset_tokens": "3M"}).dataset_tokens == 3e6
    assert plan_from_mapping(LORA | {"samples": 5000, "dataset_tokens": "3M"}).dataset_tokens == 3e6


@pytest.mark.parametrize(
    ("name", "code"),
    [("Europe", "eu"), ("emea", "eu"), ("Germany", "de"), ("United-States", "us"), ("UK", "gb"), ("latam", "sa"),
     ("us-east-1", "us-east-1"), ("eu", "eu"), ("Saudi Arabia", "Saudi Arabia")],
)  # fmt: skip
def test_a_place_in_words_of_people_is_its_code(name, code):
    assert place_code(name) == code


def test_tiers_in_any_case_are_tiers_and_others_are_refused():
    assert plan_from_mapping(LORA | {"constraints": {"tiers": "Secure"}}).constraints.tiers == ("secure",)
    assert parse.options({"tier": ["Secure"]}).tiers == ("secure",)
    for refused in (
        lambda: plan_from_mapping(LORA | {"constraints": {"tiers": ["gold"]}}),
        lambda: parse.options({"tier": "gold"}),
    ):
        with pytest.raises((InvalidPlanError, UsageError), match="secure"):
            refused()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hidden_size", [4096], "differs from layer to layer"),
        ("intermediate_size", [14336] * 32, "differs from layer to layer"),
        ("hidden_size", float("nan"), "must be a whole number"),
        ("num_hidden_layers", 10**9, "at most 10,000"),
        ("num_hidden_layers", True, "must be a whole number"),
        ("vocab_size", "big", "must be a whole number"),
        ("tie_word_embeddings", "yes", "must be true or false"),
        ("max_position_embeddings", "8k", "is of a kind that is not read"),
        ("layer_types", "full", "must be a list of one word per layer"),
        ("layer_types", ["full_attention"] * 3, "has 3 layers, the network 32"),
    ],
)
def test_a_config_with_values_of_another_kind_is_refused_in_one_line(key, value, words):
    with pytest.raises(InvalidPlanError, match=words) as refused:
        plan_from_mapping(LLAMA | {key: value})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "vision", [{"num_hidden_layers": "many"}, {"num_hidden_layers": 24, "patch_size": 0}]
)
def test_a_tower_with_values_of_another_kind_is_refused(vision):
    with pytest.raises(InvalidPlanError, match="is of a kind that is not read"):
        plan_from_mapping(
            {"model_type": "llava", "text_config": LLAMA, "vision_config": {"hidden_size": 1024} | vision}
        )


def test_a_model_type_in_another_case_is_the_same():
    assert resolve(plan_from_mapping(LLAMA | {"model_type": "LLaMA "}))[0].parameters == pytest.approx(
        8.03e9, rel=1e-3
    )


@pytest.mark.parametrize("model", ["gpt-oss-20b", "gpt-oss-120b"])
def test_active_parameters_are_counted_as_the_authors_of_the_network_do(model):
    counted = resolve(plan_from_mapping({"model": model}))[0].active_parameters
    assert counted == pytest.approx(float(model_rows()[model]["published_active_parameters"]), rel=0.01)


ROW = {"instruction": "a" * 100, "output": "b" * 300}
LINES = "".join(json.dumps(ROW) + "\n" for _ in range(50))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("crlf.JSONL", LINES.replace("\n", "\r\n").encode()),
        ("lines.ndjson", LINES.encode()),
        ("packed.jsonl.gz", gzip.compress(LINES.encode())),
        ("list.json", json.dumps([ROW] * 50).encode()),
        ("named.json", json.dumps({"version": 1, "data": [ROW] * 50}).encode()),
        ("lines.json", LINES.encode()),
        ("table.csv", b"instruction,output\n" + b"%s,%s\n" % (b"a" * 100, b"b" * 300) * 50),
        ("table.tsv", b"instruction\toutput\n" + b"%s\t%s\n" % (b"a" * 100, b"b" * 300) * 50),
    ],
)
def test_a_data_set_in_any_usual_form_counts_the_same(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    keys = with_files(LORA | {"data": name}, tmp_path)
    assert (keys["samples"], keys["tokens_per_sample"]) == (50, pytest.approx(401 / 4))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.jsonl", LINES.encode() + b'{"text": "ab', "line 51 is not JSON"),
        ("wide.txt", "text".encode("utf-16"), "is not UTF-8"),
        ("half.jsonl.gz", gzip.compress(LINES.encode())[:60], "cut off or damaged"),
        ("deep.jsonl", b'{"text":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "nested too deeply"),
        ("packed.jsonl.zst", b"\x28\xb5\x2f\xfd", "a .jsonl, .json"),
    ],
)
def test_a_data_set_that_is_damaged_says_where(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidPlanError, match=words) as refused:
        with_files({"data": name}, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_data_set_and_may_be_a_network(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    with pytest.raises(InvalidPlanError, match="is a folder; name one file"):
        with_files({"data": "."}, tmp_path)
    plan = plan_from_mapping(with_files({"model": str(tmp_path), "method": "lora"}, tmp_path))
    assert resolve(plan)[0].parameters == pytest.approx(8.03e9, rel=1e-3)


def test_samples_without_text_are_told_and_not_counted(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": null}\n{"text": ""}\n{"text": "hello world!"}\n')
    keys = with_files({"data": "t.jsonl"}, tmp_path)
    assert (keys["samples"], keys["tokens_per_sample"]) == (1, 3)
    assert "1 sample, 2 more without text" in keys["data_basis"]


def test_tokens_that_a_data_set_holds_are_counted_as_they_are(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"input_ids": [1, 2, 3, 4]}\n' * 3)
    keys = with_files({"data": "t.jsonl"}, tmp_path)
    assert (keys["samples"], keys["tokens_per_sample"]) == (3, 4) and keys["data_basis"].endswith("input_ids")


def test_text_without_spaces_has_about_one_token_a_character(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "日本語の文章です。" * 50}, ensure_ascii=False))
    assert with_files({"data": "t.jsonl"}, tmp_path)["tokens_per_sample"] == pytest.approx(450, rel=0.3)
