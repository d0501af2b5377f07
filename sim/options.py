"""Options of each engine, importable where the engine itself is not installed.

What belongs to a machine and not to a run (`MACHINE_FIELDS`, and every free text) does not come along
with a checkpoint.
"""

import dataclasses
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval

PATH, PATH_LIST = "a path", "paths with a colon between them"
"""Mark (in `Annotated`) a text that names one place, or several, on the user's machine."""


@dataclasses.dataclass(frozen=True)
class MujocoConfig:
    """How MuJoCo's C engine runs."""

    num_threads: Annotated[int, Interval(ge=0, le=1024)] = 0
    """Threads that step scenes; 0 takes every core. Results do not depend on it."""
    solver_iterations: Annotated[int, Gt(0)] = 10
    """Upper bound on the contact solver's iterations in one physics step."""

    MACHINE_FIELDS: ClassVar[tuple[str, ...]] = ("num_threads",)


@dataclasses.dataclass(frozen=True)
class MujocoWarpConfig:
    """How MuJoCo Warp runs."""

    contacts_per_scene: Annotated[int, Gt(0)] = 40
    """Room for contacts, averaged over all scenes; `perf/contact_peak` says how much is used."""
    constraints_per_scene: Annotated[int, Gt(0)] = 160
    """Room for constraint rows in each scene, four a contact; see `perf/constraint_peak`."""
    solver_iterations: Annotated[int, Gt(0)] = 6
    """Upper bound on the contact solver's iterations in one physics step; with fewer than 6 some
    sliding bodies stop early."""
    max_overflow_share: Annotated[float, Ge(0)] = 0.00004
    """Share of all scenes' physics steps since the last report in which contacts may be lost before
    the run stops with an error; one scene may always lose them through one control step. Each is
    counted in `perf/overflow`."""


@dataclasses.dataclass(frozen=True)
class IsaacGymConfig:
    """How Isaac Gym runs, in a process of its own."""

    python: Annotated[str, PATH] = ""
    """Interpreter of the worker (Python 3.8 with isaacgym and torch); empty takes the variable
    SCREWPUSH_ISAACGYM_PYTHON, then python3.8 on the path."""
    python_path: Annotated[str, PATH_LIST] = ""
    """PYTHONPATH of the worker; the learner's own is not passed on."""
    pipeline: Literal["gpu", "cpu"] = "gpu"
    """Where physics and its tensors live. Isaac Gym needs an NVIDIA driver for both."""
    handover: Literal["auto", "direct", "arena"] = "auto"
    """How state reaches JAX on a GPU. direct: Isaac Gym's own tensors; arena: one device copy into
    memory of the learner's; auto tries direct and logs what it took and why."""
    viewer: bool = False
    """Open Isaac Gym's window and keep to real time."""
    graphics_device: Annotated[int, Ge(0)] = 0
    """GPU that draws the window, by its number among the graphics driver's own, which may differ from
    CUDA's; without a window nothing is drawn."""
    start_timeout_s: Annotated[float, Interval(gt=0, le=86400)] = 600.0
    """Longest start of the worker, seconds; the very first one compiles an extension."""
    step_timeout_s: Annotated[float, Interval(gt=0, le=86400)] = 60.0
    """Longest control step, seconds; a worker that takes longer counts as hung and is ended."""
    spin_s: Annotated[float, Interval(ge=0, le=86400)] = 0.1
    """With the gpu pipeline, how long the worker looks for the next request without pause, seconds: a
    shorter handshake for one busy core. 0 lets it sleep between looks."""
    restarts: Annotated[int, Ge(0)] = 0
    """How often training starts a new worker when one failed, and goes on from the last
    checkpoint."""
    substeps: Annotated[int, Gt(0)] = 1
    """Parts into which PhysX cuts one physics step."""
    position_iterations: Annotated[int, Interval(ge=1, le=255)] = 8
    """Solver iterations on positions in one part."""
    velocity_iterations: Annotated[int, Interval(ge=0, le=255)] = 1
    """Solver iterations on velocities in one part."""
    contact_offset_m: Annotated[float, Gt(0)] = 0.002
    """Shapes closer than the sum of two of these, metres, are looked at for contact."""
    rest_offset_m: float = 0.0
    """Distance, metres, at which shapes rest."""
    thickness_m: Annotated[float, Ge(0)] = 0.0
    """Skin around each shape of robot and bodies, metres, on which others rest. Isaac Gym's own is 0.02;
    with 0 shapes touch where they end, as in the other engines."""
    friction_offset_threshold_m: Annotated[float, Gt(0)] = 0.001
    """Friction acts at contacts closer than this, metres; much smaller than the bodies, or what should
    roll is held at places that do not touch. Isaac Gym's own, 0.04, is meant for large ones."""
    friction_correlation_m: Annotated[float, Gt(0)] = 0.00625
    """Contacts closer to each other than this, metres, share a place where friction acts; as NVIDIA's
    own tasks with small parts have it."""
    bounce_threshold_m_s: Annotated[float, Ge(0)] = 0.2
    """Slower contacts do not bounce, metres per second."""
    max_depenetration_m_s: Annotated[float, Gt(0)] = 5.0
    """Fastest push out of an overlap, metres per second; a low one lets a robot sink into what it presses
    on the ground."""
    max_gpu_contact_pairs: Annotated[int, Gt(0)] = 8388608
    """Room for contact pairs of all scenes; too little can pass without a word."""
    buffer_multiplier: Annotated[float, Gt(0)] = 5.0
    """Factor on PhysX's other GPU buffers."""
    num_threads: Annotated[int, Interval(ge=0, le=1024)] = 4
    """Threads of PhysX on the host."""
    stiffness_scale: Annotated[float, Gt(0)] = 1.0
    """Factor on the drives' stiffness, which is the same in every engine."""
    damping_scale: Annotated[float, Ge(0)] = 1.0
    """Factor on the drives' damping."""

    MACHINE_FIELDS: ClassVar[tuple[str, ...]] = (
        *("pipeline", "handover", "viewer", "graphics_device", "num_threads"),
        *("start_timeout_s", "step_timeout_s", "spin_s", "restarts"),
    )

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where shapes would never touch."""
        if not self.rest_offset_m < self.contact_offset_m:
            raise ValueError(
                f"rest_offset_m {self.rest_offset_m:g}; valid: less than contact_offset_m,"
                f" {self.contact_offset_m:g}"
            )


@dataclasses.dataclass(frozen=True)
class PhysxConfig:
    """How PhysX 5 runs, by its Python package ovphysx."""

    pipeline: Literal["auto", "gpu", "cpu"] = "auto"
    """Where physics and its tensors live; auto: on the device that JAX computes on."""
    solver: Literal["tgs", "pgs"] = "tgs"
    """Temporal (substeps inside the iterations) or projected Gauss-Seidel."""
    body_capsules: Literal["auto", "capsule", "hull"] = "auto"
    """What the capsules of bodies collide as; auto: as hulls on a GPU, where PhysX takes two capsules that
    cross at a few degrees for parallel and lets them overlap by some millimetres."""
    position_iterations: Annotated[int, Interval(ge=1, le=255)] = 8
    """Solver iterations on positions in one physics step."""
    velocity_iterations: Annotated[int, Interval(ge=0, le=255)] = 0
    """Solver iterations on velocities in one physics step; with tgs each leaves what rests with a
    velocity that it does not move by."""
    contact_offset_m: Annotated[float, Gt(0)] = 0.004
    """Shapes closer than the sum of two of these, metres, are looked at for contact, so that fast ones
    stop before they overlap."""
    rest_offset_m: float = 0.0
    """Distance, metres, at which shapes rest."""
    max_depenetration_m_s: Annotated[float, Gt(0)] = 5.0
    """Fastest push out of an overlap, metres per second; a low one lets the robot sink into what it presses
    on the table."""
    robot_contacts_last: bool = True
    """Solve contacts of the robot after all others in an iteration, which lets it sink less into what it
    presses on something."""
    friction_offset_threshold_m: Annotated[float, Gt(0)] = 0.001
    """Friction acts at contacts closer than this, metres; much smaller than the bodies, or what should
    roll is held at places that do not touch."""
    friction_correlation_m: Annotated[float, Gt(0)] = 0.00625
    """Contacts closer to each other than this, metres, share a place where friction acts."""
    contacts_per_scene: Annotated[int, Gt(0)] = 128
    """Room on a GPU for contact points, averaged over all scenes."""
    patches_per_scene: Annotated[int, Gt(0)] = 64
    """Room on a GPU for groups of contact points with one normal, averaged over all scenes."""
    pairs_per_scene: Annotated[int, Gt(0)] = 64
    """Room on a GPU for pairs of shapes that come close in one step, averaged over all scenes."""
    collision_stack_mb: Annotated[int, Interval(ge=1, le=4095)] = 256
    """Room on a GPU for what the narrow phase keeps while it looks for contacts, MB."""
    max_overflow_share: Annotated[float, Ge(0)] = 0.0
    """How often PhysX may say that such a room was too small, as a share of the physics steps since the
    last report, before the run stops with an error. Each time is counted in `perf/overflow`; in how many
    scenes contacts were lost it does not say."""
    env_id_bits: Annotated[int, Interval(ge=-1, le=16)] = 4
    """Bits of a scene's number by which a GPU's broad phase tells scenes apart early; -1: PhysX's own."""
    refresh_after_write: bool = True
    """With the gpu pipeline, whether scenes that were written anew are stepped by a microsecond first. In
    the first step after a write PhysX still has the contacts where the shapes were, which kicks what
    rests; this costs one more physics step in each control step that a write precedes."""
    num_threads: Annotated[int, Interval(ge=0, le=1024)] = 0
    """Threads of PhysX on the host; 0 takes every core."""

    MACHINE_FIELDS: ClassVar[tuple[str, ...]] = ("pipeline", "num_threads")

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where shapes would never touch."""
        if not self.rest_offset_m < self.contact_offset_m:
            raise ValueError(
                f"rest_offset_m {self.rest_offset_m:g}; valid: less than contact_offset_m,"
                f" {self.contact_offset_m:g}"
            )

    def gpu_buffers(self, num_envs: int) -> dict[str, int]:
        """PhysX's own names and sizes of the buffers for this many scenes, never below its defaults."""
        return {
            "gpuMaxRigidContactCount": max(1 << 19, self.contacts_per_scene * num_envs),
            "gpuMaxRigidPatchCount": max(81920, self.patches_per_scene * num_envs),
            "gpuFoundLostPairsCapacity": max(1 << 18, self.pairs_per_scene * num_envs),
            "gpuFoundLostAggregatePairsCapacity": max(1 << 14, self.pairs_per_scene * num_envs),
            "gpuTotalAggregatePairsCapacity": max(1 << 14, self.pairs_per_scene * num_envs),
            "gpuCollisionStackSize": self.collision_stack_mb << 20,
        }
