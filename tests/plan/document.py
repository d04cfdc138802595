#!/usr/bin/env python3
"""What a document shows as printed is what is printed.   document.py DOCUMENT TWOTRACK [--write]

A block of the document that begins with "$ COMMAND", one of those below, must go on with what it prints; --write makes
it so."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
document = root / "docs" / sys.argv[1]
commands = r"build/twotrack plan|benchmarks/gpu/floors\.py"
program = str(pathlib.Path(sys.argv[2]).resolve())
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


new = re.sub(rf"```\n\$ ((?:{commands})[^\n]*)\n(.*?)```\n", renew, text, flags=re.S)
assert blocks >= 2, "where are the commands?"
if "--write" in sys.argv:
    document.write_text(new)
elif stale:
    sys.exit(f"{document.name} is not what is printed (document.py --write mends it): " + "; ".join(stale))
