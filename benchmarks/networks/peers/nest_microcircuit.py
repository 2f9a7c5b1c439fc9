"""The cortical column of Potjans & Diesmann 2014 in NEST, scaled down.

Neurons are scaled by `--scale`, in-degrees by `--in-degree`. A factor K of the in-degrees
divides the weights by sqrt(K), which keeps the variance of the input, and adds a current that
keeps its mean at the rates of the full network. Numbers of neurons, probabilities, external
in-degrees, weights and delays are those of the paper's tables 4 and 5; the rates of the full
network and the initial potentials those of NEST's example pynest/examples/Potjans_2014.
"""

import nest
import nest_side
import numpy as np

LAYERS = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"]
FULL = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
PROBABILITY = np.array([  # target, source
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
    [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
    [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
    [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
    [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
    [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
])  # fmt: skip
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz
V_MEAN = [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]  # mV
V_STD = [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]
BACKGROUND, TAU_M, TAU_SYN, C_M = 8.0, 10.0, 0.5, 250.0  # Hz, ms, ms, pF

asked = nest_side.start(0.1, scale=0.1, in_degree=0.1)
# The current (pA) whose exponential decay makes the PSP peak at 0.15 mV.
peak = np.log(TAU_M / TAU_SYN) * TAU_M * TAU_SYN / (TAU_M - TAU_SYN)  # ms
psp = (
    TAU_M
    * TAU_SYN
    / C_M
    / (TAU_M - TAU_SYN)
    * (np.exp(-peak / TAU_M) - np.exp(-peak / TAU_SYN))
)
psc = 0.15 / psp
weight = psc * np.where(np.arange(8) % 2, -4.0, 1.0) * np.ones((8, 1))
weight[0, 2] *= 2  # L4E to L23E
pairs = np.outer(FULL, FULL)
synapses = np.log1p(-PROBABILITY) / np.log1p(-1 / pairs)
root = np.sqrt(asked.in_degree)
mean_input = (weight * synapses / FULL[:, None]) @ RATES + psc * EXTERNAL * BACKGROUND
current = 1e-3 * TAU_SYN * (1 - root) * mean_input  # pA
number = np.rint(FULL * asked.scale).astype(int)
synapses = np.rint(synapses * asked.scale * asked.in_degree).astype(int)
cell = dict(C_m=C_M, tau_m=TAU_M, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0,
            tau_syn_ex=TAU_SYN, tau_syn_in=TAU_SYN)  # fmt: skip
columns = []
for n, i, mean, std in zip(number, current, V_MEAN, V_STD, strict=True):
    columns.append(nest.Create("iaf_psc_exp", int(n), {**cell, "I_e": i}))
    columns[-1].V_m = nest.random.normal(mean, std)
for target, cells in enumerate(columns):
    rate = BACKGROUND * round(EXTERNAL[target] * asked.in_degree)
    drive = nest.Create("poisson_generator", params={"rate": rate})
    nest_side.connect(drive, cells, {"rule": "all_to_all"}, psc / root, 1.5)
    for source, sources in enumerate(columns):
        if synapses[target, source] == 0:
            continue
        w, d = weight[target, source] / root, 0.75 if source % 2 else 1.5
        sign = dict(max=0.0) if source % 2 else dict(min=0.0)
        drawn = nest.math.redraw(
            nest.random.normal(w, 0.1 * abs(w)), **{"min": -np.inf, "max": np.inf, **sign}
        )
        delay = nest.math.redraw(nest.random.normal(d, 0.5 * d), min=0.05, max=np.inf)
        rule = {"rule": "fixed_total_number", "N": int(synapses[target, source])}
        nest_side.connect(sources, cells, rule, drawn, delay)
nest_side.run(asked, dict(zip(LAYERS, columns, strict=True)))
