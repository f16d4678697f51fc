"""What judges a run of the command line."""


def assert_refused(result, *words):
    """Status 2 and nothing but one line on standard error, with all of ``words``."""
    status, out, err = result
    assert status == 2, (status, err)
    assert out == ""
    assert err.startswith("ohmbench: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    for word in words:
        assert str(word) in err
