"""The instrument that the offline tests rest on: whatever a page asks of another host is noticed, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

HOST = "https://elsewhere.example"


@pytest.mark.parametrize(
    "html",
    [
        f'<script src="{HOST}/a.js"></script>',
        "<script async src=//elsewhere.example/a.js></script>",
        f'<img alt="a > b" src="{HOST}/a.png">',
        f'<img alt="" srcset="{HOST}/a.png 2x">',
        f'<link rel="stylesheet" href="{HOST}/a.css">',
        f'<link rel="shortcut icon" href="{HOST}/a.ico">',
        f'<link rel="preconnect" href="{HOST}">',
        f"<style>@import url({HOST}/a.css);</style>",
        f'<p style="background: url({HOST}/a.png)">text</p>',
        f'<object data="{HOST}/a.svg"></object>',
        f'<iframe src="{HOST}/"></iframe>',
        f'<script type="module">import("{HOST}/a.js").catch(() => {{}});</script>',
    ],
)
def test_what_a_page_asks_of_another_host_is_noticed(html: str, show_body: Callable[..., Any]) -> None:
    watched = show_body(html)
    watched.page.wait_for_load_state("networkidle")
    assert any("elsewhere.example" in address for address in watched.outside)


@pytest.mark.parametrize(
    "html",
    [
        '<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
        f'<img alt="" data-src="{HOST}/a.png">',
        f'<!-- <script src="{HOST}/a.js"></script> -->',
        f'<a href="{HOST}/">a link to follow</a>',
        f'<link rel="canonical" href="{HOST}/">',
    ],
)
def test_what_a_page_only_names_is_not(html: str, show_body: Callable[..., Any]) -> None:
    watched = show_body(html)
    watched.page.wait_for_load_state("networkidle")
    assert not watched.outside
