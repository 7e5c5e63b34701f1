"""Make or replace the Prefect automations that call a webhook when a flow run of gpuledger fails, crashes, is cancelled
or late, and that find the runs of workers that died.

    GPULEDGER_NOTIFY_WEBHOOK=https://... PREFECT_API_URL=http://.../api python deploy/alert_automation.py

The program's own webhook (`[notify]` in gpuledger.toml) tells of runs that it ended itself, with the reason; this
one also tells of runs that died: a killed worker, a full machine.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from pydantic import SecretStr

NAME = "gpuledger runs that failed"
BLOCK = "gpuledger-alert"
ENDS = {
    "prefect.flow-run.Failed",
    "prefect.flow-run.Crashed",
    "prefect.flow-run.TimedOut",
    "prefect.flow-run.Cancelled",
    "prefect.flow-run.Late",
}
SILENT_NAME = "gpuledger runs whose machine fell silent"
SILENT_AFTER = timedelta(minutes=3)
"""A flow run says every 30 s that it lives."""
PAYLOAD = json.dumps(
    {
        "event": "gpuledger.flow_run_failed",
        "text": "gpuledger: {{ flow_run.name }} {{ flow_run.state.name }}: {{ flow_run.state.message }}",
        "flow_run_id": "{{ flow_run.id }}",
    }
)


def automation(block: UUID) -> Automation:
    """Every failed run of a flow that carries our tag, at once and each for itself."""
    return Automation(
        name=NAME,
        description="Calls the webhook for each flow run of gpuledger that failed, crashed, was cancelled or is late.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.gpuledger"}
            ),
            expect=ENDS,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block, payload=PAYLOAD)],
    )


def silence() -> Automation:
    """A run that said it lives, and then neither that nor how it ended: its machine died. It is marked as crashed,
    which the other automation tells, and gives its place back to the next run."""
    return Automation(
        name=SILENT_NAME,
        description="Marks flow runs of gpuledger as crashed whose heartbeats stop.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.gpuledger"}
            ),
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Cancelling",
                *ENDS,
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name=None, message="no heartbeat: its machine died", force=False
            )
        ],
    )


def main() -> int:
    address = os.environ.get("GPULEDGER_NOTIFY_WEBHOOK")
    if not address:
        sys.stderr.write("error: GPULEDGER_NOTIFY_WEBHOOK is not set\n")
        return 2
    inside = os.environ.get("GPULEDGER_NOTIFY_PRIVATE") == "1"
    hook = Webhook(method="POST", url=SecretStr(address), allow_private_urls=inside)
    block = hook.save(BLOCK, overwrite=True)
    with get_client(sync_client=True) as client:
        for name in (NAME, SILENT_NAME):
            for old in client.read_automations_by_name(name):
                client.delete_automation(old.id)
    automation(UUID(str(block))).create()
    silence().create()
    sys.stdout.write(f"automation {NAME!r} calls the webhook, {SILENT_NAME!r} finds dead workers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
