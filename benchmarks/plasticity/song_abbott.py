"""Song & Abbott: 1000 plastic synapses on one neuron, 100 s at 0.1 ms, beside Brian2.

python benchmarks/plasticity/song_abbott.py [--rounds 3] [--brian2 PYTHON] [--duration MS]
"""

from _side_by_side import compare

if __name__ == "__main__":
    compare("song_abbott", duration=1e5, cells=1, at_least=5.0)
