r"""Spikes through synapses, at a cost in proportion to the spikes, and all its derivatives.

What a projection does is one trilinear form of what its source neurons send (`amount`), its
weights and a buffer b that is indexed by target (and by time, with delays),

$$T(b, amount, weight) = \sum_{i \in active} amount_i \sum_k weight_{ik} \, b_{place(i, k)},$$

taken apart in three ways: `push` adds $\partial T / \partial b$ to a buffer, `pull` is
$\partial T / \partial amount$ and `credit` adds $\partial T / \partial weight$ to a total. Each is
linear in each of its arguments, and transposes into the other two; so they are primitives of
jax, with these rules, and compose under grad, jvp, vmap and scan to any order. Their forward
forms are loops of dynamic length over the active rows, which jax could not differentiate.

A push takes its weights twice, as `Weights`. What it reads is a constant of a loop over time,
which keeps it once. What it hands on, unchanged and unread, is carried by the loop, so that on
the way back the gradient of the weights is added to in place, row by row. With one of the two
alone there would be one array of all synapses a step.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from snnjax.connect import bits
from snnjax.connect.event_batches import batch
from snnjax.connect.lists import listed_credit, listed_pull, listed_push
from snnjax.connect.rows import SEVERAL, AbstractRows, at


class Weights(NamedTuple):
    """One array of weights twice, to be carried by a loop over time as it comes out of `push`.

    `read` gives the values, and `credited`, which is never read, takes all of the gradient.
    """

    read: Float[Array, "..."]
    credited: Float[Array, "..."]

    @classmethod
    def of(cls, weight: Float[Array, "..."]) -> "Weights":
        return cls(weight, weight)


def push(
    buffer, amount, weights: Weights, active, support, shift, rows: AbstractRows, form=None
) -> tuple[Float[Array, "places"], Weights]:
    """(`buffer` with the rows of `active` neurons added, `weights`).

    - `buffer`: flat, float. `amount`: what each source sends, 0 where it is not active.
    - `weights`: one a synapse, as `rows` takes them, or one number.
    - `active`, `support`: packed bits (`bits.pack`) of the sources that send, and of those whose
      amount may have a tangent: no others pass gradient.
    - `form`: "loop" or "list" (see `connect/lists.py`); by default what suits the device.
    """
    leaves, tree = jax.tree.flatten(rows)
    shift = jnp.asarray(shift).astype(jnp.uint32)
    arrays = (buffer, amount, *weights, active, support, shift)
    buffer, credited = _push.bind(*arrays, *leaves, tree=tree, form=form)
    return buffer, Weights(weights.read, credited)


def pull(buffer, weight, active, shift, rows: AbstractRows, form=None):
    """What each of the `active` sources gets from `buffer` through its row; 0 for the others."""
    leaves, tree = jax.tree.flatten(rows)
    arrays = (buffer, weight, active, jnp.asarray(shift).astype(jnp.uint32))
    return _pull.bind(*arrays, *leaves, tree=tree, form=form)[0]


def _rows(leaves, tree) -> Any:
    return jax.tree.unflatten(tree, leaves)


# Forward: loops over the active rows, and nothing else.


def _push_loop(buffer, amount, weight, credited, active, support, shift, *leaves, tree):
    del support
    rows = _rows(leaves, tree)
    visit = lambda buffer, i: rows.add(buffer, i, at(amount, i), weight, shift)
    if not rows.at_once:
        return [_for_each(rows, active, visit, buffer), credited]
    numbers, n = bits.listed(active, rows.n)
    several = np.uint32(SEVERAL)

    def turn(k, buffer):
        some = [at(numbers, k * several + np.uint32(j)) for j in range(SEVERAL)]
        amounts = [at(amount, i) for i in some]
        return rows.add_several(buffer, some, amounts, weight, shift)

    buffer = lax.fori_loop(np.uint32(0), n // several, turn, buffer)
    one = lambda k, buffer: visit(buffer, at(numbers, k))
    return [lax.fori_loop(n // several * several, n, one, buffer), credited]


def _for_each(rows, active, visit, carry):
    return bits.for_each(active, lambda carry, bit: visit(carry, rows.row_of(bit)), carry)


def _pull_loop(buffer, weight, active, shift, *leaves, tree):
    rows = _rows(leaves, tree)

    def visit(total, i):
        one = rows.dot(buffer, i, weight, shift)
        return lax.dynamic_update_index_in_dim(total, one, i, 0)

    return [_for_each(rows, active, visit, jnp.zeros(rows.n, buffer.dtype))]


def _credit_loop(total, buffer, amount, active, support, shift, *leaves, tree):
    del support
    rows = _rows(leaves, tree)
    visit = lambda total, i: rows.gather(total, buffer, i, at(amount, i), shift)
    return [_for_each(rows, active, visit, total)]


def _listed_push(buffer, amount, weight, credited, active, support, shift, *leaves, tree):
    del support
    rows = _rows(leaves, tree)
    return [listed_push(buffer, amount, weight, active, shift, rows), credited]


def _listed_pull(buffer, weight, active, shift, *leaves, tree):
    return [listed_pull(buffer, weight, active, shift, _rows(leaves, tree))]


def _listed_credit(total, buffer, amount, active, support, shift, *leaves, tree):
    del support
    return [listed_credit(total, buffer, amount, active, shift, _rows(leaves, tree))]


# Shapes.


def _push_shape(buffer, amount, weight, credited, *_, **__):
    del amount, weight
    return [buffer, credited]


def _pull_shape(buffer, weight, active, shift, *leaves, tree, form):
    del weight, active, shift, form
    return [buffer.update(shape=(_rows(leaves, tree).n,))]


def _credit_shape(total, *_, **__):
    return [total]


# Derivatives. What is linear in several arguments has one term for each that has a tangent.
# Amounts that have a tangent are those of `support`.


def _push_jvp(primals, tangents, **p):
    _, amount, weight, _, active, support, *rest = primals
    d_buffer, d_amount, _, d_weight = tangents[:4]
    d_buffer = ad.instantiate_zeros(d_buffer)
    if not isinstance(d_amount, ad.Zero):
        linear = (d_buffer, d_amount, weight, weight, support, support, *rest)
        d_buffer, _ = _push.bind(*linear, **p)
    if not isinstance(d_weight, ad.Zero):
        linear = (d_buffer, amount, d_weight, d_weight, active, support, *rest)
        d_buffer, d_weight = _push.bind(*linear, **p)
    return _push.bind(*primals, **p), [d_buffer, d_weight]


def _push_transpose(
    cotangents, buffer, amount, weight, credited, active, support, *rest, **p
):
    ct, ct_weight = cotangents
    d_amount, d_weight = None, ct_weight
    if not isinstance(ct, ad.Zero):
        if ad.is_undefined_primal(amount):
            d_amount = _pull.bind(ct, weight, active, *rest, **p)[0]
        if ad.is_undefined_primal(credited):
            total = _zeros(credited) if isinstance(ct_weight, ad.Zero) else ct_weight
            d_weight = _credit.bind(total, ct, amount, active, support, *rest, **p)[0]
    arguments = (buffer, amount, weight, credited)
    return _cotangents(arguments, (ct, d_amount, None, d_weight), 2 + len(rest))


def _pull_jvp(primals, tangents, **p):
    buffer, weight, *rest = primals
    d_buffer, d_weight = tangents[:2]
    terms = []
    if not isinstance(d_buffer, ad.Zero):
        terms += _pull.bind(d_buffer, weight, *rest, **p)
    if not isinstance(d_weight, ad.Zero):
        terms += _pull.bind(buffer, d_weight, *rest, **p)
    return _pull.bind(*primals, **p), [sum(terms[1:], terms[0])]


def _pull_transpose(cotangents, buffer, weight, active, *rest, **p):
    (ct,) = cotangents
    d_buffer = d_weight = None
    if not isinstance(ct, ad.Zero):
        rows = (active, active, *rest)
        if ad.is_undefined_primal(buffer):
            d_buffer = _push.bind(_zeros(buffer), ct, weight, weight, *rows, **p)[0]
        if ad.is_undefined_primal(weight):
            d_weight = _credit.bind(_zeros(weight), buffer, ct, *rows, **p)[0]
    return _cotangents((buffer, weight), (d_buffer, d_weight), 1 + len(rest))


def _credit_jvp(primals, tangents, **p):
    _, buffer, amount, active, support, *rest = primals
    d_total, d_buffer, d_amount = tangents[:3]
    d_total = ad.instantiate_zeros(d_total)
    if not isinstance(d_buffer, ad.Zero):
        linear = (d_total, d_buffer, amount, active, support, *rest)
        (d_total,) = _credit.bind(*linear, **p)
    if not isinstance(d_amount, ad.Zero):
        linear = (d_total, buffer, d_amount, support, support, *rest)
        (d_total,) = _credit.bind(*linear, **p)
    return _credit.bind(*primals, **p), [d_total]


def _credit_transpose(cotangents, total, buffer, amount, active, support, *rest, **p):
    (ct,) = cotangents
    d_buffer = d_amount = None
    if not isinstance(ct, ad.Zero):
        if ad.is_undefined_primal(buffer):
            linear = (_zeros(buffer), amount, ct, ct, active, support, *rest)
            d_buffer = _push.bind(*linear, **p)[0]
        if ad.is_undefined_primal(amount):
            d_amount = _pull.bind(buffer, ct, active, *rest, **p)[0]
    return _cotangents((total, buffer, amount), (ct, d_buffer, d_amount), 2 + len(rest))


def _cotangents(arguments, values, n_more: int) -> list[Any]:
    """`values` for those arguments that are linear; None for the rest and `n_more` others."""
    linear = map(ad.is_undefined_primal, arguments)
    found = [v if yes else None for yes, v in zip(linear, values, strict=True)]
    return found + [None] * n_more


def _zeros(undefined) -> Any:
    return jnp.zeros(undefined.aval.shape, undefined.aval.dtype)


def _primitive(name, signature, shape, loop, listed, jvp, transpose) -> Primitive:
    p = Primitive(name)
    p.multiple_results = True
    p.def_abstract_eval(shape)
    p.def_impl(jax.jit(p.bind, static_argnames=("tree", "form")))
    ad.primitive_jvps[p] = jvp
    ad.primitive_transposes[p] = transpose
    arguments, results = signature.split(" -> ")
    batching.primitive_batchers[p] = partial(batch, p, arguments, results)

    def lower(default):
        def run(*args, tree, form):
            chosen = {"loop": loop, "list": listed}[form or default]
            return chosen(*args, tree=tree)

        return mlir.lower_fun(run, multiple_results=True)

    mlir.register_lowering(p, lower("list"))
    mlir.register_lowering(p, lower("loop"), platform="cpu")
    return p


# What each argument and result is, for batches.
_push = _primitive(
    "push",
    "buffer amount weight weight words words shift -> buffer weight",
    *(_push_shape, _push_loop, _listed_push, _push_jvp, _push_transpose),
)
_pull = _primitive(
    "pull",
    "buffer weight words shift -> amount",
    *(_pull_shape, _pull_loop, _listed_pull, _pull_jvp, _pull_transpose),
)
_credit = _primitive(
    "credit",
    "weight buffer amount words words shift -> weight",
    *(_credit_shape, _credit_loop, _listed_credit, _credit_jvp, _credit_transpose),
)
