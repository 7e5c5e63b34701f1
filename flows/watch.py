"""Looks at the watched prices after a refresh, and tells whoever waits."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

from gpuledger.core.config import MailSettings, NotifySettings
from gpuledger.core.errors import GPULedgerError, UsageError
from gpuledger.core.files import write_whole
from gpuledger.core.price_watch import FILE, Crossing, PriceWatch, looked, read_watches, watches_text
from gpuledger.core.spec import parse_spec
from gpuledger.core.store.database import file_lock
from gpuledger.core.store.home import Home
from gpuledger.core.store.offers import LatestOffer, OfferQuery, offers
from gpuledger.core.store.publish import open_snapshot
from gpuledger.flows.notify import UNTOLD, deliver, keep_untold, untold_in

LOG = logging.getLogger("gpuledger")
TIMEOUT_SECONDS = 10.0
LOCK = "watches.lock"
MOST_WATCHES = 200
UNMAILED = "unmailed.jsonl"
"""File of the home with what no mail server took yet."""


def watches(home: Home) -> list[PriceWatch]:
    """Those of a home; none without a file.

    Raises:
        UsageError: the file cannot be read.
    """
    path = home.path / FILE
    try:
        return read_watches(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def keep(home: Home, all_of: Sequence[PriceWatch]) -> None:
    """Write them."""
    home.create()
    write_whole(home.path / FILE, watches_text(all_of).encode())


def _turn(home: Home) -> AbstractContextManager[None]:
    """One changes the file at a time, so that none loses what another added."""
    return file_lock(home.path / LOCK, wait_seconds=TIMEOUT_SECONDS, whose="another change of the watches")


def add_watch(home: Home, added: PriceWatch) -> list[PriceWatch]:
    """Begin one, in place of one of the same id; all of them.

    Raises:
        UsageError: there are too many.
    """
    home.create()
    with _turn(home):
        rest = [watch for watch in watches(home) if watch.watch_id != added.watch_id]
        if len(rest) >= MOST_WATCHES:
            raise UsageError(f"watch: {home.path} has {len(rest)}, the most; end one first")
        keep(home, [*rest, added])
        return [*rest, added]


def end_watch(home: Home, watch_id: str) -> list[PriceWatch]:
    """End one; those that are left.

    Raises:
        UsageError: there is none of that id.
    """
    home.create()
    with _turn(home):
        before = watches(home)
        rest = [watch for watch in before if watch.watch_id != watch_id]
        if len(rest) == len(before):
            ids = ", ".join(watch.watch_id for watch in before[:9]) or "none"
            raise UsageError(f"watch: none has the id {watch_id[:40]!r}; there are: {ids}")
        keep(home, rest)
        return rest


def look(home: Home, *, at: datetime) -> list[Crossing]:
    """Every watched price against the newest snapshot; those that fell below since the last look."""
    if not watches(home):
        return []
    with _turn(home):
        return _look(home, at)


def _look(home: Home, at: datetime) -> list[Crossing]:
    before = watches(home)
    after: list[PriceWatch] = []
    crossings: list[Crossing] = []
    with open_snapshot(home) as connection:
        for watch in before:
            best = _cheapest(connection, watch, at)
            watch, has_crossed = looked(watch, None if best is None else best.usd_per_gpu_hour, at)
            after.append(watch)
            if has_crossed and best is not None:
                crossings.append(
                    Crossing(
                        watch=watch,
                        provider=best.provider,
                        instance_type=best.instance_type,
                        region=best.region,
                    )
                )
    keep(home, after)
    return crossings


def _cheapest(connection: Any, watch: PriceWatch, at: datetime) -> LatestOffer | None:
    """The cheapest fresh offer: a price that is not sure is no reason to wake somebody."""
    spec = parse_spec(watch.gpu)
    query = OfferQuery(
        gpu_ids=spec.gpu_ids,
        min_gpu_count=spec.min_count,
        max_gpu_count=spec.max_count,
        purchase_options=(watch.purchase_option,),
        providers=watch.providers,
        states=("fresh",),
    )
    priced = [offer for offer in offers(connection, query, at=at) if offer.usd_per_gpu_hour is not None]
    return min(priced, key=lambda offer: offer.usd_per_gpu_hour or Decimal(0), default=None)


def look_and_tell(
    home: Home, settings: NotifySettings, environ: Mapping[str, str], *, at: datetime
) -> list[Crossing]:
    """After a refresh: look, tell by webhook and mail. What goes wrong is a line in the log, never the end of it."""
    try:
        crossings = look(home, at=at)
    except GPULedgerError as error:
        LOG.warning("prices were not watched: %s", error)
        return []
    bodies = [crossing.to_body(at) for crossing in crossings]
    if settings.webhook is not None:
        deliver(settings.webhook, bodies, untold=home.path / UNTOLD)
    if settings.mail is not None:
        # what a server did not take goes with the next mail
        waiting = [*untold_in(home.path / UNMAILED), *bodies]
        is_sent = not waiting or send_mail(
            settings.mail, waiting, password=environ.get("GPULEDGER_SMTP_PASSWORD")
        )
        keep_untold(home.path / UNMAILED, [] if is_sent else waiting)
    return crossings


def send_mail(
    settings: MailSettings, bodies: Sequence[Mapping[str, Any]], *, password: str | None = None
) -> bool:
    """One mail with a line for each crossing; whether it was taken."""
    message = EmailMessage()
    message["From"], message["To"] = settings.sender, settings.recipient
    message["Subject"] = bodies[0]["text"][:120]
    message.set_content("\n".join(body["text"] for body in bodies) + "\n")
    try:
        with smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS) as server:
            if password is not None:
                server.starttls(context=ssl.create_default_context())
                server.login(settings.user or settings.sender, password)
            server.send_message(message)
        return True
    except (OSError, smtplib.SMTPException) as error:
        LOG.warning("no mail was sent: %s", type(error).__name__)
        return False
