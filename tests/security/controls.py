"""The controls: each looks at a whole deployment and returns what is wrong with it, or nothing.

A test applies a control to what the app makes and expects nothing; its twin applies the same
control to a weakened copy and expects a finding, so no control can pass whatever it is given.
`CONTROLS` is all of them: the weakening tests run every one.
"""

from __future__ import annotations

from review.template.security_groups import EVERYWHERE, Rule, effective_rules
from tests.security.app_deployment import AppDeployment
from tests.security.control import CONTROLS, JOB, Control
from tests.security.encryption_controls import (
    everything_stored_is_encrypted,
    keys_and_roles_agree,
    keys_are_used_for_what_they_are_for,
    two_rotating_keys,
)
from tests.security.engine_controls import (
    code_comes_from_the_accounts_own_assets,
    failures_raise_an_alarm,
    functions_run_where_and_as_designed,
    functions_start_after_their_permissions,
    logs_are_kept_as_long_as_set,
    nothing_failed_is_lost,
    people_hear_of_jobs_that_ended,
    requests_do_not_grow_old,
    state_can_be_restored,
    the_follower_is_called_by_its_rules_alone,
    the_waiter_calls_the_framework_only,
)
from tests.security.environment_controls import (
    UNTAGGED_BY_THE_LIBRARY,
    a_zone_can_be_dropped,
    carries_its_tags,
    keeps_what_the_settings_keep,
    only_known_resources,
    stacks_wait_for_what_they_use,
)
from tests.security.groups import groups_in_use
from tests.security.identity_controls import (
    every_role_is_bounded,
    roles_are_taken_only_by,
    roles_may_do_only_this,
    the_customization_role_is_guarded_against_confused_deputies,
)
from tests.security.job_controls import jobs_are_private
from tests.security.network_controls import (
    all_traffic_is_logged,
    endpoints_are_private_ways_for_these_calls,
    groups_let_only_these_paths_through,
    names_resolve_to_the_endpoints,
    no_way_to_the_internet,
    one_subnet_in_every_zone,
    the_default_group_is_closed,
)
from tests.security.storage_controls import (
    buckets_are_private_and_versioned,
    buckets_have_one_policy_each,
)

__all__ = [
    "CONTROLS",
    "EVERYWHERE",
    "JOB",
    "UNTAGGED_BY_THE_LIBRARY",
    "Control",
    "Rule",
    "a_zone_can_be_dropped",
    "all_traffic_is_logged",
    "buckets_are_private_and_versioned",
    "buckets_have_one_policy_each",
    "carries_its_tags",
    "code_comes_from_the_accounts_own_assets",
    "effective_rules",
    "endpoints_are_private_ways_for_these_calls",
    "every_role_is_bounded",
    "everything_stored_is_encrypted",
    "failures_raise_an_alarm",
    "findings",
    "functions_run_where_and_as_designed",
    "functions_start_after_their_permissions",
    "groups_in_use",
    "groups_let_only_these_paths_through",
    "jobs_are_private",
    "keeps_what_the_settings_keep",
    "keys_and_roles_agree",
    "keys_are_used_for_what_they_are_for",
    "logs_are_kept_as_long_as_set",
    "names_resolve_to_the_endpoints",
    "no_way_to_the_internet",
    "nothing_failed_is_lost",
    "one_subnet_in_every_zone",
    "only_known_resources",
    "people_hear_of_jobs_that_ended",
    "requests_do_not_grow_old",
    "roles_are_taken_only_by",
    "roles_may_do_only_this",
    "stacks_wait_for_what_they_use",
    "state_can_be_restored",
    "the_customization_role_is_guarded_against_confused_deputies",
    "the_default_group_is_closed",
    "the_follower_is_called_by_its_rules_alone",
    "the_waiter_calls_the_framework_only",
    "two_rotating_keys",
]


def findings(deployment: AppDeployment) -> set[str]:
    """What all controls together find."""
    return {f"{check.__name__}: {each}" for check in CONTROLS for each in check(deployment)}
