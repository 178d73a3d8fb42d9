"""The renderer in a real browser: the page becomes what a view says, with as little change as that takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.tabs import context, tab
from tests.server.serving import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.real

LOAD = """async () => {
    const module = document.querySelector('link[rel=modulepreload][href$="/vdom.js"]').href;
    window.vdom = await import(module);
    window.box = document.createElement('div');
    document.body.append(box);
}"""


@pytest.fixture(scope="module")
def loaded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    file = tmp_path_factory.mktemp("vdom") / "buildd.db"
    with (
        running(f"sqlite:///{file}", admin_key=None) as server,
        context(browser) as mine,
        tab(mine, server.url) as opened,
    ):
        # Not the dashboard, whose own renderer would be at work beside us.
        opened.page.route(
            "**/begin.js", lambda route: route.fulfill(body="", content_type="text/javascript")
        )
        opened.page.goto(server.url)
        opened.page.evaluate(LOAD)
        yield opened.page
        opened.wrong = [each for each in opened.wrong if "TrustedHTML" not in each]


@pytest.fixture
def page(loaded: Page) -> Page:
    loaded.evaluate("() => vdom.patch(box, null)")
    return loaded


def run(page: Page, script: str) -> Any:
    return page.evaluate(f"() => {{ const {{h, patch, safeAddress}} = vdom; {script} }}")


def test_siblings_with_keys_stay_the_same_elements_wherever_they_go(page: Page) -> None:
    assert run(
        page,
        """
        const list = (...keys) => h('ul', null, keys.map((key) => h('li', {key}, key)));
        patch(box, list('a', 'b', 'c'));
        const before = [...box.querySelectorAll('li')];
        patch(box, list('new', 'c', 'a'));
        const after = [...box.querySelectorAll('li')];
        return [after.map((each) => each.textContent).join(), after[1] === before[2],
                after[2] === before[0], before[1].isConnected];
        """,
    ) == ["new,c,a", True, True, False]


def test_siblings_whose_keys_are_the_same_stay_as_many_as_they_are(page: Page) -> None:
    assert run(
        page,
        """
        const list = (...keys) => h('ul', null, keys.map((key) => h('li', {key}, key)));
        const seen = () => [...box.querySelectorAll('li')].map((each) => each.textContent).join();
        const times = [['a', 'a', 'b'], ['a', 'a', 'b'], ['b', 'a', 'a', 'a'], ['a']];
        return times.every((keys) => {
            patch(box, list(...keys));
            return seen() === keys.join();
        });
        """,
    )


def test_focus_and_caret_stay_where_they_are(page: Page) -> None:
    assert run(
        page,
        """
        const view = (rows, note) => h('div', null, note && h('p', null, note),
            rows.map((row) => h('p', {key: row}, row)), h('input', {defaultValue: 'begin'}));
        patch(box, view([]));
        const input = box.querySelector('input');
        input.focus();
        input.value = 'typed by somebody';
        input.setSelectionRange(3, 5);
        patch(box, view(['a', 'b'], 'look'));
        patch(box, view(['b']));
        return [document.activeElement === input, input.value, input.selectionStart,
                box.textContent];
        """,
    ) == [True, "typed by somebody", 3, "b"]


def test_what_is_controlled_is_set_and_what_is_not_is_its_readers(page: Page) -> None:
    assert run(
        page,
        """
        const view = (value) => [h('input', {value}), h('textarea', {defaultValue: 'x'}),
            h('select', {defaultValue: 'two'}, ['one', 'two', 'three'].map((each) =>
                h('option', {key: each, value: each}, each)))];
        patch(box, view('first'));
        const [input, area, select] = box.children;
        const began = [input.value, area.value, select.value];
        select.value = 'three'; area.value = 'mine'; input.value = 'mine';
        patch(box, view('second'));
        return [...began, input.value, area.value, select.value];
        """,
    ) == ["first", "x", "two", "second", "mine", "three"]


def test_handlers_are_those_of_the_last_view(page: Page) -> None:
    assert run(
        page,
        """
        const heard = [];
        const view = (name) => h('button', name && {onclick: () => heard.push(name)}, 'x');
        patch(box, view('a')); box.firstChild.click();
        patch(box, view('b')); box.firstChild.click();
        patch(box, view(null)); box.firstChild.click();
        return heard;
        """,
    ) == ["a", "b"]


def test_who_is_greeted_is_also_told_of_the_end_however_deep(page: Page) -> None:
    assert run(
        page,
        """
        const told = [];
        const ref = (name) => (element) => {
            told.push(`${name} ${element.isConnected}`);
            return () => told.push(`bye ${name}`);
        };
        const view = (there) => h('div', null, there && h('p', {ref: ref('p')},
            h('i', {ref: ref('i')})));
        patch(box, view(true)); patch(box, view(true)); patch(box, view(false));
        patch(box, view(false));
        return told;
        """,
    ) == ["i true", "p true", "bye p", "bye i"]


def test_an_object_that_is_the_same_is_skipped(page: Page) -> None:
    assert (
        run(
            page,
            """
        const kept = h('p', {key: 'k'}, 'kept');
        patch(box, h('div', null, [kept]));
        box.querySelector('p').textContent = 'touched by somebody else';
        patch(box, h('div', null, [h('b', {key: 'n'}, 'n'), kept]));
        return box.textContent;
        """,
        )
        == "ntouched by somebody else"
    )


def test_pictures_are_drawn_in_their_own_namespace(page: Page) -> None:
    assert run(
        page,
        """
        patch(box, h('svg', {viewBox: '0 0 2 2'}, h('path', {d: 'M0 0'}),
            h('foreignObject', null, h('p', null, 'text'))));
        return [...box.querySelectorAll('*')].map((each) => each.namespaceURI.split('/').pop());
        """,
    ) == ["svg", "svg", "svg", "xhtml"]


HOSTILE = [
    "https://github.com@evil.example/",
    "https://user:secret@evil.example/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://elsewhere.example/1",
    "//elsewhere.example",
    "/\\elsewhere.example",
    "\\\\elsewhere.example",
    "relative",
    "filesystem:http://x/y",
    "",
]


def test_addresses_that_lead_elsewhere_than_they_may_are_dropped(page: Page) -> None:
    good = ["/tasks/1", "#a", "?a=b", "https://example.org/a", "http://a.b", "mailto:a@b.c"]
    assert page.evaluate("(all) => all.map(vdom.safeAddress)", HOSTILE) == [None] * len(HOSTILE)
    assert all(page.evaluate("(all) => all.map(vdom.safeAddress)", good))
    assert (
        page.evaluate(
            """(all) => all.filter((address) => {
            vdom.patch(box, vdom.h('a', {href: address, key: address}, 'x'));
            return box.firstChild.hasAttribute('href');
        })""",
            HOSTILE,
        )
        == []
    )


@pytest.mark.parametrize("name", ["innerHTML", "outerHTML", "srcdoc", "action", "formaction"])
def test_markup_is_set_nowhere(page: Page, name: str) -> None:
    with pytest.raises(Exception, match="is set nowhere"):
        page.evaluate("(name) => vdom.patch(box, vdom.h('div', {[name]: '<b>x</b>'}))", name)
    loaded_again = page.evaluate(
        "() => { try { box.innerHTML = '<b>x</b>'; } catch (e) { return 'kept'; } }"
    )
    assert loaded_again == "kept"


def test_handlers_are_never_made_of_text(page: Page) -> None:
    assert run(
        page,
        """
        patch(box, h('img', {src: '/missing', onerror: 'window.ran = 1', onclick: 'window.ran = 2'}));
        box.firstChild.click();
        return [box.firstChild.getAttributeNames(), window.ran ?? null];
        """,
    ) == [["src"], None]


def test_any_view_after_any_other_is_as_if_it_were_the_first(page: Page) -> None:
    """Random trees with and without keys: a change of the page must end where a fresh page would."""
    assert (
        run(
            page,
            """
            let seed = 7;
            const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
            const tree = (depth) => {
                if (depth === 0 || random(4) === 0) return ['text', '', null, random(9)][random(4)];
                const keyed = random(2);
                const keys = [...'abcdefg'].sort(() => random(3) - 1).slice(0, random(7));
                const children = keyed
                    ? [keys.map((key) => h(['p', 'b'][random(2)], {key, title: key}, tree(depth - 1)))]
                    : Array.from({length: random(5)}, () => tree(depth - 1));
                const props = {class: ['a', 'b', null][random(3)], title: ['t', undefined][random(2)],
                    hidden: random(2) === 1, style: {'--x': String(random(3))}};
                return h(['div', 'section', 'ul'][random(3)], props, children);
            };
            for (let round = 0; round < 2000; round++) {
                const before = seed;
                const wanted = h('div', null, tree(4));
                patch(box, wanted);
                seed = before;
                const fresh = document.createElement('div');
                patch(fresh, h('div', null, tree(4)));
                if (!box.firstChild.isEqualNode(fresh.firstChild))
                    return [round, box.firstChild.outerHTML, fresh.firstChild.outerHTML];
            }
            return null;
            """,
        )
        is None
    )
