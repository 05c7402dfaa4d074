"""The clinic: runs to prescribe for, and a reader's own log to be looked at, by the doctor of ``lrlib.diagnostics``."""

from lrlib.widgets.clinic_lab.lab import ClinicLab
from lrlib.widgets.clinic_lab.log_clinic import LogClinic

__all__ = ["ClinicLab", "LogClinic"]
