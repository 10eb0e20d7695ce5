"""The server starts without what it never uses, and whoever uses that finds it all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LATER = (
    *("httpx", "jinja2", "requests", "starlette.templating", "starlette.testclient"),
    *("werkzeug.serving", "werkzeug.test", "werkzeug.wrappers", "werkzeug.wsgi", "python_multipart.multipart"),
    *("asgiref.sync", "html", "http.client", "urllib.request"),
)
UNUSED = (*LATER, "faker", "rich", "mockserver.rql.syntax")


def run(program: str) -> str:
    """What a program prints, in a process of its own: here everything is imported already."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_start_imports_nothing_that_the_server_never_uses() -> None:
    program = f"""
import sys, mockserver
mockserver.create_app("credits")
print([name for name in {UNUSED} if name in sys.modules])
"""
    run(program)  # the first may make what the next finds in the cache
    assert run(program) == "[]"


@pytest.mark.parametrize("module", LATER)
def test_who_imports_a_module_later_gets_the_module_itself(module: str) -> None:
    program = f"""
import sys, warnings
warnings.simplefilter("ignore")
import mockserver.app
import {module} as later
assert later is sys.modules["{module}"]
print(later.__file__ is not None and type(later).__name__)
"""
    assert run(program) == "module"


def test_a_module_that_was_imported_before_is_the_same_after() -> None:
    assert run("import httpx, sys, mockserver.app; print(httpx is sys.modules['httpx'], httpx.Client.__name__)") == (
        "True Client"
    )


def test_connexion_s_own_test_client_still_works() -> None:
    program = """
import warnings
warnings.simplefilter("ignore")
from mockserver import create_app
app = create_app("credits")
with app.test_client() as client:
    print(client.get("/__mock__/clock").status_code, type(client).__module__)
"""
    assert run(program) == "200 starlette.testclient"


def test_what_was_put_off_of_the_standard_library_is_there_for_who_asks() -> None:
    program = """
import http, urllib, mockserver.app
from starlette.exceptions import HTTPException
from starlette.middleware import errors
from unittest import mock
print(HTTPException(404).detail, urllib.request.url2pathname("a%20b"), errors.html.escape("<"))
with mock.patch("http.client.HTTPConnection") as other:
    import http.client
    print(http.client.HTTPConnection is other)
"""
    assert run(program).splitlines() == ["Not Found a b &lt;", "True"]


def test_what_connexion_reads_from_elsewhere_is_still_asked_for() -> None:
    program = """
from mockserver import app
from connexion.json_schema import URLHandler
try:
    URLHandler()("http://127.0.0.1:1/openapi.yaml")
except OSError as error:
    print(type(error).__module__, type(error).__name__)
"""
    assert run(program) == "requests.exceptions ConnectionError"


def test_connexion_s_flask_is_put_off_and_a_flask_that_is_there_may_derive_from_what_was(tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text("import jinja2, werkzeug\nclass Loader(jinja2.BaseLoader): ...\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import mockserver.app
print("flask" in sys.modules)
import flask
print(flask.Loader.__base__.__name__)
"""
    assert run(program).splitlines() == ["False", "BaseLoader"]


def test_what_a_package_hands_on_from_two_levels_below_is_the_thing_itself(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "late.py").write_text("class Late:\n    name = 'late'\n")
    (inner / "__init__.py").write_text("from outer.inner.late import Late\n")
    (tmp_path / "outer" / "__init__.py").write_text(
        "from outer.inner.late import Late\nAlias = Late\ndef __getattr__(name):\n    return name.upper()\n"
    )
    (tmp_path / "user.py").write_text("from outer.inner.late import Late\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from mockserver.deferral import deferral
with deferral("outer.inner.late"):
    import outer, user
print("outer.inner.late" in sys.modules, user.Late.name, type(outer.Alias).__name__, outer.inner.Late is outer.Late)
print(outer.other)
"""
    assert run(program).splitlines() == ["False late type True", "OTHER"]


def test_a_module_is_a_member_of_its_package_without_being_imported_once_more() -> None:
    program = """
import mockserver.app, werkzeug
print(werkzeug.wrappers.Request.__module__, werkzeug.wsgi.__name__)
"""
    assert run(program) == "werkzeug.wrappers.request werkzeug.wsgi"


def test_a_package_lists_what_it_has_of_what_was_put_off() -> None:
    assert (
        run("import mockserver.app, werkzeug; print({'Request', 'Client', 'wrappers'} <= set(dir(werkzeug)))") == "True"
    )


def test_without_flask_connexion_says_so_itself(tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text("raise ImportError('none here')\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "flask" else found(name, *more)
import mockserver.app, connexion
try:
    connexion.FlaskApp(__name__)
except ImportError as error:
    print(error)
"""
    assert run(program) == "Please install connexion using the 'flask' extra"


def test_what_is_called_while_it_is_put_off_is_named() -> None:
    program = """
from mockserver.deferral import deferral
try:
    with deferral("colorsys"):
        import colorsys
        print(hasattr(colorsys.rgb_to_hsv, "other"))
        colorsys.rgb_to_hsv(1, 1, 1)
except RuntimeError as error:
    print(error)
import colorsys
print(colorsys.rgb_to_hsv(1, 1, 1))
"""
    told = "colorsys.rgb_to_hsv is called while its import is put off; do not put it off."
    assert run(program).splitlines() == ["False", told, "(0.0, 0.0, 1)"]


def test_an_import_that_fails_leaves_no_stand_in() -> None:
    program = """
import sys
from mockserver.deferral import deferral
try:
    with deferral("jinja2"):
        import jinja2, nowhere_at_all
except ModuleNotFoundError as missing:
    print(missing.name, "jinja2" in sys.modules, len([each for each in sys.meta_path if "deferral" in repr(each)]))
"""
    assert run(program) == "nowhere_at_all False 0"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import broken.late, nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("from broken.late import Late; Late.name", "AttributeError: name"),
    ],
)
def test_a_package_that_fails_says_why(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text(text)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from mockserver.deferral import deferral
try:
    with deferral("broken.late"):
        import broken
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}", "broken.late" in sys.modules)
"""
    assert run(program) == f"{error} False"


def test_nothing_is_put_off_where_another_thread_could_meet_a_stand_in() -> None:
    program = """
import sys, threading
over = threading.Event()
threading.Thread(target=over.wait).start()
import mockserver.app
over.set()
print("requests" in sys.modules, "httpx" in sys.modules)
"""
    assert run(program) == "True True"


def test_a_package_that_hands_on_what_was_put_off_hands_on_the_thing_itself() -> None:
    program = """
from mockserver import fakes
fakes.fake("en_GB", "1")
from faker import Factory, Faker
class Own(Faker):
    pass
Faker.seed(1)
print(isinstance(Own("en_GB"), Faker), Factory.create("en_GB").name() != "", Faker.__module__)
import faker
try:
    faker.nothing
except AttributeError as error:
    print(error)
"""
    assert run(program).splitlines() == ["True True faker.proxy", "module 'faker' has no attribute 'nothing'"]
