"""What several stacks make of the settings."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

from bedrock_finetuning.provider_framework import FunctionSettings
from settings import Settings


def removal_policy(settings: Settings) -> RemovalPolicy:
    """Data, keys, logs and state are kept together or go together."""
    return RemovalPolicy.RETAIN if settings.storage.retain else RemovalPolicy.DESTROY


def function_settings(settings: Settings) -> FunctionSettings:
    """What all functions of the environment have in common."""
    return FunctionSettings(
        log_level=settings.engine.log_level,
        log_retention=retention(settings.engine.log_retention_days),
        reserved_concurrency=settings.engine.reserved_concurrency,
        removal_policy=removal_policy(settings),
    )


def retention(days: int) -> logs.RetentionDays:
    """The library's name of a number of days that CloudWatch Logs accepts."""
    return _RETENTION[days]


# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    120: logs.RetentionDays.FOUR_MONTHS,
    150: logs.RetentionDays.FIVE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    400: logs.RetentionDays.THIRTEEN_MONTHS,
    545: logs.RetentionDays.EIGHTEEN_MONTHS,
    731: logs.RetentionDays.TWO_YEARS,
    1096: logs.RetentionDays.THREE_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    2192: logs.RetentionDays.SIX_YEARS,
    2557: logs.RetentionDays.SEVEN_YEARS,
    2922: logs.RetentionDays.EIGHT_YEARS,
    3288: logs.RetentionDays.NINE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}
