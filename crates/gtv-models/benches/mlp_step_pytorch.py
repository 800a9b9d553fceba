"""The work of `mlp_step.rs` in PyTorch on the CPU: default Adam, two threads. Prints minima and medians in milliseconds.

    python mlp_step_pytorch.py [--seconds 5] [--only step/4096]
"""

import argparse
import time

import torch


def network(width):
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    return torch.nn.Sequential(
        linear(4, width), relu(), linear(width, width), relu(), linear(width, 2, bias=False)
    )


def measure(name, work, args):
    if args.only and not name.startswith(args.only):
        return
    work()
    times, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    print(f"{name:<28} min {times[0]:9.3f} ms   median {times[len(times) // 2]:9.3f} ms   n {len(times)}", flush=True)


def step(model, optimizer, x, scale, label):
    optimizer.zero_grad()
    loss = 0.5 * ((scale * model(x) - label) ** 2).sum() / x.shape[0]
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    batch = (torch.randn(256, 4), torch.rand(256, 1) + 0.5, torch.randn(256, 2))

    def member(width):
        model = network(width)
        optimizer = torch.optim.Adam(model.parameters())
        return lambda: step(model, optimizer, *batch)

    for width in [256, 1024, 4096]:
        if not args.only or f"step/{width}".startswith(args.only):
            measure(f"step/{width}", member(width), args)
    members = [member(128) for _ in range(100)]
    measure("step/128/100-members", lambda: [m() for m in members], args)
    model, x = network(4096), torch.randn(1024, 4)
    with torch.no_grad():
        measure("forward/4096/1024-rows", lambda: model(x), args)


if __name__ == "__main__":
    main()
