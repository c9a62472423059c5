"""The public names, for type checkers; at run time each is imported at first use."""

from wflow_core.assembly.assemble import assemble as assemble
from wflow_core.flows.flow import Flow as Flow
from wflow_core.flows.sampling import integrate as integrate
from wflow_core.flows.training import Trainer as Trainer
from wflow_core.flows.training_options import TrainingOptions as TrainingOptions
from wflow_core.interfaces.architecture import Architecture as Architecture
from wflow_core.interfaces.baseline import Baseline as Baseline, BaselineContext as BaselineContext
from wflow_core.interfaces.canonicalizer import Canonicalizer as Canonicalizer
from wflow_core.interfaces.codec import Codec as Codec
from wflow_core.interfaces.component import (
    Component as Component,
    Need as Need,
    Options as Options,
    Slot as Slot,
)
from wflow_core.interfaces.components import Components as Components
from wflow_core.interfaces.condition import Condition as Condition
from wflow_core.interfaces.coupling import Coupling as Coupling
from wflow_core.interfaces.guidance import Guidance as Guidance
from wflow_core.interfaces.hook import Hook as Hook, hookimpl as hookimpl
from wflow_core.interfaces.loss import Loss as Loss
from wflow_core.interfaces.manifold import Manifold as Manifold
from wflow_core.interfaces.metric import Metric as Metric
from wflow_core.interfaces.objective import Objective as Objective
from wflow_core.interfaces.optimizer import Optimizer as Optimizer
from wflow_core.interfaces.prior import Prior as Prior
from wflow_core.interfaces.solver import Solver as Solver
from wflow_core.interfaces.stage import (
    Artefact as Artefact,
    Stage as Stage,
    StageContext as StageContext,
    StageOutput as StageOutput,
)
from wflow_core.interfaces.task import Signature as Signature, Split as Split, Task as Task
from wflow_core.interfaces.time import TimeSampler as TimeSampler
from wflow_core.interfaces.trained_flow import TrainedFlow as TrainedFlow
from wflow_core.interfaces.velocity import Velocity as Velocity
from wflow_core.interfaces.zoo import Covariate as Covariate, ZooSource as ZooSource
from wflow_core.pipeline.driver import run as run
from wflow_core.pipeline.finished_run import load as load
from wflow_core.space import PointSet as PointSet, Space as Space
from wflow_core.specs.spec import (
    Spec as Spec,
    load_spec as load_spec,
    spec_from_text as spec_from_text,
)
from wflow_core.symmetry import (
    Group as Group,
    GroupElement as GroupElement,
    Part as Part,
    Symmetry as Symmetry,
)
from wflow_core.weights import WeightLayout as WeightLayout, WeightSet as WeightSet
