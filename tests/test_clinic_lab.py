"""The clinic's two widgets beside Python: who comes, what a page gets, what is refused."""

import json

import numpy as np
import pytest

from lrlib.curves import read
from lrlib.diagnostics import diagnose
from lrlib.diagnostics.findings import REMEDIES
from lrlib.widgets import ClinicLab, LogClinic
from lrlib.widgets.clinic_lab.lab import run_of
from lrlib.widgets.clinic_lab.log_clinic import example
from lrlib.widgets.clinic_lab.patients import DECAYED, PATIENTS, PRESCRIPTIONS, RULES, SCHEDULES, STEPS, TASKS


def test_all_patients_come_in_an_order_that_the_seed_decides() -> None:
    first, second = ClinicLab().patients, ClinicLab(seed=1).patients
    assert sorted(first) == sorted(second) == sorted(PATIENTS)
    assert first == ClinicLab(seed=0).patients != second
    assert ClinicLab(seed=1).summary() == "Clinic lab: patients in the order of seed 1"


def test_patients_and_prescriptions_name_what_there_is() -> None:
    assert len(set(PATIENTS)) == len(PATIENTS)
    for patient in PATIENTS:
        assert patient.task in TASKS
        assert patient.rule in RULES
        assert patient.schedule in SCHEDULES
    assert RULES.keys() == DECAYED.keys()
    assert {p.remedy for p in PRESCRIPTIONS} - REMEDIES.keys() == {"nothing", "more data"}
    assert all(schedule(np.arange(STEPS)).max() == 1 for schedule in SCHEDULES.values())  # so that a rate is a peak


@pytest.mark.parametrize(
    ("place", "remedy"), [(1, "rate ×3"), (6, "rate ÷9"), (8, "rate ÷3"), (12, "hold"), (21, None)], ids=str
)
def test_among_the_patients_each_kind_of_advice_is_given_and_none(place: int, remedy: str | None) -> None:
    assert diagnose(run_of(PATIENTS[place], seed=0).curve).remedy == remedy


def test_equal_programs_travel_once() -> None:
    config = ClinicLab().config
    packed = [json.dumps(program) for program in config["distinct"]]
    assert len(set(packed)) == len(packed) < len(config["programs"])
    assert set(config["programs"].values()) == set(range(len(packed)))


def test_the_example_is_a_log_with_something_to_find(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "example.csv"
    path.write_text(example(), encoding="utf-8")
    assert diagnose(read(path)).findings[0].name == "past its best validation point"


def test_what_is_shown_where_nothing_runs() -> None:
    assert "<svg" in ClinicLab().still()
    assert "python -m lrlib diagnose" in LogClinic().still()
    assert "Drop a run" in LogClinic().still()
    assert LogClinic().summary() == "Log clinic: reads and diagnoses a log that is dropped on it"


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="seed must be an integer >= 0 and <= 9999, but got -1"):
        ClinicLab(seed=-1)
    for widget in (ClinicLab, LogClinic):
        with pytest.raises(TypeError, match="hint must be text, but got 3"):
            widget(hint=3)  # type: ignore[arg-type]
