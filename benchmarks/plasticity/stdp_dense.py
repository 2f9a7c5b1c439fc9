"""All to all from 1000 Poisson sources onto 100 LIF cells with STDP, 10 s at 0.1 ms, beside Brian2.

python benchmarks/plasticity/stdp_dense.py [--rounds 3] [--brian2 PYTHON] [--duration MS]
"""

from _side_by_side import compare

if __name__ == "__main__":
    compare("stdp_dense", duration=1e4, cells=100, at_least=1.2)
