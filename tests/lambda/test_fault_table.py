"""What comes of every error of every call is known, and every path of CloudFormation is tested."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from customization import errors
from deployments import errors as deployment_errors
from tests.fakes import fault_table
from tests.fakes.fault_table import OUTCOMES, REACHED, cells, outcome, outcomes
from tests.fakes.properties import made

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "fault-table.md"
LEAST_CELLS = 150

_PATHS = """
Create, first call
    test_create_submits_the_job_in_the_vpc_with_key_role_and_owner_tags
Create, Lambda retry
    test_a_repeated_create_adopts_the_job_and_pays_once
Create, CloudFormation retry
    test_a_completed_job_with_a_living_model_is_adopted
Create, job failed or stopped
    test_a_job_that_ended_without_a_model_is_tried_again_under_the_next_name
Create, model missing
    test_a_completed_job_without_its_model_is_trained_again
Create, name taken
    test_a_name_that_is_not_ours_is_neither_adopted_nor_passed_over
Create, answer lost
    test_an_answer_that_never_came_is_looked_up
Create, unknown status
    test_an_unknown_status_is_an_error
Create, queued
    test_a_queued_create_succeeds_and_says_so
Create, stack gone meanwhile
    test_a_job_whose_stack_is_gone_is_stopped_and_its_model_treated_by_policy
Create, permissions spreading
    test_permissions_that_are_not_effective_yet_are_waited_for
Update, only tags or subnets changed
    test_an_update_of_the_same_content_makes_no_job_whatever_became_of_it
Update, content changed
    test_an_update_of_the_content_submits_and_marks_the_old_job
Update, Lambda retry
    test_a_repeated_update_makes_no_second_job
Update, job renamed
    test_another_job_name_is_another_job_and_the_old_one_is_superseded
Update, rollback
    test_a_rollback_makes_the_old_job_current_again_and_trains_nothing
Update, rollback, Lambda retry
    test_a_repeated_rollback_is_the_same_rollback
Update, rollback with the old id
    test_a_job_left_by_an_update_that_failed_is_stopped
Update, rollback without a clean-up
    test_a_rollback_without_a_clean_up_stops_what_it_went_back_from
Update, rollback that failed and is continued
    test_a_rollback_that_failed_is_continued_without_training_again
Update, rollback from a job that had been left before
    test_a_kept_model_is_not_lost_to_the_policy_of_an_update_that_was_undone
Update, compensating after the clean-up
    test_going_back_after_the_clean_up_is_a_wish_and_not_a_rollback
Update, failed before its job
    test_an_update_that_failed_before_its_job_leaves_the_old_one_current
Update, failed and not rolled back
    test_a_wrong_mark_is_taken_back
Update, cancelled and late
    test_a_request_that_was_overtaken_is_refused
Update, late, of a job that was replaced
    test_a_late_update_of_a_replaced_job_takes_neither_mark_nor_model
Update, late, to other content
    test_a_late_update_to_other_content_leaves_the_mark_of_the_one_that_was_accepted
Update, late, of a job that was deleted
    test_a_late_update_of_a_deleted_job_does_not_bring_it_back
Update, late, of a stack that is gone
    test_a_model_is_kept_that_a_late_update_of_a_stack_that_is_gone_took
Update, queued
    test_a_queued_job_takes_the_newest_roles_and_subnets
Delete, clean-up of a superseded id
    test_a_superseded_model_goes_only_by_policy_and_after_its_successor_is_complete
Delete, clean-up, Lambda retry
    test_a_repeated_clean_up_of_a_superseded_id_takes_nothing
Delete, clean-up of a running job
    test_a_superseded_job_that_still_runs_is_not_stopped
Delete, clean-up after a rollback
    test_the_job_that_a_rollback_leaves_is_stopped
Delete, stack, InProgress
    test_deleting_a_running_job_stops_it_and_waits_for_its_interfaces
Delete, stack, Lambda retry
    test_a_repeated_delete_stops_once_and_waits_on
Delete, stack, Completed
    test_deleting_a_completed_job_treats_its_model_as_on_delete_says
Delete, stack, Failed, Stopping, Stopped
    test_deleting_a_job_that_is_over_stops_nothing
Delete, stack, queued
    test_a_queued_job_that_is_deleted_never_starts
Delete, stack, being submitted
    test_a_delete_while_a_submission_is_under_way_waits_for_it
Delete, stack, with a line of jobs
    test_deleting_a_stack_stops_every_job_of_its_line
Delete, stack, after a rollback that failed
    test_a_stack_that_is_deleted_after_a_rollback_that_failed_keeps_what_either_policy_keeps
Delete, completed while stopping
    test_a_job_that_completes_while_it_is_stopped_loses_its_model_too
Delete, id invented by CloudFormation
    test_an_id_that_is_not_ours_is_deleted_without_a_call
Delete, job missing
    test_a_job_that_never_was_is_deleted
Delete, model in use
    test_a_model_in_use_is_told_with_what_to_delete_first
Delete, name taken
    test_a_job_that_is_not_ours_is_left_alone
any, older than its stack waits
    test_a_request_that_comes_again_after_its_time_is_refused
any, no request of CloudFormation
    test_what_is_not_a_request_of_cloudformation_is_refused
"""

_LINES = _PATHS.split("\n")[1:-1]
PATHS = {path: name.strip() for path, name in zip(_LINES[::2], _LINES[1::2], strict=True)}
"""The paths on which CloudFormation may come, and the test that walks each."""


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-test-1")


def test_the_table_has_all_its_cells_and_none_comes_to_something_unknown() -> None:
    every = {**vars(errors), **vars(deployment_errors)}
    known = {name for name, kind in every.items() if isinstance(kind, type)}
    found = cells()
    assert len(found) >= LEAST_CELLS
    for cell, word in outcomes(properties=made()).items():
        assert word in OUTCOMES or word in known, (cell, word)


def test_the_page_is_what_the_functions_do() -> None:
    assert PAGE.read_text(encoding="utf-8") == fault_table.render(properties=made()), (
        "docs/fault-table.md is stale: run make fault-table"
    )


def test_every_call_is_reached() -> None:
    assert {(cell.function, cell.operation) for cell in cells()} == set(REACHED)


def test_a_call_without_a_way_to_it_fails_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(REACHED, ("follower", "Scan"))
    cell = next(each for each in cells() if each.operation == "Scan")
    with pytest.raises(KeyError):
        outcome(cell, times=1, properties=made())


def test_a_call_that_is_not_reached_fails_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        REACHED, ("follower", "Scan"), REACHED["completion_check", "GetModelCustomizationJob"]
    )
    cell = next(each for each in cells() if each.operation == "Scan")
    with pytest.raises(AssertionError, match="was not reached"):
        outcome(cell, times=1, properties=made())


def test_every_path_has_its_test() -> None:
    there = {
        node.name
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    missing = {path: name for path, name in PATHS.items() if name not in there}
    assert not missing
