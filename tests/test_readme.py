"""The README's own-operator example runs as it stands, and is as short as it says."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_own_operator_example(capsys):
    (code,) = re.findall(r"<!-- executed by tests/test_readme.py -->\n```python\n(.*?)```", README, flags=re.S)
    operator = code[code.index("class ") : code.index("\n\nop = ")]
    assert len(operator.splitlines()) <= 10
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("converged after") == 2


def test_every_public_name_of_the_readme_exists():
    import pnp

    for name in set(re.findall(r"`([A-Z]\w+)[(`]", README)):
        assert hasattr(pnp, name), name
