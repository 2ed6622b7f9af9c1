"""CloudWatch alarms: metric math, dimensions, missing data, and whom they may tell.

MiniStack refuses metric math, adds up a metric over all its dimensions, and publishes an alarm
whether or not topic and key let CloudWatch. Each alarm is looked at when a metric comes in, over
one window that ends then; that data is missing counts once the alarm is as old as its window.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import cloudwatch, kms, sns
from ministack.services.cloudformation import provisioners

from rehearsal.emulator import metric_math, refusals
from rehearsal.emulator.cloudformation.handlers import RefusedError
from rehearsal.emulator.decisions import service_may

_log = logging.getLogger("rehearsal")
_CLOUDWATCH = "cloudwatch.amazonaws.com"
_ALARM, _OK = "ALARM", "OK"
_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_MISSING = {"breaching": _ALARM, "notBreaching": _OK}

_original_record = provisioners._cw_metric_alarm_record
_original_metric = cloudwatch.record_metric
_original_publish = cloudwatch._dispatch_alarm_actions


class _OneMetric:
    """An alarm's properties with a metric in the place of metric math, for MiniStack's reading."""

    def __init__(self, properties: Any) -> None:
        self._properties = properties

    def get(self, key: str, default: Any = None) -> Any:
        if key in ("MetricName", "Namespace"):
            return "metric math"
        return None if key == "Metrics" else self._properties.get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self._properties[key]


def _queries(entries: Iterable[Any]) -> list[dict[str, Any]]:
    """The alarm's metrics and its one expression, checked.

    Raises:
        RefusedError: what CloudWatch refuses, or the rehearsal does not know.
    """
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry.get("Expression"):
            found.append({"Id": entry["Id"], "Expression": entry["Expression"]})
            entry.get("Label")
            entry.get("Period")
            continue
        stat = entry["MetricStat"]
        metric = stat["Metric"]
        found.append(
            {
                "Id": entry["Id"],
                "Namespace": metric["Namespace"],
                "MetricName": metric["MetricName"],
                "Dimensions": _dimensions(metric.get("Dimensions")),
                "Stat": stat["Stat"],
                "Period": int(stat["Period"]),
            }
        )
        # An alarm looks at the one entry that returns data; here that is the expression.
        if entry.get("ReturnData") not in (False, "false"):
            raise RefusedError(f"two entries of the alarm return data: {entry['Id']} is one")
    expressions = [entry["Expression"] for entry in found if "Expression" in entry]
    if len(expressions) != 1:
        raise RefusedError("the rehearsal knows metric math with exactly one expression")
    try:
        unknown = metric_math.names(expressions[0]) - {entry["Id"] for entry in found}
    except metric_math.ExpressionError as error:
        raise RefusedError(str(error)) from error
    if unknown:
        raise RefusedError(f"the expression names {', '.join(sorted(unknown))}: no such metric")
    return found


def _dimensions(entries: Any) -> dict[str, str]:
    return {entry["Name"]: str(entry["Value"]) for entry in entries or []}


def _record(name: str, properties: Any) -> dict[str, Any]:
    queries = properties.get("Metrics")
    if not queries:
        return _made(name, _original_record(name, properties))
    checked = _queries(queries)
    alarm = _original_record(name, _OneMetric(properties))
    period = max(entry["Period"] for entry in checked if "Period" in entry)
    return _made(name, {**alarm, "Period": period, "_queries": checked})


def _made(name: str, alarm: dict[str, Any]) -> dict[str, Any]:
    before = cloudwatch._alarms.get(name) or {}
    return {**alarm, "_made": before.get("_made", time.time())}


def _statistic(
    *, namespace: str, metric: str, dimensions: Mapping[str, str], stat: str, since: float
) -> float | None:
    """A statistic of the metric with exactly these dimensions, None without data."""
    key = (namespace, metric, cloudwatch._dims_key(dict(dimensions)))
    points = [point for point in cloudwatch._metrics.get(key) or [] if point["Timestamp"] >= since]
    if not points:
        return None
    return float(cloudwatch._stat_value(cloudwatch._calc_stats(points), stat, points))


def _observed(alarm: dict[str, Any], since: float) -> float | None:
    queries = alarm.get("_queries")
    if not queries:
        return _statistic(
            namespace=alarm["Namespace"],
            metric=alarm["MetricName"],
            dimensions=_dimensions(alarm.get("Dimensions")),
            stat=alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average"),
            since=since,
        )
    values: dict[str, float | None] = {}
    for query in queries:
        if "MetricName" in query:
            values[query["Id"]] = _statistic(
                namespace=query["Namespace"],
                metric=query["MetricName"],
                dimensions=query["Dimensions"],
                stat=query["Stat"],
                since=since,
            )
    expression = next(query["Expression"] for query in queries if "Expression" in query)
    return metric_math.evaluate(expression, values)


def _evaluate(alarm: dict[str, Any]) -> None:
    now = time.time()
    window = int(alarm.get("Period", 60)) * int(alarm.get("EvaluationPeriods", 1))
    value = _observed(alarm, now - window)
    if value is None:
        if now - alarm.get("_made", now) < window:
            return
        state = _MISSING.get(alarm.get("TreatMissingData", "missing"), alarm["StateValue"])
        reason = f"no datapoint was received for {window} s and missing data is {state}"
    else:
        threshold, comparison = alarm["Threshold"], alarm["ComparisonOperator"]
        state = _ALARM if _COMPARISONS[comparison](value, threshold) else _OK
        reason = f"Threshold Crossed: {value:g} {comparison} {threshold:g}"
    before = alarm["StateValue"]
    if state == before:
        return
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(now))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def why_topic_refuses(*, topic_arn: str, alarm_arn: str) -> str | None:
    """Why CloudWatch may not publish an alarm on a topic, None when it may."""
    account = get_account_id()
    topic = sns._topics.get(topic_arn)
    if topic is None:
        return f"the topic {topic_arn} of the alarm {alarm_arn} does not exist"
    if not sns.topic_policy_allows(topic_arn, _CLOUDWATCH, alarm_arn, account):
        return f"the policy of {topic_arn} does not let {_CLOUDWATCH} publish {alarm_arn}"
    key = kms._resolve_key(topic["attributes"].get("KmsMasterKeyId"))
    if key is None:
        return None
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        if not service_may(
            policy=key.get("Policy") or "{}",
            service=_CLOUDWATCH,
            action=action,
            resource=key["Arn"],
            keys={"aws:SourceAccount": account, "aws:SourceArn": alarm_arn},
            account=account,
        ):
            return (
                f"the key {key['Arn']} of {topic_arn} does not let {_CLOUDWATCH} call {action} "
                f"for {alarm_arn}"
            )
    return None


def _publish(alarm: dict[str, Any], before: str, state: str, reason: str) -> None:
    field = {_ALARM: "AlarmActions", _OK: "OKActions"}.get(state, "InsufficientDataActions")
    allowed = []
    for action in alarm.get(field) or []:
        refused = why_topic_refuses(topic_arn=action, alarm_arn=alarm["AlarmArn"])
        if refused:
            refusals.record(where="alarm", reason=refused)
        else:
            allowed.append(action)
    _original_publish({**alarm, field: allowed}, before, state, reason)


def _metric(*arguments: Any, **named: Any) -> None:
    _original_metric(*arguments, **named)
    for alarm in list(cloudwatch._alarms.values()):
        try:
            cloudwatch._evaluate_alarm(alarm)
        except Exception:
            # Whoever recorded the metric has nothing to do with it.
            _log.exception("alarm %s", alarm.get("AlarmName"))


def install() -> None:
    """Make, evaluate and publish alarms this way from now on."""
    provisioners._cw_metric_alarm_record = _record
    cloudwatch._evaluate_alarm = _evaluate
    cloudwatch._dispatch_alarm_actions = _publish
    cloudwatch.record_metric = _metric
