"""The app of a command, as it is named on the command line."""

import pytest

from infinitas.cli.context import load_app
from infinitas.core.errors import BadApp


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("../proj/mv:app", "`cd ../proj`, then name it mv:app"),
        ("../proj/mv.py:app", "`cd ../proj`, then name it mv:app"),
        ("proj/mv", "`cd proj`, then name it mv:app"),
        ("./mv:shop", "`cd .`, then name it mv:shop"),
        ("/srv/proj/mv.py", "`cd /srv/proj`, then name it mv:app"),
        ("proj\\mv.py:app", "`cd proj`, then name it mv:app"),
        ("mv.py:app", "name it mv:app"),
        ("mv.py", "name it mv:app"),
        (".mv:app", "module:object"),
        ("..:app", "module:object"),
        (":app", "module:object"),
        ("no.such:app", "can't be imported"),
        ("json:app", "not an Infinitas app"),
        ("", "Which app?"),
    ],
)
def test_what_leads_to_no_app_is_refused_with_what_to_write(path: str, remedy: str) -> None:
    with pytest.raises(BadApp) as refused:
        load_app(path)
    assert remedy in str(refused.value)
