"""What may go wrong with a deployment and is told to the person who deploys."""

from customization.errors import CustomizationError


class WishError(CustomizationError):
    """The custom resource's properties are not a wish that Bedrock could meet."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the deployment asked for is not valid: " + "; ".join(problems))


class DeploymentRefusedError(CustomizationError):
    """Bedrock did not take a deployment."""


class PassingRefusalError(DeploymentRefusedError):
    """Bedrock did not take a deployment, and may when it is asked again later."""


class CommitmentError(CustomizationError):
    """Throughput cannot be deleted before the end of its commitment."""


class ScheduleError(CustomizationError):
    """The schedule for the end of throughput could not be made: nothing is bought without it."""


class InvocationLoggingError(CustomizationError):
    """Bedrock's log of model invocations cannot be turned on or off as asked."""
