#!/usr/bin/env python3
"""The plans printed in docs/scaling-out.md are what the program prints.   document.py TWOTRACK [--write]

A block of the document that begins with "$ COMMAND" must go on with what the command prints; --write makes it so."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
document = root / "docs" / "scaling-out.md"
program = str(pathlib.Path(sys.argv[1]).resolve())
text = document.read_text()
stale, blocks = [], 0


def renew(match):
    global blocks
    blocks += 1
    command = match.group(1)
    run = command.replace("build/twotrack", program)
    printed = subprocess.run(["bash", "-o", "pipefail", "-c", run], cwd=root, check=True, capture_output=True, text=True).stdout
    if printed != match.group(2):
        stale.append(command)
    return f"```\n$ {command}\n{printed}```\n"


new = re.sub(r"```\n\$ ([^\n]*)\n(.*?)```\n", renew, text, flags=re.S)
assert blocks >= 3, "where are the plans?"
if "--write" in sys.argv:
    document.write_text(new)
elif stale:
    sys.exit("docs/scaling-out.md is not what the program prints (document.py --write mends it): " + "; ".join(stale))
