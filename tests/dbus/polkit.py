#!/usr/bin/python3
"""Whom PolkitCheck lets do something: root and the service's own user, others as polkit says, and nobody without it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import NAME, SERVICE_USER, STRANGER, expect_failure, private_bus, skip_unless_root, wait_until
from results import Results

OBJECT = "/org/orion/Checked"
N_OF_CALLER_MAX = 8
N_OF_USER_MAX = 16
N_CALLERS = 8


def attempt(caller, action, **options):
    return caller.call("Checked", "Try", f"('{action}',)", path=OBJECT, **options)


def start(caller, action, **options):
    return caller.start("Checked", "Try", f"('{action}',)", path=OBJECT, **options)


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.stranger = bus.caller(STRANGER)

    def nobody_else_may_without_polkit(self):
        expect_failure("NotAuthorized", attempt, self.stranger, "yes")

    def root_and_the_service_itself_need_no_polkit(self):
        assert attempt(self.bus.caller(), "no") == 0
        assert attempt(self.bus.caller(SERVICE_USER), "no") == SERVICE_USER

    def polkit_is_not_asked_about_them(self):
        attempt(self.bus.caller(), "no")
        assert self.bus.polkit_calls() == []

    def a_stranger_may_what_polkit_allows(self):
        self.bus.set_verdict("yes", "yes")
        assert attempt(self.stranger, "yes") == STRANGER

    def polkit_is_told_who_and_what(self):
        self.bus.polkit_calls()
        attempt(self.stranger, "yes")
        ((subject, action, details, flags, _),) = self.bus.polkit_calls()
        assert (subject, action, flags) == (self.stranger.unique_name, "yes", 0)
        assert details["device.name"] == "sim0"

    def a_stranger_may_nothing_else(self):
        expect_failure("NotAuthorized", attempt, self.stranger, "unknown")

    def a_password_is_asked_for_only_where_the_caller_allows_it(self):
        self.bus.set_verdict("ask", "challenge")
        self.bus.polkit_calls()
        expect_failure("NotAuthorizedCanObtain", attempt, self.stranger, "ask")
        expect_failure("NotAuthorizedCanObtain", attempt, self.stranger, "ask", interactive=True)
        assert [call[3] for call in self.bus.polkit_calls()] == [0, 1]

    def others_are_served_while_one_is_asked(self):
        self.bus.set_verdict("wait", "wait")
        waiting = start(self.stranger, "wait", interactive=True)
        assert attempt(self.bus.caller(STRANGER), "yes") == STRANGER
        assert attempt(self.stranger, "yes") == STRANGER
        self.bus.ask_polkit("Release", "(s)", "yes")
        assert self.stranger.finish(waiting) == STRANGER

    def what_changed_meanwhile_is_refused(self):
        waiting = start(self.stranger, "wait")
        wait_until(self.bus.polkit_calls, "polkit was asked")
        self.stranger.call("Control", "Change")
        self.bus.ask_polkit("Release", "(s)", "yes")
        expect_failure("Failed", self.stranger.finish, waiting)

    def a_caller_that_leaves_is_not_waited_for(self):
        caller = self.bus.caller(STRANGER)
        self.bus.polkit_calls()
        start(caller, "wait", interactive=True)
        ((_, _, _, _, cancellation),) = wait_until(self.bus.polkit_calls, "polkit was asked")
        caller.end()
        wait_until(lambda: cancellation in self.bus.ask_polkit("GetCancelled")[0], "it was cancelled")
        self.bus.ask_polkit("Release", "(s)", "yes")
        assert attempt(self.stranger, "yes") == STRANGER

    def one_caller_can_not_take_all_questions(self):
        caller = self.bus.caller(STRANGER)
        waiting = [start(caller, "wait") for _ in range(N_OF_CALLER_MAX + 1)]
        expect_failure("Failed", caller.finish, waiting.pop())
        assert attempt(self.stranger, "yes") == STRANGER
        n_asked = 0

        def all_are_asked():
            nonlocal n_asked
            n_asked += sum(call[1] == "wait" for call in self.bus.polkit_calls())
            return n_asked == N_OF_CALLER_MAX

        wait_until(all_are_asked, "polkit was asked everything")
        self.bus.ask_polkit("Release", "(s)", "no")
        for number in waiting:
            expect_failure("NotAuthorized", caller.finish, number)
        assert attempt(caller, "yes") == STRANGER

    def no_user_can_take_all_questions(self):
        self.bus.polkit_calls()
        callers = [self.bus.caller(STRANGER) for _ in range(N_CALLERS)]
        waiting = [(caller, start(caller, "wait")) for caller in callers for _ in range(N_OF_CALLER_MAX)]
        for caller in callers:
            caller.call("Control", "Change")  # has come behind them
        self.stranger.call("Control", "Change")  # so none of them is refused for another reason
        assert attempt(self.bus.caller(), "no") == 0
        n_asked = 0

        def all_are_asked():
            nonlocal n_asked
            n_asked += sum(call[1] == "wait" for call in self.bus.polkit_calls())
            return n_asked == N_OF_USER_MAX

        wait_until(all_are_asked, "polkit was asked what one user may ask")
        self.bus.ask_polkit("Release", "(s)", "no")
        for caller, number in waiting:
            expect_failure("Failed", caller.finish, number)
        assert attempt(self.stranger, "yes") == STRANGER

    def questions_end_with_the_bus(self):
        self.bus.set_verdict("wait", "wait")
        start(self.stranger, "wait")
        wait_until(self.bus.polkit_calls, "polkit was asked")
        self.bus.stop_daemon()
        self.bus.start_daemon()
        wait_until(lambda: self.bus.has_name(NAME), "the service is back")
        assert attempt(self.bus.caller(), "no") == 0
        expect_failure("NotAuthorized", attempt, self.bus.caller(STRANGER), "yes")

    def an_object_that_went_meanwhile_leaves_nothing_behind(self):
        waiting = start(self.stranger, "wait")
        wait_until(self.bus.polkit_calls, "polkit was asked")
        self.stranger.call("Control", "Hide")
        self.bus.ask_polkit("Release", "(s)", "yes")
        expect_failure("org.freedesktop.DBus.Error.UnknownObject", self.stranger.finish, waiting)
        self.stranger.call("Control", "Change")


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_program("tests/dbus/checked_service", bus.address, uid=SERVICE_USER)
        checks = Checks(bus)
        results.check(checks.nobody_else_may_without_polkit)
        results.check(checks.root_and_the_service_itself_need_no_polkit)
        bus.start_polkit()
        for check in (
            checks.polkit_is_not_asked_about_them,
            checks.a_stranger_may_what_polkit_allows,
            checks.polkit_is_told_who_and_what,
            checks.a_stranger_may_nothing_else,
            checks.a_password_is_asked_for_only_where_the_caller_allows_it,
            checks.others_are_served_while_one_is_asked,
            checks.what_changed_meanwhile_is_refused,
            checks.a_caller_that_leaves_is_not_waited_for,
            checks.one_caller_can_not_take_all_questions,
            checks.no_user_can_take_all_questions,
            checks.an_object_that_went_meanwhile_leaves_nothing_behind,
        ):
            results.check(check)
    with private_bus() as bus:
        bus.start_program("tests/dbus/checked_service", bus.address, uid=SERVICE_USER)
        bus.start_polkit()
        results.check(Checks(bus).questions_end_with_the_bus)
    results.finish()


main()
