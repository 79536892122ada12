"""Which script does a shop's page load, and how? Committed bytes, named by version and pinned by their hash.

A page that names the hash runs these bytes or none, so they never change once they are released: a mend is
`paywitness-2.js` beside this one.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Final

NAME: Final = "paywitness-1.js"
SCRIPT: Final = (Path(__file__).parent / NAME).read_bytes()
INTEGRITY: Final = "sha384-" + base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()


def script_tag(host: str) -> str:
    """Return the element that loads it; without `crossorigin` a browser compares no hash."""
    return f'<script src="{host}/m/{NAME}" crossorigin="anonymous"\n        integrity="{INTEGRITY}"></script>'


def script_snippet(host: str, browser_key: str, *, order: str = "order-1042") -> str:
    """Return what stands in a shop's page: the element, and the call in PortOne's callback."""
    return (
        f"{script_tag(host)}\n"
        "<script>\n"
        "  function paid(response) {  // IMP.request_pay({ … }, paid)\n"
        f"    var claim = {{ key: {json.dumps(browser_key)}, order: {json.dumps(order)}, response: response }};\n"
        "    Paywitness.confirm(claim, function (result) {\n"
        '      // result.status: "success", "vbankIssued",\n'
        '      //   "failed" or "pending"\n'
        "      // result.signed: for your server to check\n"
        "    });\n"
        "  }\n"
        "</script>\n"
    )
