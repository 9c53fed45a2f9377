"""A reader in a process of its own: its pieces come over as they are, and whatever it does ends as one clear error."""

import textwrap

import numpy as np
import pytest

from pnp.io.apart import apart


def pieces(tmp_path, body: str, most: int = 10**6, silence: float = 20.0):
    (tmp_path / "reader.py").write_text("import numpy as np\ndef pieces(n):\n" + textwrap.indent(body, "    "))
    return list(apart(tmp_path / "reader.py", {"n": 3}, memory=2**29, silence=silence, most=most))


def test_facts_and_arrays_come_over(tmp_path):
    (first, none), (second, arrays) = pieces(
        tmp_path,
        "print('to nobody')\n"
        "yield {'name': 'ä', 'n': n}, {}\n"
        "yield {}, {'a': np.arange(6.).reshape(2, 3).T, 'b': np.ones((0, 2), bool), 'c': np.array(1 + 2j)}\n",
    )
    assert first == {"name": "ä", "n": 3} and none == {} == second
    assert np.array_equal(arrays["a"], np.arange(6.0).reshape(2, 3).T) and arrays["b"].shape == (0, 2)
    assert arrays["c"] == 1 + 2j and arrays["c"].shape == () and arrays["a"].flags.writeable


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("yield {}, {}\nraise ValueError('no\\n table')", "no table"),
        ("yield {}, {}\nimport os; os.abort()", "ended by SIGABRT: it is broken, or needs more than 0.5 GiB"),
        ("import os; os._exit(3)\nyield", "ended with status 3"),
        ("yield {}, {'a': np.zeros(2**28)}", "needs more than 0.5 GiB of memory"),
        ("yield {}, {'a': np.zeros(10**6)}", "more values than files of its size"),
        ("for _ in range(3): yield {}, {'a': np.zeros(5 * 10**4)}", "more values than files of its size"),
        ("yield {}, {'a': np.array([None])}", "more values|object"),
    ],
)
def test_what_a_reader_does_is_an_error(tmp_path, body, word):
    with pytest.raises(ValueError, match=word):
        pieces(tmp_path, body)


def test_silence_ends(tmp_path):
    with pytest.raises(ValueError, match="said nothing for"):
        pieces(tmp_path, "import time; time.sleep(60)\nyield", silence=0.2)
