"""One plan, as JSON and as TOML, that is asked at several doors."""

PLAN = {
    "name": "support-bot",
    "method": "qlora",
    "model": "llama-2-7b",
    "dataset_tokens": 2e7,
    "epochs": 3,
    "sequence_length": 2048,
    "costs": {"people_usd": 250, "failed_run_factor": 1.2},
}
TOML = """
name = "support-bot"
method = "qlora"
model = "llama-2-7b"
dataset_tokens = 2e7
epochs = 3
sequence_length = 2048

[costs]
people_usd = 250
failed_run_factor = 1.2
"""
