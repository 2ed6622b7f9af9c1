"""The controls: each looks at a whole deployment and returns what is wrong with it, or nothing.

Most of them are rules of review/rules/, which judge any template; with them go the controls that
need the settings. A test applies a control to what the app makes and expects nothing; its twin
applies the same control to a weakened copy and expects a finding. `CONTROLS` is all of them: the
weakening tests run every one.
"""

from __future__ import annotations

from review.rules import (
    buckets,
    endpoints,
    flow_logs,
    functions,
    groups,
    jobs,
    keys,
    network,
    resources,
    retention,
    roles,
    stores,
    watching,
)
from review.rules.environment import JOB, environment_of
from review.template.deployment import Deployment
from review.template.security_groups import EVERYWHERE, Rule, effective_rules
from tests.security import settings_controls
from tests.security.app_deployment import AppDeployment
from tests.security.control import SETTINGS_CONTROLS, Control, rule_controls, together

__all__ = [
    "CONTROLS",
    "EVERYWHERE",
    "JOB",
    "UNTAGGED_BY_THE_LIBRARY",
    "Control",
    "Rule",
    "effective_rules",
    "findings",
    "job_group",
]

CONTROLS: dict[str, Control] = {
    **rule_controls(),
    **{control.__name__: control for control in SETTINGS_CONTROLS},
}
"""All controls by a rule's id or a control's name."""

UNTAGGED_BY_THE_LIBRARY = frozenset(
    {
        "CustomVpcRestrictDefaultSGCustomResourceProviderHandler",
        "CustomVpcRestrictDefaultSGCustomResourceProviderRole",
    }
)
"""Raw resources that the CDK writes, which its `Tags` do not reach; checked for staleness."""


def findings(deployment: AppDeployment) -> set[str]:
    """What all controls together find."""
    return {f"{name}: {each}" for name, check in CONTROLS.items() for each in check(deployment)}


def job_group(deployment: Deployment) -> str:
    """The id of the security group that jobs run in."""
    return environment_of(deployment).groups["job"]


_letter = together(
    settings_controls.policies_say_this_to_the_letter,
    settings_controls.the_environment_is_that_of_the_settings,
)
"""Policies as the design has them, with what the settings put into it."""

# --- the network
no_way_to_the_internet = together(
    network.no_way_to_the_internet,
    network.no_route_but_the_local_one,
    network.no_public_addresses,
)
one_subnet_in_every_zone = together(
    network.subnets_in_their_slots,
    network.every_subnet_has_its_route_table,
    network.one_vpc,
    settings_controls.the_network_is_that_of_the_settings,
)
names_resolve_to_the_endpoints = together(network.names_resolve_to_the_endpoints)
all_traffic_is_logged = together(flow_logs.all_traffic_is_logged, flow_logs.every_vpc_is_logged)
the_default_group_is_closed = together(network.the_default_group_is_closed)
groups_let_only_these_paths_through = together(
    groups.groups_let_only_these_paths_through,
    network.one_vpc,
    settings_controls.the_network_is_that_of_the_settings,
)
endpoints_are_private_ways_for_these_calls = together(
    endpoints.endpoints_are_private_ways_for_these_calls, network.one_vpc, _letter
)
a_zone_can_be_dropped = together(network.a_zone_can_be_dropped)

# --- keys and what is stored
two_rotating_keys = together(
    keys.two_rotating_keys,
    keys.keys_are_symmetric_and_ours,
    settings_controls.what_is_kept_is_kept_as_long_as_set,
)
keys_are_used_for_what_they_are_for = together(keys.keys_are_used_for_what_they_are_for, _letter)
keys_and_roles_agree = together(keys.keys_and_roles_agree, keys.keys_admit_their_users)
everything_stored_is_encrypted = together(
    buckets.buckets_are_private_and_versioned,
    stores.logs_are_kept_as_long_as_set,
    stores.state_can_be_restored,
    stores.nothing_failed_is_lost,
    stores.people_hear_of_jobs_that_ended,
)
buckets_are_private_and_versioned = together(
    buckets.buckets_are_private_and_versioned,
    settings_controls.what_is_kept_is_kept_as_long_as_set,
)
buckets_have_one_policy_each = together(buckets.buckets_have_one_policy_each, _letter)
logs_are_kept_as_long_as_set = together(
    stores.logs_are_kept_as_long_as_set, settings_controls.what_is_kept_is_kept_as_long_as_set
)
state_can_be_restored = together(stores.state_can_be_restored)
nothing_failed_is_lost = together(stores.nothing_failed_is_lost, _letter)
people_hear_of_jobs_that_ended = together(stores.people_hear_of_jobs_that_ended, _letter)

# --- functions and jobs
functions_run_where_and_as_designed = together(
    functions.functions_run_where_and_as_designed,
    settings_controls.the_functions_are_set_as_the_settings_say,
)
functions_start_after_their_permissions = together(
    functions.functions_start_after_their_permissions
)
code_comes_from_the_accounts_own_assets = together(
    functions.code_comes_from_the_accounts_own_assets
)
requests_do_not_grow_old = together(functions.requests_do_not_grow_old)
the_follower_is_called_by_its_rules_alone = together(
    functions.the_follower_is_called_by_its_rules_alone,
    settings_controls.the_functions_are_set_as_the_settings_say,
)
failures_raise_an_alarm = together(
    watching.failures_raise_an_alarm, settings_controls.the_functions_are_set_as_the_settings_say
)
the_waiter_calls_the_framework_only = together(watching.the_waiter_calls_the_framework_only)
jobs_are_private = together(jobs.jobs_are_private, settings_controls.jobs_are_those_of_the_settings)

# --- roles
roles_are_taken_only_by = together(
    roles.roles_are_taken_only_by,
    _letter,
)
the_customization_role_is_guarded_against_confused_deputies = together(
    roles.the_customization_role_is_guarded_against_confused_deputies,
    roles.roles_are_guarded_against_confused_deputies,
)
roles_may_do_only_this = together(
    settings_controls.the_keys_of_methods_are_those_of_the_settings,
    roles.roles_may_do_only_this,
    _letter,
)
every_role_is_bounded = together(settings_controls.every_role_has_the_boundary_of_the_settings)

# --- the whole
only_known_resources = together(resources.only_known_resources)
keeps_what_the_settings_keep = together(
    retention.keeps_what_the_settings_keep, settings_controls.what_is_kept_is_kept_as_long_as_set
)
carries_its_tags = together(
    resources.carries_its_tags, settings_controls.resources_carry_the_tags_of_the_settings
)
stacks_wait_for_what_they_use = together(resources.stacks_wait_for_what_they_use)
