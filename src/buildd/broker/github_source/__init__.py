"""Issues of GitHub as tasks: what its webhook tells, and what that changes here."""

from buildd.broker.github_source.inbox import check
from buildd.broker.github_source.reports import CommentSender
from buildd.broker.github_source.webhooks import (
    RECEIPTS_KEPT,
    REFUSED,
    Believed,
    Delivery,
    Webhooks,
)

__all__ = ["RECEIPTS_KEPT", "REFUSED", "Believed", "CommentSender", "Delivery", "Webhooks", "check"]
