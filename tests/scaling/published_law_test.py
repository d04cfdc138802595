"""The law of docs/scaling-laws.md, drawn again from the committed logs: what the document says is what the program finds.

usage: published_law_test.py TWOTRACK RUNS DOCUMENT
"""
import json
import re
import subprocess
import sys

twotrack, runs, document = sys.argv[1:]
fit = json.loads(subprocess.check_output(
    [twotrack, "fit", runs, "--law", "chinchilla", "--hold-out", "1", "--json"]))
text = open(document, encoding="utf-8").read()
failures = 0


def agree(what, said, found, slack):
    global failures
    if abs(said - found) > slack:
        print(f"FAILED: {what}: the document says {said:g}, the fit {found:g}")
        failures += 1


# | 2,000 molecules | 1.186 | 1.183 | 0.988 to 1.315 | -0.3 % |
row = re.compile(r"^\| \**([\d,]+)\**(?: molecules)? \| \**([\d.]+)\** \| \**([\d.]+)\** \| ([\d.]+) to ([\d.]+) \| \**([-+][\d.]+) %\** \|$", re.M)
said = {int(m[1].replace(",", "")): [float(x) for x in m.groups()[1:]] for m in row.finditer(text)}
points = fit["hold_out"]["points"]
if sorted(said) != sorted(int(p["samples"]) for p in points):
    sys.exit(f"FAILED: the document tells of {sorted(said)} molecules")
for p in points:
    measured, predicted, low, high, error = said[int(p["samples"])]
    where = f"{int(p['samples'])} molecules"
    agree(where + ", measured", measured, p["loss"], 6e-4)
    agree(where + ", predicted", predicted, p["predicted"], 1e-3)
    agree(where + ", low end", low, p["prediction_interval"][0], 5e-3)  # ends of resamples: CPUs round differently
    agree(where + ", high end", high, p["prediction_interval"][1], 5e-3)
    agree(where + ", error", error / 100, p["relative_error"], 1e-3)

identified = [p["name"] for p in fit["parameters"] if p["identified"]]
if identified != ["alpha"]:
    print(f"FAILED: identified are {identified}")
    failures += 1
sys.exit(failures > 0)
