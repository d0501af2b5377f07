"""The scenes in Isaac Gym: N environments of one robot and B bodies on a plane."""

import math
from typing import List, NamedTuple, Optional

from isaacgym import gymapi

from .actors import Actor, set_body, set_robot
from .messages import Message
from .params import asset_options, ground, sim_params
from .refusal import GymRefusedError, check

_HALF_SPACE_M = 1.5  # how far apart they are drawn; scenes of different groups never meet anyway
_SLACK = 4  # of bodies and shapes: an aggregate that is just full was seen to crash elsewhere


class Stage(NamedTuple):
    """What was built. Actor 0 of each environment is the robot, then come the bodies."""

    gym: gymapi.Gym
    sim: gymapi.Sim
    viewer: Optional[gymapi.Viewer]
    first: gymapi.Env
    actors: List[Actor]  # of the first environment; the others are made alike, but for factors
    remarks: List[str]


def build(setup: Message) -> Stage:
    """Simulation, assets, actors, `prepare_sim`: in this order, and nothing is added after."""
    gym, options, remarks = gymapi.acquire_gym(), setup["gym"], []
    # a headless process that draws crashes on some GPUs
    graphics = options["graphics_device"] if options["viewer"] else -1
    sim = gym.create_sim(0, graphics, gymapi.SIM_PHYSX, sim_params(setup))
    if sim is None:
        raise GymRefusedError("Isaac Gym's create_sim failed; its log lines say why")
    gym.add_ground(sim, ground(setup["scene"]["physics"]["friction"]))
    assets = _load_assets(gym, sim, setup)
    _check_joints(gym, assets[0], setup["scene"]["robot"])
    scenes, envs, actors = [], [], []
    for index in range(setup["num_envs"]):
        envs.append(_create_env(gym, sim, setup["num_envs"]))
        actors.append(_add_actors(gym, envs[-1], assets, setup, index, remarks))
        handles = [actor.handle for actor in actors[-1]]
        scenes.append([gym.get_actor_index(envs[-1], h, gymapi.DOMAIN_SIM) for h in handles])
    _check_numbers(scenes)
    viewer = _open_viewer(gym, sim) if options["viewer"] else None
    check(gym.prepare_sim(sim), "prepare_sim")
    return Stage(gym, sim, viewer, envs[0], actors[0], sorted(set(remarks)))


def _load_assets(gym: gymapi.Gym, sim: gymapi.Sim, setup: Message) -> List[gymapi.Asset]:
    assets = []
    for file, options in zip([setup["robot_urdf"]] + setup["group_urdfs"], asset_options(setup)):
        assets.append(gym.load_asset(sim, setup["folder"], file, options))
        if assets[-1] is None:
            raise GymRefusedError("Isaac Gym's load_asset failed; its log lines say why")
    return assets


def _check_numbers(scenes: List[List[int]]) -> None:
    """The learner lists actors by these numbers, and the root tensor's rows have this order."""
    numbers = [number for scene in scenes for number in scene]
    if numbers != list(range(len(numbers))):
        raise GymRefusedError(
            f"Isaac Gym numbers the actors of the scenes {scenes[:2]}...; expected scene by scene, in"
            " the order in which they were created"
        )


def _check_joints(gym: gymapi.Gym, robot: gymapi.Asset, scene: Message) -> None:
    """The columns of the DOF tensor have this order."""
    wanted = [link["joint"]["name"] for link in scene["links"] if link["joint"] is not None]
    found = list(gym.get_asset_dof_names(robot))
    if found != wanted:
        raise GymRefusedError(f"Isaac Gym orders the joints {found}; expected {wanted}")


def _create_env(gym: gymapi.Gym, sim: gymapi.Sim, num_envs: int) -> gymapi.Env:
    half, per_row = _HALF_SPACE_M, max(1, int(math.sqrt(num_envs)))
    lower, upper = gymapi.Vec3(-half, -half, 0.0), gymapi.Vec3(half, half, half)
    return gym.create_env(sim, lower, upper, per_row)


def _add_actors(
    gym: gymapi.Gym,
    env: gymapi.Env,
    assets: List[gymapi.Asset],
    setup: Message,
    index: int,
    remarks: List[str],
) -> List[Actor]:
    """Into one environment: its own collision group, the same order of actors as in every other."""
    robot, groups = setup["scene"]["robot"], setup["scene"]["groups"]
    counts = [1] + [len(group["start_pos_w"]) for group in groups]
    bodies, shapes = (
        _SLACK + sum(count * size(asset) for count, asset in zip(counts, assets))
        for size in (gym.get_asset_rigid_body_count, gym.get_asset_rigid_shape_count)
    )
    check(gym.begin_aggregate(env, bodies, shapes, True), "begin_aggregate")
    pose = _pose(robot["links"][0]["offset_m"])
    handle = gym.create_actor(env, assets[0], pose, "robot", index, 0, 0)
    actors = [set_robot(gym, env, handle, assets[0], setup, index)]
    for group, asset, filters in zip(groups, assets[1:], setup["group_filters"]):
        for spot, bits in zip(group["start_pos_w"], filters):
            handle = gym.create_actor(env, asset, _pose(spot), group["name"], index, 0, 0)
            actors.append(set_body(gym, env, handle, group, bits, setup, index))
    if not gym.end_aggregate(env):  # nobody is known to rely on what it answers
        remarks.append("Isaac Gym's end_aggregate answered with failure, which may slow physics")
    return actors


def _pose(pos: List[float]) -> gymapi.Transform:
    return gymapi.Transform(gymapi.Vec3(*pos), gymapi.Quat(0.0, 0.0, 0.0, 1.0))


def _open_viewer(gym: gymapi.Gym, sim: gymapi.Sim) -> gymapi.Viewer:
    viewer = gym.create_viewer(sim, gymapi.CameraProperties())
    if viewer is None:
        raise GymRefusedError("Isaac Gym's create_viewer failed; set isaacgym.viewer to false")
    return viewer
