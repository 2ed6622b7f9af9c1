"""What an environment may cost before it is refused."""

from pydantic import Field

from settings.section import Section


class Budget(Section):
    """Limits in US dollars, held against list prices when the app is synthesised.

    What costs more is refused. AWS's bill is not held to it: for that set a budget in AWS Budgets.
    """

    month: float | None = Field(default=None, gt=0, le=1_000_000, strict=False)
    """Most dollars a month while nothing happens: endpoints, keys, alarms, and the jobs' models
    kept; null for no limit."""
    job: float | None = Field(default=None, gt=0, le=1_000_000, strict=False)
    """Most dollars for the training of one job, by an estimate of its tokens; null for no limit."""
    deployment: float | None = Field(default=None, gt=0, le=1_000_000, strict=False)
    """Most dollars for the deployment of one job's model until its end, while nobody asks it;
    null for no limit."""
    accept_unknown_prices: bool = False
    """Whether a limit lets through what no price is known for. False refuses it, since nobody can
    say that it stays below."""
