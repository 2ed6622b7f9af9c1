"""Hearing what a topic says, by a queue of one's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.client import Client
from rehearsal.errors import RehearsalError

_NAME = "rehearsal-listener"
_INTERVAL = 0.2

Message = dict[str, Any]


@dataclass(kw_only=True)
class Listener:
    """A queue that is subscribed to a topic; use it as a context manager."""

    client: Client
    topic_arn: str
    heard: list[Message] = field(default_factory=list)
    """Every message so far, in the order of arrival."""
    _queue: str = ""
    _subscription: str = ""

    def __enter__(self) -> Listener:
        sqs, sns = self.client.service("sqs"), self.client.service("sns")
        arn = f"arn:aws:sqs:{self.client.region}:{self.client.account}:{_NAME}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": self.topic_arn}},
                }
            ],
        }
        self._queue = sqs.create_queue(QueueName=_NAME, Attributes={"Policy": json.dumps(policy)})[
            "QueueUrl"
        ]
        self._subscription = sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return self

    def __exit__(self, *_: object) -> None:
        self.client.service("sns").unsubscribe(SubscriptionArn=self._subscription)
        self.client.service("sqs").delete_queue(QueueUrl=self._queue)

    def listen(self) -> list[Message]:
        """Take what has arrived; return everything heard so far."""
        sqs = self.client.service("sqs")
        while True:
            answer = sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                return self.heard
            for message in messages:
                self.heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def wait_for(
        self, what: str, wanted: Callable[[Message], bool], *, count: int = 1, timeout: float
    ) -> list[Message]:
        """Return the messages that are wanted, when there are enough.

        Raises:
            RehearsalError: there are not enough in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = [message for message in self.listen() if wanted(message)]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise RehearsalError(
                    f"heard {len(found)} of {count} messages ({what}) within {timeout:g} s",
                    fix="read the follower's lines in the emulator's log",
                    reasons=tuple(str(message) for message in self.heard),
                )
            time.sleep(_INTERVAL)
