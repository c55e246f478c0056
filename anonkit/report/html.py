"""HTML as values: what is not markup is escaped, always.

``Html`` is text that this room made; every other text comes from a recipe, a file or the data and goes through the one
escape. So a zone that is called ``<img src=x onerror=…>`` stays a strange name on the page.
"""

from __future__ import annotations

from collections.abc import Iterable

from anonkit.viz.svg import Svg, text_of

Part = object
"""``Html``, ``Svg``, or anything that is shown as text; None is nothing."""


class Html(str):
    """Markup that is safe to join."""

    __slots__ = ()


def html(part: Part) -> Html:
    """A part as markup: markup and pictures as they are, everything else escaped."""
    if part is None:
        return Html("")
    if isinstance(part, Html):
        return part
    if isinstance(part, Svg):
        return Html(part.text)
    if isinstance(part, list | tuple):
        return Html("".join(html(item) for item in part))
    return Html(text_of(part))


def tag(name: str, *parts: Part, **attributes: object) -> Html:
    """An element; ``cls`` is its class.

    >>> tag("p", "a < b", cls="note")
    '<p class="note">a &lt; b</p>'
    """
    listed = "".join(
        f' {"class" if key == "cls" else key.replace("_", "-")}="{text_of(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{listed}>{html(parts)}</{name}>")


def table(head: Iterable[Part], rows: Iterable[Iterable[Part]], *, numbers: Iterable[int] = (), cls: str = "") -> Html:
    """A table; columns in ``numbers`` are set to the right."""
    right = set(numbers)

    def cells(name: str, row: Iterable[Part]) -> list[Html]:
        return [tag(name, part, cls="n" if place in right else None) for place, part in enumerate(row)]

    body = [tag("tr", *cells("td", row)) for row in rows]
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", *cells("th", head))), tag("tbody", *body), cls=cls or None),
        cls="wide",
    )


def figure(picture: Svg, caption: Part) -> Html:
    """A picture with its caption."""
    return tag("figure", picture, tag("figcaption", caption))


def section(anchor: str, title: str, *parts: Part) -> Html:
    """A section with an anchor for the page's own links."""
    return tag("section", tag("h2", title), *parts, id=anchor)
