"""The form of a quote: what it says of a field that cannot be understood, and that it keeps what was typed."""

import html
import re

import httpx
import pytest


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("data", "5000 x", "data: '5000 x' has no number after the x; write tokens, as in 20M, or samples x tokens of"
         " each, as in 5000 x 600"),
        ("data", "20 GB", "data: '20 GB' is a size in bytes, which says no number of tokens; write"),
        ("epochs", "1,5", "'1,5' is no count, as in 20000, 20k, 20M, 20 million, 1.4T or 2e7; the sign of decimals is a"
         " point"),
        ("sequence_length", "4.096", "sequence_length: '4.096' may be 4.096 or 4096; write the one that is meant"),
        ("budget_usd", "20,50", "'20,50' is no amount, as in 2.50 or 1250; the sign of decimals is a point"),
        ("budget_usd", "1.000,50", "as in 2.50 or 1250; thousands are parted by commas or spaces"),
        ("budget_usd", "20 EUR", "budget_usd: '20 EUR' is no amount, as in 2.50 or 1250; amounts are US dollars"),
        ("deadline_hours", "2 fortnights", "deadline_hours: '2 fortnights' is no time, as in 72, 3 d or 90 min"),
        ("max_gpus", "1.5", "max_gpus: '1.5' is no whole number, as in 8 or 64"),
        ("max_gpus", "1e400", "max_gpus: '1e400' is no whole number, as in 8 or 64"),
        ("max_gpu_memory", "24 kg", "max_gpu_memory: '24 kg' is no memory, as in 24 or 80GB"),
        ("allow_stale", "maybe", "allow_stale: 'maybe' is none of true, false"),
        ("method", "qlorra", "method: must be 'pretrain', 'full_finetune', 'lora', 'qlora'"),
        ("model", "llama-3.1-8", "no preset 'llama-3.1-8'; did you mean llama-3.1-8b"),
        ("provider", "amazn", "no provider 'amazn' here"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_understood_says_what_is_allowed_and_the_form_stays(client, name, typed, said):
    fields = {"model": "llama-2-7b", "method": "qlora", "data": "5000 x 600", "epochs": "2"} | {name: typed}
    answer = client.get("/quote", params=fields)
    assert answer.status_code in (404, 422)
    told = html.unescape(re.search(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.S)[1])
    assert said in told
    for field in {"model", "data", "epochs", name} - {"allow_stale"}:
        box = re.search(
            rf'<input[^>]*\bname="{field}"[^>]*>|<select name="{field}">.*?<option[^>]* selected>',
            answer.text,
        )[0]
        assert html.unescape(re.findall(r'value="([^"]*)"', box)[-1]) == fields[field]


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [("provider", "lamda", "lambda"), ("model", "llama-3.1-8", "llama-3.1-8b"), ("gpu", "H10", "")],
)
def test_a_name_that_is_suggested_goes_into_the_field_that_it_is_of(client, name, typed, meant):
    fields = {"model": "llama-2-7b", "method": "qlora", "data": "5000 x 600"} | {name: typed}
    answer = client.get("/quote", params=fields)
    told = re.search(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.S)[1]
    links = [httpx.URL(html.unescape(href)) for href in re.findall(r'href="([^"]+)"', told)]
    assert 1 <= len(links) <= 5
    assert {**fields, name: links[0].params[name]} == dict(links[0].params)
    assert not meant or links[0].params[name] == meant
    assert client.get(str(links[0])).status_code == 200
