"""The names of what an environment owns, so that a policy can name what a later stack makes."""

from __future__ import annotations

from dataclasses import dataclass

APPLICATION = "finetune"

DATASETS_PREFIX = "fine-tuning-datasets/"
OUTPUTS_PREFIX = "outputs/"


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names derived from an environment and its Region.

    IAM names are unique in an account, whatever the Region, so role names carry it. With an
    environment of at most 12 characters the longest role name stays within IAM's 64.
    """

    environment: str
    region: str

    def stack(self, part: str) -> str:
        """Name of the stack that holds one part of the environment."""
        return f"{APPLICATION}-{self.environment}-{part}"

    def role(self, purpose: str) -> str:
        """Name of a role."""
        return f"{APPLICATION}-{self.environment}-{self.region}-{purpose}"

    @property
    def customization_role(self) -> str:
        """Name of the role that Bedrock assumes.

        Holders of the managed policy AmazonBedrockFullAccess may pass only roles whose name
        contains AmazonBedrock:
        https://docs.aws.amazon.com/bedrock/latest/userguide/security-iam-awsmanpol.html
        """
        return f"AmazonBedrock-{self.role('customization')}"

    def function(self, purpose: str) -> str:
        """Name of a function."""
        return f"{APPLICATION}-{self.environment}-{purpose}"

    def function_log_group(self, purpose: str) -> str:
        """Name of a function's log group."""
        return f"/aws/lambda/{self.function(purpose)}"

    def log_group(self, purpose: str) -> str:
        """Name of a log group that belongs to no function."""
        return f"/{APPLICATION}/{self.environment}/{purpose}"

    @property
    def log_group_patterns(self) -> tuple[str, ...]:
        """What the names of all log groups of the environment look like."""
        return (self.function_log_group("*"), self.log_group("*"))

    @property
    def state_table(self) -> str:
        """Name of the table that keeps the state of the jobs."""
        return f"{APPLICATION}-{self.environment}-jobs"

    @property
    def failed_events_queue(self) -> str:
        """Name of the queue of events that nobody could handle."""
        return f"{APPLICATION}-{self.environment}-failed-events"

    @property
    def job_state_rule(self) -> str:
        """Name of the rule that hears of the jobs' state changes."""
        return f"{APPLICATION}-{self.environment}-job-state"

    @property
    def follow_rule(self) -> str:
        """Name of the rule that wakes the follower every few minutes."""
        return f"{APPLICATION}-{self.environment}-follow"

    @property
    def failed_jobs_alarm(self) -> str:
        """Name of the alarm on jobs that failed."""
        return f"{APPLICATION}-{self.environment}-failed-jobs"

    @property
    def follower_alarm(self) -> str:
        """Name of the alarm on a follower that does not work."""
        return f"{APPLICATION}-{self.environment}-follower"

    @property
    def deployments_table(self) -> str:
        """Name of the table that keeps the state of the deployments."""
        return f"{APPLICATION}-{self.environment}-deployments"

    @property
    def reap_rule(self) -> str:
        """Name of the rule that wakes the deployer every few minutes."""
        return f"{APPLICATION}-{self.environment}-reap"

    @property
    def schedule_group(self) -> str:
        """Name of the group of the schedules that end provisioned throughput."""
        return f"{APPLICATION}-{self.environment}"

    @property
    def follow_up(self) -> str:
        """Name of the state machine that follows a completed job."""
        return f"{APPLICATION}-{self.environment}-follow-up"

    @property
    def follow_up_alarm(self) -> str:
        """Name of the alarm on a follow-up that failed."""
        return f"{APPLICATION}-{self.environment}-follow-up"

    @property
    def deployer_alarm(self) -> str:
        """Name of the alarm on a deployer that does not work."""
        return f"{APPLICATION}-{self.environment}-deployer"

    @property
    def overdue_alarm(self) -> str:
        """Name of the alarm on throughput that lives past its end."""
        return f"{APPLICATION}-{self.environment}-throughput-overdue"

    @property
    def inference_alarms(self) -> tuple[str, ...]:
        """Names of the alarms of what deploys models, which the stacks before it admit."""
        return (self.follow_up_alarm, self.deployer_alarm, self.overdue_alarm)

    @property
    def dashboard(self) -> str:
        """Name of the environment's dashboard."""
        return f"{APPLICATION}-{self.environment}"

    @property
    def job_stacks(self) -> str:
        """Pattern of the names of the stacks that hold a job each."""
        return self.stack("job-*")
