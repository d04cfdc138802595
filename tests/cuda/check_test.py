#!/usr/bin/env python3
"""benchmarks/gpu/check itself, on the emulated GPU; and that no failure is told as something else.   check_test.py CHECK BUILD"""
import json
import os
import subprocess
import sys
import tempfile
import types

CHECK, BUILD = sys.argv[1:3]
sys.path += [os.path.dirname(CHECK), os.path.dirname(os.path.dirname(CHECK))]

import machine as machines  # noqa: E402
from machine import CUT_SHORT, FAILED, PASSED, SKIPPED, STOPPED, Answer, CutShort, Failed, Machine, Skipped, Step  # noqa: E402
from record import counts  # noqa: E402
from steps import sanitizer_verdict  # noqa: E402
from timings import factors_of  # noqa: E402


def check(out, *options, **environment):
    done = subprocess.run([sys.executable, CHECK, "--emulated", BUILD, "--out", out, *options], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **environment})  # fmt: skip
    print(done.stdout, end="", flush=True)
    with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
        steps = {s["name"]: s for s in json.load(file)["steps"]}
    with open(os.path.join(out, "record.md"), encoding="utf-8") as file:
        return done.returncode, steps, file.read()


def whole(folder):
    code, steps, record = check(os.path.join(folder, "whole"))
    assert len(os.listdir(os.path.join(folder, "whole"))) <= 8
    left_out = {"memcheck", "racecheck", "parity-bf16", "time-1.1B", "peer-1.1B", "peer-84M"}  # the last: where there is no torch
    for name, step in steps.items():
        assert step["verdict"] == PASSED or step["verdict"] == SKIPPED and name in left_out, step
    assert code == 0 and f"\n{counts(list(steps.values()))}.\n" in record
    for text in ("emulated GPU", "| outer product |", "| ranks-tensor-2 | passed |", "benchmarks/gpu/check --emulated"):
        assert text in record, text


def no_device(folder):
    code, steps, record = check(os.path.join(folder, "none"), TT_EMULATE_DEVICES="0")
    assert code == 1 and list(steps) == ["start"] and steps["start"]["verdict"] == FAILED
    assert "no CUDA device" in steps["start"]["text"] and "1 FAILED (start)" in record


def verdict_of_sanitizer(tool, code, *lines):
    answer = Answer(code, "\n".join(["========= COMPUTE-SANITIZER", "step 1", *lines]), 100.0)
    try:
        return PASSED, sanitizer_verdict(tool, answer)
    except (Failed, CutShort, Skipped) as why:
        return {Failed: FAILED, CutShort: CUT_SHORT, Skipped: SKIPPED}[type(why)], str(why)


def sanitizers():
    bad = ["========= Invalid __global__ read of size 4 bytes", "=========     at some_kernel"]
    race = ["========= Error: Race reported between Write access and Read access", "========= "]
    clean, found = "========= ERROR SUMMARY: 0 errors", "========= ERROR SUMMARY: 2 errors"
    for tool, code, lines, verdict in [
        ("memcheck", 0, [clean], PASSED),
        ("memcheck", 99, [*bad, found], FAILED),
        ("memcheck", STOPPED, bad, FAILED),
        ("memcheck", STOPPED, [], CUT_SHORT),
        ("memcheck", 0, [], FAILED),  # it looked at nothing
        ("memcheck", 1, [clean], FAILED),  # the program itself failed
        ("memcheck", 1, ["========= Error: Device not supported. Please refer to the documentation"], SKIPPED),
        ("racecheck", 0, ["========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"], PASSED),
        ("racecheck", 99, [*race, "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"], FAILED),
        ("racecheck", STOPPED, race, FAILED),
    ]:  # fmt: skip
        got = verdict_of_sanitizer(tool, code, *lines)
        assert got[0] == verdict, (tool, code, lines, got)


def limits(folder):
    """What a step found before its limit stays found; one that only was slow is not said to have passed."""
    machine = Machine(folder, folder, types.SimpleNamespace(emulated=BUILD, seconds=60, out=folder), None)

    def slow(machine):
        machine.needed(machine.run("sleep", "30"), "sleep")

    def wrong_and_slow(machine):
        try:
            slow(machine)
        except CutShort:
            raise Failed("it was wrong before")

    def broken(machine):
        return {}["nothing"]

    machines.LEAST_SECONDS = 0.1
    for run, seconds, verdict in [(slow, 0.5, CUT_SHORT), (wrong_and_slow, 0.5, FAILED), (broken, 9, FAILED), (lambda m: "fine", 9, PASSED),
                                  (lambda m: "fine", 0.05, CUT_SHORT)]:  # fmt: skip
        got = machine.attempt(Step("a", seconds, run))
        assert got["verdict"] == verdict, got


def ratios():
    plans = {"upstream": {"ms_median": 120.0, "peak_device_bytes": 6}, "sorted": {"ms_median": 60.0}, "sorted+factored": {"ms_median": 20.0}}
    x = factors_of({"ms_per_update": 10.0, "gpu_memory_bytes": 2}, {"plans": plans})
    assert x == {"padding": 2, "algorithm": 3, "kernels": 2, "all": 12, "memory": 3}, x


sanitizers()
ratios()
with tempfile.TemporaryDirectory() as work:
    limits(work)
    no_device(work)
    whole(work)
