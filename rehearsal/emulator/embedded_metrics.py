"""Metrics that functions write into their logs, which CloudWatch takes out of them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

_original_logs = lambda_svc._emit_lambda_logs


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One value of one metric."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: dict[str, str]


def metrics_in(line: str) -> Iterator[Metric]:
    """Metrics that a line of a log holds; most hold none.

    As with CloudWatch, a line that is not the whole of a JSON object, or misses the root's
    `_aws.CloudWatchMetrics`, a metric's value or a dimension's, gives nothing and no error.
    """
    if '"_aws"' not in line:
        return
    try:
        root = json.loads(line)
        directives = root["_aws"]["CloudWatchMetrics"]
        int(root["_aws"]["Timestamp"])
    except (ValueError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive.get("Dimensions", [[]]):
            if not all(isinstance(root.get(name), str) for name in names):
                continue
            for metric in directive.get("Metrics", []):
                yield from _values(root, directive, names, metric)


def _values(
    root: dict[str, Any], directive: dict[str, Any], names: list[str], metric: dict[str, Any]
) -> Iterator[Metric]:
    value = root.get(metric["Name"])
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            yield Metric(
                namespace=str(directive["Namespace"]),
                name=str(metric["Name"]),
                value=float(number),
                unit=str(metric.get("Unit", "None")),
                dimensions={name: root[name] for name in names},
            )


def _logs(func: Any, request_id: str, log_text: str, *rest: Any, **named: Any) -> None:
    config = func.get("config") or func
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    # MiniStack makes a group that is gone again; no role here may do that.
    if not group or group in cloudwatch_logs._log_groups:
        _original_logs(func, request_id, log_text, *rest, **named)
    for line in (log_text or "").splitlines():
        for found in metrics_in(line.strip()):
            cloudwatch.record_metric(
                found.namespace, found.name, found.value, found.unit, found.dimensions
            )


def install() -> None:
    """Take metrics out of the functions' logs from now on."""
    lambda_svc._emit_lambda_logs = _logs
