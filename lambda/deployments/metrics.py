"""What the deployer tells CloudWatch: lines of the log from which it takes metrics."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

NAMESPACE: Final = "Finetune"
ENVIRONMENT_DIMENSION: Final = "Environment"
THROUGHPUT_OVERDUE: Final = "ThroughputOverdue"
"""How much throughput of ours Bedrock has that is past its end, or that no row knows."""
FAILED_DEPLOYMENTS: Final = "FailedDeployments"
"""How many deployments failed, were refused or went missing since the last line."""


def line(*, environment: str, overdue: int, failed: int, now: datetime) -> str:
    """Return the line of one sweep.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": "Count"} for name in (THROUGHPUT_OVERDUE, FAILED_DEPLOYMENTS)]
    return json.dumps(
        {
            "_aws": {
                "Timestamp": int(now.timestamp() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [[ENVIRONMENT_DIMENSION]],
                        "Metrics": metrics,
                    }
                ],
            },
            ENVIRONMENT_DIMENSION: environment,
            THROUGHPUT_OVERDUE: overdue,
            FAILED_DEPLOYMENTS: failed,
        }
    )
