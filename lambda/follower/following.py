"""Starting what comes after a job's training: one execution of the follow-up for each name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization.clients import is_transient
from customization.jobs import error_code
from lineage.template import template_of

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_stepfunctions import SFNClient

    from customization.rows import Row


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """The environment's follow-up, an ARN of a state machine of the Standard type."""

    stepfunctions: SFNClient
    cloudformation: CloudFormationClient
    state_machine: str
    logger: Logger

    def start(self, row: Row) -> None:
        """Start the follow-up of a row's job; one that was started before stays the only one.

        The execution has the job's name, and Step Functions takes a name once in ninety days.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        Raises botocore's ClientError.
        """
        order = {"job_name": row.name, "template": self._template(row.stack_id)}
        try:
            self.stepfunctions.start_execution(
                stateMachineArn=self.state_machine, name=row.name, input=json.dumps(order)
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise

    def _template(self, stack_id: str) -> dict[str, str] | None:
        """Return the id of a job's stack and the digest of its template, for the model's record.

        None where it cannot be had: nothing but the record's completeness depends on it.
        """
        try:
            body = self.cloudformation.get_template(StackName=stack_id, TemplateStage="Original")[
                "TemplateBody"
            ]
        except ClientError as error:
            if is_transient(error):
                raise
            self.logger.warning(
                "the template of a stack cannot be read",
                extra={"stack_id": stack_id, "code": error_code(error)},
            )
            return None
        return asdict(template_of(stack_id=stack_id, body=body))
