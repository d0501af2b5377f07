"""What a compiled function exchanges: read from its text, against what it was written to do."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import Mesh, PartitionSpec

from benchmarks.hlo import Collective, collectives

AXIS = "d"


def text_of(function, x):
    """Of what XLA makes of it for one device, where a sum over all devices is one still."""
    spec = PartitionSpec()
    mesh = Mesh(jax.devices()[:1], (AXIS,))
    mapped = jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return jax.jit(mapped).lower(x).compile().as_text()


def test_operations_in_loops_count_as_often_as_the_loops_run():
    def step(x, _):
        total, some = jax.lax.psum((x, x[:3].astype(jnp.int8)), AXIS)
        return x + total * some.sum().astype(jnp.float32), None

    def pass_(x, _):
        x = jax.lax.scan(step, x, None, length=5)[0]
        return x / jax.lax.psum(x, AXIS).sum(), None

    def whole(x):
        return jax.lax.psum(jax.lax.scan(pass_, x, None, length=7)[0].sum(), AXIS)

    found = collectives(text_of(whole, jnp.ones(1000)))
    assert {one.kind for one in found} == {"all-reduce"}
    in_all = {}
    for one in found:  # XLA may join two of one step
        in_all[one.times] = in_all.get(one.times, 0) + one.bytes
    assert in_all == {35: 4 * 1000 + 3, 7: 4 * 1000, 1: 4}


def test_what_exchanges_nothing_has_none():
    assert collectives(text_of(lambda x: 2.0 * x, jnp.ones(3))) == []


def test_a_loop_that_does_not_say_how_often_it_runs_is_refused():
    def until(x):
        return jax.lax.while_loop(lambda x: x.sum() < 99.0, lambda x: x + jax.lax.psum(x, AXIS), x)

    text = text_of(until, jnp.ones(3))
    with pytest.raises(ValueError, match="does not say how often"):
        collectives(text)


def test_asynchronous_operations_and_branches_count_once():
    text = """\
%sum (a: f32[], b: f32[]) -> f32[] {
  ROOT %add = f32[] add(%a, %b)
}

%often (p: (f32[8], pred[])) -> f32[8] {
  %start = f32[8]{0} all-reduce-start(%p), to_apply=%sum
  ROOT %done = f32[8]{0} all-reduce-done(%start)
}

%never (p: (f32[8], pred[])) -> f32[8] {
  ROOT %gather = f32[2,8]{1,0} all-gather(%p), dimensions={0}
}

ENTRY %main (p: f32[8]) -> f32[8] {
  ROOT %if = f32[8]{0} conditional(%c, %p, %p), branch_computations={%often, %never}
}
"""
    assert collectives(text) == [Collective("all-reduce", 32, 1), Collective("all-gather", 64, 1)]
