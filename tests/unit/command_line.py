"""What judges a run of the command line."""

import re

FORM = re.compile(r"ohmbench: (?P<what>\S.*?): (?P<problem>\S.*?); (?P<remedy>\S.*)\n")
"""What is wrong, how, and what to do, as ``ohmbench.errors`` says."""


def assert_refused(result, *words):
    """Status 2 and nothing but one line, of ``FORM``, on standard error, with all of ``words``."""
    status, out, err = result
    assert status == 2, (status, err)
    assert out == ""
    assert err.count("\n") == 1
    assert FORM.fullmatch(err), err
    assert "Traceback" not in err
    for word in words:
        assert str(word) in err
