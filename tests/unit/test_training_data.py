"""The amount of training data, as people write it into one field."""

import pytest

from gpuledger.core.errors import UsageError
from gpuledger.training_data import FORMS, data_keys


@pytest.mark.parametrize(
    ("text", "method", "keys"),
    [
        ("5000 x 600", "lora", {"samples": 5000, "tokens_per_sample": 600}),
        ("5,000 \N{MULTIPLICATION SIGN} 600", "lora", {"samples": 5000, "tokens_per_sample": 600}),
        ("5kx1.5k", "lora", {"samples": 5000, "tokens_per_sample": 1500}),
        ("5k samples x 600 tokens", "qlora", {"samples": 5000, "tokens_per_sample": 600}),
        ("5k examples of 600 tokens each", "qlora", {"samples": 5000, "tokens_per_sample": 600}),
        ("600 tokens x 5k samples", "qlora", {"samples": 5000, "tokens_per_sample": 600}),
        ("20M", "lora", {"dataset_tokens": 20e6}),
        ("2 x 10^6", "lora", {"dataset_tokens": 2e6}),
        ("1T tokens", "pretrain", {"training_tokens": 1e12}),
        # to the last token
        ("5,123,457 x 613", "pretrain", {"training_tokens": 3140679141}),
        ("", "lora", {}),
    ],
)
def test_data_is_read_as_people_say_it(text, method, keys):
    assert data_keys(text, method) == keys


@pytest.mark.parametrize("method", ["qlora", "pretrain"])
@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("5000 x ", "has no number after the x; "),
        ("x 600", "has no number before the x; "),
        ("x", "has no number before the x; "),
        ("5000 x 600 x 3", "has 3 numbers; "),
        ("5000 x abc", ": 'abc' is no number; "),
        ("5000 x 600 kg", ": '600 kg' is no number; "),
        ("five thousand", " is no number; "),
        ("-5", " is no number; "),
        # a word alone is no data, and samples alone are no tokens
        ("tokens", " is no number; "),
        ("samples", " says no tokens of a sample; "),
        ("5k samples", " says no tokens of a sample; "),
        ("5 samples x 7 rows", " counts samples twice; "),
        ("5k tokens x 7 tokens", " counts tokens twice; "),
        ("20GB", " is a size in bytes, which says no number of tokens; "),
    ],
)
def test_half_an_amount_says_what_was_seen_and_what_is_allowed(text, seen, method):
    with pytest.raises(UsageError) as refused:
        data_keys(text, method)
    assert f"data: {text.strip()!r}{seen if seen.startswith((' ', ':')) else f' {seen}'}{FORMS}" == str(
        refused.value
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("12,5M", "the sign of decimals is a point"),
        ("5000 x 1,5k", "the sign of decimals is a point"),
        ("1.000.000", "thousands are parted by commas or spaces"),
        ("5.000 x 600", "'5.000' may be 5 or 5000; write the one that is meant"),
        ("20.000", "'20.000' may be 20 or 20000; write the one that is meant"),
        ("0", "0 must be more than 0 and less than 1e+18"),
        ("5000 x 1e30", "1e30 must be more than 0 and less than 1e+18"),
    ],
)
def test_a_number_that_may_be_misread_is_refused_with_the_way_to_write_it(text, says):
    with pytest.raises(UsageError, match=r"^data: ") as refused:
        data_keys(text, "lora")
    assert str(refused.value).endswith(says)
