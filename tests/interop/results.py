"""Results in TAP for the scripts that use libnbd, which see requests as they are sent."""

import os
import sys
import traceback

import nbd


class Results:
    """Each check is a function; its name or docstring is the sentence that holds if it returns."""

    def __init__(self):
        self.n_checks = 0
        self.n_failed = 0

    def check(self, function, *arguments):
        self.n_checks += 1
        sentence = function.__doc__ or function.__name__.replace("_", " ")
        sentence = sentence.format(*arguments)
        try:
            function(*arguments)
            print(f"ok {self.n_checks} - {sentence}", flush=True)
        except Exception:  # pylint: disable=broad-except
            self.n_failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {self.n_checks} - {sentence}", flush=True)

    def finish(self):
        print(f"1..{self.n_checks}")
        sys.exit(1 if self.n_failed else 0)


def connect(strict=True, structured=True, meta_context=None, uri=None):
    """A connection to the first export."""
    handle = nbd.NBD()
    handle.set_request_structured_replies(structured)
    if meta_context:
        handle.add_meta_context(meta_context)
    if not strict:
        handle.set_strict_mode(0)
    handle.connect_uri(uri or os.environ["URI"])
    return handle


def expect_error(name, function, *arguments, **options):
    """The server must answer with this errno, and the connection must be usable after it."""
    try:
        function(*arguments, **options)
    except nbd.Error as error:
        assert error.errno == name, f"{error.errno} ({error.string}), expected {name}"
        return
    raise AssertionError(f"it succeeded, expected {name}")
