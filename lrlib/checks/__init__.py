"""Try out whether a rule or a schedule of one's own keeps the contract that everything here relies on."""

from lrlib.checks.rule_contract import check_rule
from lrlib.checks.schedule_contract import check_schedule

__all__ = ["check_rule", "check_schedule"]
