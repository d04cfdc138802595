#!/usr/bin/env bash
# twotrack plan: what it prints, and what it refuses. Needs no MPI.
source "$(dirname "$0")/../train/common.sh"
"$make_store" "$work/store" 5000 50 || exit 1
configs=$here/../../configs

plan() { "$twotrack" plan "$@"; }

# refused CODE WORDS ARGUMENTS...: ends with CODE and says WORDS in one line
refused() {
  local code=$1 words=$2 got=0; shift 2
  plan "$@" > /dev/null 2> "$work/message" || got=$?
  [ "$got" = "$code" ] && grep -q -- "$words" "$work/message" && [ "$(wc -l < "$work/message")" = 1 ] ||
    fail "'plan $*' gave $got, not $code and '$words': $(cat "$work/message")"
}
refused 2 "h100-80, h200-141, a100-80, a100-40, cpu" "$configs/84M.cfg" --gpus 8 --gpu v100
refused 2 "power of two up to 16384, not '12'" "$configs/84M.cfg" --gpus 12 --gpu cpu
refused 2 "not '0'" "$configs/84M.cfg" --gpus 0 --gpu cpu
refused 2 "not '8x'" "$configs/84M.cfg" --gpus 8x --gpu cpu
refused 2 "--gpus N" "$configs/84M.cfg" --gpu cpu
refused 2 "--gpu NAME" "$configs/84M.cfg" --gpus 8
refused 2 "one configuration file" --gpus 8 --gpu cpu
refused 2 "'--nonsense'" "$configs/84M.cfg" --gpus 8 --gpu cpu --nonsense
refused 2 "FROM:COUNT" "$configs/84M.cfg" --gpus 8 --gpu cpu --updates 3
refused 2 "above 0" "$configs/84M.cfg" --gpus 8 --gpu cpu --fraction 1.5
refused 1 "nowhere" "$configs/84M.cfg" --gpus 8 --gpu h100-80 --store "$work/nowhere"
refused 1 "no such file\|No such file\|missing.cfg" "$work/missing.cfg" --gpus 8 --gpu h100-80
refused 1 "give --store" "$configs/84M.cfg" --gpus 8 --gpu cpu --updates 0:1
refused 1 "data.lanes\|too few\|fits" "$configs/84M.cfg" --gpus 8 --gpu cpu --updates 0:1 --store "$work/store"
plan --help | grep -q "usage: twotrack plan" || fail "--help"

plan "$configs/1.1B.cfg" --gpus 64 --gpu h100-80 > "$work/table" || fail "the table"
for words in "1129.2 million parameters" "^1.  64 x 1 " "^2.  " "memory of a rank, GB" "masters" "taken for granted" "^  a checkpoint holds 13.55 GB"; do
  grep -q -- "$words" "$work/table" || fail "the table lacks '$words'"
done
plan "$configs/1.1B.cfg" --gpus 64 --gpu h100-80 > "$work/again" && cmp -s "$work/table" "$work/again" || fail "two plans differ"

# json FILE ARGUMENTS...
json() { local file=$1; shift; plan "$@" --json > "$work/$file" 2> "$work/log" || fail "plan $*: $(cat "$work/log")"; }
json small "$configs/84M.cfg" --gpus 8 --gpu h100-80 --store "$work/store"
json gpus "$configs/1.1B.cfg" --gpus 64 --gpu h100-80
json full "$configs/1.1B.cfg" --gpus 8 --gpu a100-40 --set train.max_pairs=262144 --set train.micro_batches=8
json many "$configs/1.1B.cfg" --gpus 512 --gpu h100-80
json faster "$configs/1.1B.cfg" --gpus 64 --gpu h100-80 --fraction 0.6
json cpu "$here/small.cfg" --gpus 2 --gpu cpu
odd=(--set model.embed_dim=40 --set model.heads=8 --set model.ffn_dim=40 --set train.batch_size=64 --set train.micro_batches=8)
json odd "$here/small.cfg" --gpus 8 --gpu cpu "${odd[@]}"
"$twotrack" store info "$work/store" --json > "$work/info" || fail "store info"
python3 - "$work" << 'PYTHON' || fail "figures do not hold together"
import json, sys
small, gpus, full, many, faster, cpu, odd, info = (json.load(open(f"{sys.argv[1]}/{name}"))
                                              for name in ("small", "gpus", "full", "many", "faster", "cpu", "odd", "info"))
# lengths come from the store
train = info["splits"]["train"]
mean = train["atoms"] / train["records"]
assert abs(small["molecules"]["atoms"] / small["molecules"]["molecules"] / mean - 1) < 0.06, (small["molecules"], mean)
first, second = gpus["layouts"][:2]
m = first["memory_bytes"]
assert gpus["parameters"] // 10**6 == 1129 and first["tensor"] == 1 and first["data"] == 64 and first["fits"]
# bf16 weights, fp32 masters of them and gradients of one leaf on every rank; moments over 64 ranks
assert m["weights"] == 2 * gpus["parameters"] and m["gradients"] == m["masters"] == 4 * gpus["parameters"]
assert 0 <= m["moments"] / (8 * gpus["parameters"] / 64) - 1 < 0.02
# a group's rank does not hold what the others have
assert second["memory_bytes"]["weights"] < m["weights"] and second["tensor"] > 1
s = first["seconds"]
parts = ("products", "gradient_sums", "optimizer", "gradients", "weights", "tensor_group", "small")
assert abs(sum(s[k] for k in parts) / s["update"] - 1) < 1e-9 and s["tensor_group"] == 0 < second["seconds"]["tensor_group"]
assert abs(first["days"] * 86400 / (838e6 / 1024) / s["update"] - 1) < 1e-9
assert abs(faster["layouts"][0]["seconds"]["products"] * 2 / s["products"] - 1) < 1e-9
# order: T = 1 first, then the others by time, then what does not fit
times = [l["seconds"]["update"] for l in gpus["layouts"][1:] if l["fits"]]
assert times == sorted(times) and len(times) > 1
assert [l["fits"] for l in gpus["layouts"]] == sorted((l["fits"] for l in gpus["layouts"]), reverse=True)
assert all(l["reason"] for p in (gpus, full, many) for l in p["layouts"])
# too much memory is told, with what would fit
assert not full["layouts"][0]["fits"] and "train.max_pairs = " in full["layouts"][0]["reason"], full["layouts"][0]["reason"]
advice = int(full["layouts"][0]["reason"].split("train.max_pairs = ")[1].split()[0])
assert 256 <= advice < 262144
# more data ranks than leaves: the plan says which leaves it needs; and what a batch has too few molecules for
assert many["layouts"][0]["data"] == 512 and "train.micro_batches = 512" in many["layouts"][0]["reason"]
few = [l for l in many["layouts"] if not l["possible"]]
assert few and "train.batch_size" in few[0]["reason"] and "memory_bytes" not in few[0]
# dealing two molecules a rank is less even than 16
assert many["layouts"][0]["imbalance"] > 1.2 > gpus["layouts"][0]["imbalance"] >= 1
# on the CPU nothing is rounded, and nothing leaves the machine
c = cpu["layouts"][0]
assert c["memory_bytes"]["masters"] == 0 and c["memory_bytes"]["weights"] == 4 * cpu["parameters"]
assert all(v["between_nodes"] == 0 for v in c["bytes_sent"].values())
# two nodes or more: most of what a rank sends leaves its node
g = first["bytes_sent"]["gradients"]
assert 0.85 < g["between_nodes"] / g["all_ranks"] < 0.92
assert g["all_ranks"] == gpus["molecules"]["updates"] * 63 * 4 * gpus["parameters"]
# the pair track by channels: 6 sums of (R, P) a layer, each 2 (T - 1) / T of it; by molecules: two exchanges of (R, H)
for l in gpus["layouts"][1:]:
    if l["possible"] and l["tensor"] <= 8: # larger groups deal less evenly
        bias = l["bytes_sent"]["attention bias"]["largest_rank"]
        assert 0.7 < l["bytes_sent_by_channels"] / bias / (6 * l["tensor"] * 512 / 96) * 65 / 64 < 1.3, l["tensor"]
assert first["bytes_sent_by_channels"] == 0
assert 2 < gpus["reference_flops_per_update"] / gpus["executed_flops_per_update"] < 2.6
PYTHON
# no layout that a run refuses
for tensor in 1 2 4 8; do
  planned=$(grep -c "\"tensor\": $tensor,\?$" "$work/odd")
  if "$twotrack" train "$here/small.cfg" "${odd[@]}" --store "$work/store" --out "$work/none" --dry-run --set parallel.tensor=$tensor 2>&1 | grep -q "must divide"; then
    [ "$planned" = 0 ] || fail "groups of $tensor are planned and cannot be run"
  else
    [ "$planned" = 1 ] || fail "groups of $tensor are not planned"
  fi
done
# what it advises does fit
advice=$(python3 -c "import json; print(json.load(open('$work/full'))['layouts'][0]['reason'].split('train.max_pairs = ')[1].split()[0])")
json fits "$configs/1.1B.cfg" --gpus 8 --gpu a100-40 --set train.max_pairs="$advice" --set train.micro_batches=8
grep -q '"fits": true' "$work/fits" || fail "train.max_pairs = $advice does not fit either"
# a molecule that is too much by itself: no train.max_pairs is advised
plan "$configs/1.1B.cfg" --gpus 1 --gpu a100-40 --set model.layers=68 --set train.micro_batches=8 > "$work/table" || fail "68 layers"
grep -q "a molecule of 63 atoms alone is too much" "$work/table" || fail "68 layers: $(sed -n 6,8p "$work/table")"
finish
