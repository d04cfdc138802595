#!/usr/bin/env python3
"""Event files against the logs they come from, read by an independent reader: tensorboard_test.py TWOTRACK"""
import json
import math
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

import event_reader
import runs

TWOTRACK = os.path.abspath(sys.argv[1])
NAME = "events.out.tfevents.twotrack"


def export(*arguments, code=0, says="", limit=None):
    def set_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run([TWOTRACK, "log", "export", *arguments], capture_output=True, text=True, preexec_fn=set_limit if limit else None)
    assert done.returncode == code and says in done.stderr, (arguments, done)
    assert code == 0 or done.stderr.count("\n") == 1, done.stderr


def files(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def same_float(found, wanted):
    return found == wanted or (wanted == b"NaN " and math.isnan(struct.unpack("<f", found)[0]))


def check_hparams(event, log):
    (value,) = event["summary"]["values"]
    assert value["tag"] == "_hparams_/session_start_info" and value["metadata"]["plugin"]["name"] == "hparams", value
    session = value["metadata"]["plugin"]["content"]["session_start"]
    found = {e["key"]: e["value"].get("number", e["value"].get("text")) for e in session["hparams"]}
    config = log[0]["config"]
    for key, name in (("layers", "layers"), ("seed", "seed"), ("learning_rate", "learning_rate"), ("batch_size", "batch_size")):
        assert f"  {name} = {found[key]:g};" in config, (key, found)
    assert found["size_total"] == log[0]["parameters"]["total"] and found["schedule"] == "constant", found
    assert found["size_without_embeddings"] == log[0]["parameters"]["without_embeddings"], found
    assert (found["embed_dim"], found["pair_dim"], found["steps"], found["warmup_steps"]) == (32, 16, 1000, 50), found
    assert session["start"] == log[0]["started_unix"]


def check_values(path, log):
    version, hparams, *events = event_reader.read(path)
    assert version == {"time": log[0]["started_unix"], "version": "brain.Event:2"}, version
    check_hparams(hparams, log)
    wanted = runs.expected(log)
    assert len(events) == len(wanted) > 20, (len(events), len(wanted))
    described = set()
    for event, (time, step, values) in zip(events, wanted):
        assert abs(event["time"] - time) < 1e-5 and event["step"] == step, (event, time, step)
        found = {v["tag"]: v["value"] for v in event["summary"]["values"]}
        assert len(found) == len(event["summary"]["values"]) and found.keys() == values.keys(), (step, found.keys() ^ values.keys())
        for tag, value in values.items():
            assert same_float(found[tag], value), (step, tag, found[tag], value)
        for value in event["summary"]["values"]:  # the first of a tag says what it is, and that it is a curve
            assert (value["tag"] in described) != ("metadata" in value), value
            if "metadata" in value:
                assert value["metadata"]["plugin"] == {"name": "scalars"} and value["metadata"]["class"] == 1, value
                assert len(value["metadata"]["description"]) > 5, value
            described.add(value["tag"])
    return described


def values_are_those_of_the_log():
    logs = {"a": runs.make_log("a", 1), "b & c": runs.make_log("b & c", 2, lacks=("data_s", "loss_distance", "valid:loss_token"))}
    logs["no losses"] = runs.make_log("no losses", 3, lacks=("loss",))
    export("a", "b & c/", "no losses/run.jsonl", "--tensorboard", "deep/er/tb")
    assert files("deep/er/tb") == [f"{name}/{NAME}" for name in sorted(logs)], files("deep/er/tb")
    tags = {name: check_values(f"deep/er/tb/{name}/{NAME}", log) for name, log in logs.items()}
    assert tags["a"] == set(runs.TAGS), tags["a"] ^ set(runs.TAGS)
    assert set(runs.TAGS) - tags["b & c"] == {"speed/data_s", "loss_distance/train", "loss_distance/valid", "loss_token/valid"}
    assert "loss/train" in tags["no losses"]


def the_reader_notices_flipped_bits():
    runs.make_log("short", 4, steps=9)
    export("short", "--tensorboard", "flip")
    whole = content(f"flip/short/{NAME}")
    for at in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        try:
            list(event_reader.records(bytes(damaged)))
        except ValueError:
            continue
        raise AssertionError(f"a flipped bit of byte {at} was not noticed")


def the_same_input_gives_the_same_bytes():
    runs.make_log("again", 5)
    export("again", "--tensorboard", "one")
    shutil.copytree("again", "elsewhere/again")
    export("elsewhere/again", "--tensorboard", "two")
    first = content(f"one/again/{NAME}")
    assert first == content(f"two/again/{NAME}")
    shutil.rmtree("again")  # another run of that name: its file takes the place of the old one
    runs.make_log("again", 6, steps=20)
    export("again", "--tensorboard", "one")
    assert files("one") == [f"again/{NAME}"] and content(f"one/again/{NAME}") != first
    check_values(f"one/again/{NAME}", [json.loads(line) for line in content("again/run.jsonl").decode().splitlines()[:-1]])


def runs_of_one_name_are_told_apart():
    logs = {name: runs.make_log(name, seed) for seed, name in enumerate(("x/run", "y/run"), 7)}
    export("x/run", "./y//", "--tensorboard", "both")  # the second one is a folder of runs
    assert files("both") == [f"{name}/{NAME}" for name in logs], files("both")
    for name, log in logs.items():
        check_values(f"both/{name}/{NAME}", log)
    export("x/run", "./x/run/", "--tensorboard", "twice", code=1, says="x/run")  # one run named twice
    absolute = [os.path.abspath(name) for name in logs]
    for outside in ([absolute[0], absolute[1]], ["y/../x/run", "y/run"]):
        export(*outside, "--tensorboard", "twice", code=1, says="cannot have a folder of its own in twice")
    assert not os.path.exists("twice")


def failures_leave_what_was_there():
    runs.make_log("long", 9, steps=400)
    runs.make_log("old", 9, steps=10)
    export("old", "--tensorboard", "kept")
    os.rename("kept/old", "kept/long")
    before = content(f"kept/long/{NAME}")
    export("long", "--tensorboard", "kept", limit=20_000, code=1, says=NAME)
    assert files("kept") == [f"long/{NAME}"] and content(f"kept/long/{NAME}") == before
    export("nowhere", "--tensorboard", "none", code=1, says="nowhere")
    export("long", "nowhere", "--tensorboard", "none", code=1, says="nowhere")
    export("long", "--tensorboard", "long/run.jsonl", code=1, says="long/run.jsonl")
    export("long", "--tensorboard", "", code=2, says="--tensorboard")
    export("long", "--tensorboard", code=2, says="--tensorboard")
    with open("long/run.jsonl", "a") as log:
        log.write('ep":1}\n{"type":"step","samples":1,"loss":1.0}\n{"type":"save"}\n')
    export("long", "--tensorboard", "none/later", code=1, says="has no step")
    assert files("none/later") == [] if os.path.exists("none/later") else not os.path.exists("none")


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    values_are_those_of_the_log()
    the_reader_notices_flipped_bits()
    the_same_input_gives_the_same_bytes()
    runs_of_one_name_are_told_apart()
    failures_leave_what_was_there()
    os.chdir("/")
print("event files: all well")
