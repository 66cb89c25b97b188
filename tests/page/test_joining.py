"""Modules joined into one script: order, names of their own, and forms that are refused."""

import subprocess

import pytest

from infinitas.server.page.modules import ModuleError, join_modules
from tests.server_fixtures import NODE

MODULES = {
    "main.js": 'import { twice } from "./lib/twice.js";\nimport "./lib/effect.js";\n'
    'import {\n  VALUE as other,\n  Box,\n} from "./lib/value.js";\n'
    "const VALUE = 1;\nconsole.log(twice(VALUE), twice(other), new Box().held, effects());\n"
    "function effects() {\n  return globalThis.effects;\n}\n",
    "lib/twice.js": 'import { VALUE } from "./value.js";\n'
    "export function twice(n) {\n  return `${2 * n} of ${VALUE}`;\n}\n",
    "lib/value.js": "export const VALUE = 7;\nexport class Box {\n  held = VALUE;\n}\n",
    "lib/effect.js": "globalThis.effects = (globalThis.effects ?? 0) + 1;\n",
}


def test_modules_run_once_each_after_what_they_import() -> None:
    joined = join_modules(MODULES, "main.js")
    done = subprocess.run([NODE, "-e", joined], capture_output=True, text=True, check=True)
    assert done.stdout == "2 of 7 14 of 7 7 1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import * as x from "./x.js";\n', "has a form"),
        ("export default 1;\n", "has a form"),
        ("export let count = 0;\n", "has a form"),
        ('import { a } from "./missing.js";\n', "does not exist"),
        ('import { a } from "./main.js";\n', "import each other"),
    ],
)
def test_other_forms_are_refused(text: str, message: str) -> None:
    with pytest.raises(ModuleError, match=message):
        join_modules({"main.js": text}, "main.js")
