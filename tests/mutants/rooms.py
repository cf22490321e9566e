"""Which modules are mutated, and which tests judge them: those of their room, nearest first."""

from __future__ import annotations

from pathlib import Path

_SCRIPTS = (
    "study/test_for_script.py",
    "study/test_for_script_given.py",
    "study/test_for_script_search.py",
    "study/test_for_script_subcommands.py",
    "tasks/command/test_help_text.py",
)

ROOMS: dict[str, tuple[str, ...]] = {
    "ledger/embedded.py": ("ledger/test_embedded.py",),
    "ledger/server_account.py": ("ledger/test_embedded.py",),
    "ledger/socket_folder.py": ("ledger/test_socket_folder.py", "ledger/test_embedded.py"),
    "ledger/database.py": ("ledger/test_database.py", "ledger/test_storage_url.py", "ledger/test_embedded.py"),
    "ledger/storage_url.py": ("ledger/test_storage_url.py", "ledger/test_database.py"),
    "ledger/records.py": (
        "ledger/test_studies.py",
        "ledger/test_decisions.py",
        "report/test_choice.py",
        "report/test_counted.py",
    ),
    "ledger/overview.py": ("report/test_counted.py", "engines/test_optuna_mirror.py"),
    "ledger": (
        "ledger/test_leases.py",
        "ledger/test_decisions.py",
        "ledger/test_studies.py",
        "ledger/test_recovery.py",
        "ledger/test_settings.py",
        "ledger/test_draws.py",
        "ledger/test_database.py",
        "ledger/test_roles.py",
        "cases/test_beside.py",
    ),
    "engines/optuna_mirror.py": ("engines/test_optuna_mirror.py", "engines/test_optuna_tables.py"),
    "engines/code_hash.py": ("engines/test_code_hash.py", "cases/test_function_values.py", "cases/test_beside.py"),
    "engines/helper_modules.py": ("cases/test_beside.py", "cases/test_function_values.py", "engines/test_code_hash.py"),
    "engines/study_modules.py": ("engines/test_study_file.py", "cases/test_beside.py"),
    "engines/curve_stops.py": ("search/test_optuna_sampler.py",),
    "engines/outputs.py": ("engines/test_shared_store.py",),
    "engines/queue_depth.py": ("engines/test_queue_depth.py", "engines/test_coordinator.py"),
    "engines/coordinator.py": (
        "engines/test_coordinator.py",
        "test_interrupts.py",
        "engines/test_queue_depth.py",
        "engines/test_launch.py",
        "engines/test_optuna_mirror.py",
    ),
    "engines/layouts.py": ("engines/test_layouts.py",),
    "engines/teacher.py": ("engines/test_teacher.py",),
    "engines/launch.py": ("engines/test_launch.py", "cli/test_launch.py"),
    "engines/study_file.py": (
        "engines/test_study_file.py",
        "engines/test_code_hash.py",
        "cases/test_beside.py",
        "cli/test_image_studies.py",
    ),
    "engines/local.py": ("engines/test_restarts.py", "engines/test_launch.py"),
    "engines/worker_process.py": (
        "engines/test_last_words.py",
        "engines/test_worker_process.py",
        "cases/test_worker_processes.py",
        "engines/test_launch.py",
        "engines/test_population.py",
    ),
    "engines/last_words.py": ("engines/test_last_words.py", "engines/test_restarts.py"),
    "engines/ray_cluster.py": ("engines/test_ray_engine.py",),
    "engines/ray_engine.py": ("engines/test_ray_engine.py",),
    "engines/ray_slot.py": ("engines/test_ray_engine.py",),
    "engines/slot_keeper.py": ("engines/test_restarts.py", "engines/test_launch.py", "engines/test_ray_engine.py"),
    "engines/shared_store.py": ("engines/test_shared_store.py", "engines/test_ray_engine.py"),
    "engines/shared_checkpoints.py": ("engines/test_shared_store.py", "engines/test_ray_engine.py"),
    "engines/limits.py": ("engines/test_limits.py", "engines/test_devices.py"),
    "engines/devices.py": ("engines/test_devices.py", "engines/test_limits.py", "engines/test_worker_process.py"),
    "engines/heartbeat.py": ("engines/test_heartbeat.py", "engines/test_population.py"),
    "engines": (
        "engines/test_fence.py",
        "engines/test_results.py",
        "engines/test_restarts.py",
        "engines/test_failing_seeds.py",
        "engines/test_worker_names.py",
        "engines/test_devices.py",
        "engines/test_last_words.py",
        "engines/test_worker_process.py",
        "engines/test_artifacts.py",
        "engines/test_coordinator.py",
        "engines/test_heartbeat.py",
        "engines/test_population.py",
        "engines/test_launch.py",
        "engines/test_folds.py",
        "engines/test_study_file.py",
        "engines/test_function_studies.py",
        "engines/test_optuna_mirror.py",
    ),
    "search/leader.py": ("report/test_counted.py", "engines/test_fence.py"),
    "search/gp": ("search/gp", "search/policies"),
    "search/policies": ("search/policies", "search/test_ranking.py", "search/test_planner.py"),
    "search/replay": ("search/replay",),
    "search/budget.py": ("search/test_budget.py", "search/test_two_budgets.py", "search/test_searches.py"),
    "search/searches.py": ("search/test_searches.py", "search/test_ranking.py", "search/test_two_budgets.py"),
    "search/remaining.py": ("report/test_remaining.py",),
    "search/manual.py": ("search/test_manual.py", "search/test_planner.py"),
    "search": (
        "search/test_preflight.py",
        "search/test_preflight_words.py",
        "search/test_ranking.py",
        "search/test_unread.py",
        "search/test_confirmation.py",
        "search/test_in_flight.py",
        "search/test_draws.py",
        "search/test_before_draws.py",
        "search/test_planner.py",
    ),
    "training/population/stepper.py": ("tasks/video_hashing/test_population.py", "training"),
    "training": ("training", "tasks/video_hashing/test_training.py"),
    "tasks/function.py": ("tasks/test_function.py", "study", "cases/test_function_values.py"),
    "tasks/bound_values.py": (
        "cases/test_function_values.py",
        "study/test_functions.py",
        "tasks/test_function.py",
        "cases/test_beside.py",
    ),
    "tasks/own_process.py": ("cases/test_process_changes.py", "cases/test_worker_processes.py", "study"),
    "tasks/unchanged_process.py": ("cases/test_process_changes.py", "cases/test_worker_processes.py"),
    "tasks/fold.py": ("tasks/test_fold.py", "tasks/test_folds.py"),
    "tasks/video_hashing": ("tasks/video_hashing", "tasks/test_folds.py"),
    "tasks/transfer": ("tasks/test_defaults.py", "tasks/transfer", "tasks/images", "tasks/test_described.py"),
    "tasks/image_classification": ("tasks/images", "tasks/image_classification", "tasks/test_described.py"),
    "tasks/mutual_learning": ("tasks/images", "tasks/test_folds.py", "tasks/test_described.py"),
    "tasks/meta_auxiliary": ("tasks/images", "tasks/image_classification", "training/test_maxl_stepper.py"),
    "tasks/images": ("tasks/images", "tasks/transfer", "tasks/test_folds.py"),
    "tasks/runner.py": ("tasks/video_hashing", "tasks/test_folds.py", "tasks/images"),
    "tasks/layouts.py": ("tasks/test_layouts.py", "tasks/video_hashing/test_large.py", "tasks/images"),
    "tasks/command/options.py": _SCRIPTS,
    "tasks/command/ask_parser.py": _SCRIPTS,
    "tasks/identity.py": ("tasks/test_identity.py", "tasks/test_described.py", "tasks/images", "tasks/transfer"),
    "tasks/terms.py": ("tasks/video_hashing", "tasks/images"),
    "tasks": ("tasks",),
    "study": (
        "study",
        "cases/test_declarations.py",
        "cases/test_totals.py",
        "cases/test_beside.py",
        "engines/test_study_file.py",
    ),
}
"""Path below ``kdsearch`` to paths below ``tests``; the first that fits a module is taken."""

LONG = (
    "search/test_two_budgets.py::test_hours_are_one_clock_and_shared_by_training_time",
    "search/test_planner.py::test_a_teacher_that_cannot_be_trained_ends_the_study_with_a_message",
    "search/test_draws.py::test_no_decision_of_either_search_reads_a_score",
    "search/test_planner.py::test_seeds_go_where_they_decide_and_are_a_settings_own",
    "search/test_planner.py::test_the_same_ledger_gives_the_same_proposals",
    "search/test_planner.py::test_many_workers_on_a_whole_numbered_space",
    "search/test_planner.py::test_preflight_is_quiet_when_there_is_a_gap",
    "search/test_planner.py::test_preflight_may_ask_for_no_student",
    "search/test_planner.py::test_the_ablation_is_the_winner_with_every_teacher_weight_zero",
    "search/test_draws.py::test_the_teacher_of_a_fresh_seed_is_replaced_as_in_the_search",
    "search/test_draws.py::test_after_four_teachers_a_fresh_seed_is_dropped_and_said",
    "search/test_draws.py::test_extended_seeds_take_the_next_partition",
)
"""Tests of more than five seconds each, which are left out at first: they judge what the others miss."""


def room_of(module: str) -> str:
    """The room of a module below ``kdsearch``."""
    return module.split("/")[0]


def tests_of(module: str) -> tuple[str, ...]:
    """The test files that judge a module below ``kdsearch``; those that do not exist (yet) are left out."""
    place = next(place for place in ROOMS if module == place or module.startswith(f"{place}/"))
    return tuple(f"tests/{test}" for test in ROOMS[place] if Path("tests", test).exists())


def modules() -> list[str]:
    """All modules of the rooms, below ``kdsearch``."""
    rooms = dict.fromkeys(room_of(place) for place in ROOMS)
    found = (path for room in rooms for path in sorted(Path("kdsearch", room).rglob("*.py")))
    return [path.relative_to("kdsearch").as_posix() for path in found]
