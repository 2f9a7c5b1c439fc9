"""COBAHH in Brian2: Hodgkin-Huxley cells with conductance synapses (Brette et al. 2007)."""

import brian2_side
from brian2 import NeuronGroup, Synapses, ms, mV, nS, pF, uS  # noqa: F401

asked = brian2_side.start(0.1)
model = """
dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v)
    + 20*uS*m**3*h*(50*mV - v) + 6*uS*n**4*(-90*mV - v)) / (200*pF) : volt
w = (v + 63*mV) / mV : 1
dm/dt = (0.32*(13 - w)/(exp((13 - w)/4) - 1)*(1 - m) - 0.28*(w - 40)/(exp((w - 40)/5) - 1)*m)/ms : 1
dh/dt = (0.128*exp((17 - w)/18)*(1 - h) - 4/(1 + exp((40 - w)/5))*h)/ms : 1
dn/dt = (0.032*(15 - w)/(exp((15 - w)/5) - 1)*(1 - n) - 0.5*exp((10 - w)/40)*n)/ms : 1
dge/dt = -ge / (5*ms) : siemens
dgi/dt = -gi / (10*ms) : siemens"""
P = NeuronGroup(4000, model, threshold="v > -20*mV", refractory=3 * ms,
                method="exponential_euler")  # fmt: skip
P.v = "-65*mV + 5*mV * randn()"  # m, h and n start from 0, as in the paper's script
P.ge = "(4 + 1.5 * randn()) * 10*nS"
P.gi = "(20 + 12 * randn()) * 10*nS"
E = Synapses(P[:3200], P, on_pre="ge += 6*nS")
I = Synapses(P[3200:], P, on_pre="gi += 67*nS")
E.connect(p=0.02)
I.connect(p=0.02)
brian2_side.run(asked, P, {"exc": 3200, "inh": 800}, E, I)
