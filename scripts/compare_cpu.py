"""Our decoding against llama.cpp's and our training against PyTorch's, alternating, on the same threads.

Run by scripts/compare-cpu, which sees to both sides. Each measurement is a process of its own; the medians of the rounds and
the ratio ours / theirs are printed, and everything measured is written as JSON. Speeds of decoding are in wall time (both sides
use the same number of threads); speeds of training in processor time and in wall time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

# One PyTorch measurement, in a process of its own: SmolLM2's shape read from the model our side trains.
TORCH = """
import json, resource, sys, time
import torch
from transformers import LlamaConfig, LlamaForCausalLM
spec = json.loads(sys.argv[1])
torch.set_num_threads(spec["threads"])
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(**spec["config"], attn_implementation="sdpa", use_cache=False)).float()
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
ids = torch.randint(0, spec["config"]["vocab_size"], (spec["sequences"], spec["length"]))
def step():
    out = model(input_ids=ids, labels=ids)
    out.loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(out.loss)
step()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(spec["steps"]):
    loss = step()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
tokens = spec["sequences"] * spec["length"] * spec["steps"]
print(json.dumps({"tokens_per_second": tokens / wall, "tokens_per_cpu_second": tokens / cpu, "loss": loss,
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "torch": torch.__version__}))
"""

SMOLLM2_135M = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0, "tie_word_embeddings": True,
}


def run(command, env=None):
    """Standard output, and the process's peak memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    out, err = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command[:4])} ... ended with {process.returncode}:\n{err[-2000:]}")
    return out


def peak_of(command):
    """Runs a command and returns its output and the peak memory of it alone, in MiB."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.close(read)
        os.execv(command[0], command)
    os.close(write)
    with os.fdopen(read) as pipe:
        out = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {status}")
    return out, usage.ru_maxrss / 1024


def ours_decode(args, model, batch):
    out = run([args.bedside, "bench", "lm", "--model", model, "--part", "decode", "--batch", str(batch), "--prompt",
               str(args.prompt), "--tokens", str(args.tokens), "--threads", str(args.threads), "--json"])
    figures = {f["measure"]: f["value"] for f in map(json.loads, out.splitlines())}
    return {"prefill": figures[f"prefill, batch {batch}"], "decode": figures[f"decode, batch {batch}"],
            "peak": figures[f"decode, batch {batch}, peak memory"]}


def llama_decode(args, model, batch):
    threads = str(args.threads)
    cells = str(batch * (args.prompt + args.tokens) + 256)
    out, peak = peak_of([os.path.join(args.llama, "llama-batched-bench"), "-m", model, "-c", cells, "-b", "2048", "-ub", "512",
                         "-npp", str(args.prompt), "-ntg", str(args.tokens), "-npl", str(batch), "-t", threads, "-tb", threads,
                         "--output-format", "jsonl"])
    for line in out.splitlines():
        if line.startswith("{"):
            figures = json.loads(line)
            return {"prefill": figures["speed_pp"], "decode": figures["speed_tg"], "peak": peak}
    sys.exit(f"llama-batched-bench said nothing of its speed:\n{out}")


def ours_train(args):
    out = run([args.bedside, "bench", "lm", "--model", "135m", "--part", "train", "--sequences", str(args.sequences), "--length",
               str(args.length), "--steps", str(args.steps), "--threads", str(args.threads), "--json"])
    figures = {f["measure"]: f["value"] for f in map(json.loads, out.splitlines())}
    return {"wall": figures["train, all"], "cpu": figures["train, all, CPU time"],
            "peak": figures["train, all, peak memory"], "loss": figures["train, all, last loss"]}


def torch_train(args):
    spec = {"config": SMOLLM2_135M, "threads": args.threads, "sequences": args.sequences, "length": args.length,
            "steps": args.steps}
    env = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    f = json.loads(run([sys.executable, "-c", TORCH, json.dumps(spec)], env).splitlines()[-1])
    return {"wall": f["tokens_per_second"], "cpu": f["tokens_per_cpu_second"], "peak": f["peak_mib"], "loss": f["loss"],
            "version": f["torch"]}


def requantised(args, kind):
    name = os.path.splitext(os.path.basename(args.model))[0]
    path = os.path.join(args.cache, f"{name}-{kind.lower()}.gguf")
    if not os.path.exists(path):
        run([os.path.join(args.llama, "llama-quantize"), "--allow-requantize", args.model, path + ".part", kind])
        os.rename(path + ".part", path)
    return path


def alternate(rounds, ours, theirs):
    """A B, B A, A B, ...: neither side is always the first."""
    got = {"ours": [], "theirs": []}
    for i in range(rounds):
        for side in ("ours", "theirs") if i % 2 == 0 else ("theirs", "ours"):
            got[side].append(ours() if side == "ours" else theirs())
    return got


def report(title, got, keys, unit):
    load = os.getloadavg()[0]
    for key in keys:
        ours, theirs = ([g[key] for g in got[side]] for side in ("ours", "theirs"))
        a, b = statistics.median(ours), statistics.median(theirs)
        spread = f"[{min(x / y for x, y in zip(ours, theirs)):.2f}, {max(x / y for x, y in zip(ours, theirs)):.2f}]"
        label = unit if key != "peak" else "MiB"
        print(f"{title + ', ' + key:<40} {a:>9.1f} {b:>9.1f} {label:<12} {a / b:>6.2f} {spread:<14} load {load:.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bedside", required=True)
    parser.add_argument("--llama", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="Q8_0,F16,F32")
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--part", default="decode,train")
    parser.add_argument("--out", help="everything measured, as JSON")
    args = parser.parse_args()
    begun, measured = time.time(), {}
    print(f"{'medians of ' + str(args.rounds):<40} {'ours':>9} {'theirs':>9} {'':<12} {'ratio':>6} [least, most]")
    if "decode" in args.part.split(","):
        for kind in args.kinds.split(","):
            path = requantised(args, kind)
            for batch in map(int, args.batch.split(",")):
                got = alternate(args.rounds, lambda: ours_decode(args, path, batch), lambda: llama_decode(args, path, batch))
                measured[f"{kind} batch {batch}"] = got
                report(f"{kind} batch {batch}", got, ["decode", "prefill", "peak"], "tokens/s")
    if "train" in args.part.split(","):
        got = alternate(args.rounds, lambda: ours_train(args), lambda: torch_train(args))
        measured["train"] = got
        report("train, all, f32", got, ["cpu", "wall", "peak"], "tokens/s")
    print(f"threads {args.threads}, {time.time() - begun:.0f} s")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"threads": args.threads, "rounds": args.rounds, "measured": measured}, file, indent=1)


if __name__ == "__main__":
    main()
