"""``tf.train``: optimizers, learning rates, checkpoints and the global step."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from .learning_rates import (
    cosine_decay as cosine_decay,
    cosine_decay_restarts as cosine_decay_restarts,
    create_global_step as create_global_step,
    exponential_decay as ExponentialDecay,
    exponential_decay as exponential_decay,
    get_global_step as get_global_step,
    get_or_create_global_step as get_or_create_global_step,
    global_step as global_step,
    inverse_time_decay as inverse_time_decay,
    linear_cosine_decay as linear_cosine_decay,
    natural_exp_decay as natural_exp_decay,
    piecewise_constant as piecewise_constant,
    piecewise_constant as piecewise_constant_decay,
    polynomial_decay as polynomial_decay,
)
from .meta_graph import (
    export_meta_graph as export_meta_graph,
    import_meta_graph as import_meta_graph,
    write_graph as write_graph,
)
from .monitored import (
    CheckpointSaverHook as CheckpointSaverHook,
    CheckpointSaverListener as CheckpointSaverListener,
    ChiefSessionCreator as ChiefSessionCreator,
    FeedFnHook as FeedFnHook,
    FinalOpsHook as FinalOpsHook,
    LoggingTensorHook as LoggingTensorHook,
    MonitoredSession as MonitoredSession,
    MonitoredTrainingSession as MonitoredTrainingSession,
    NanLossDuringTrainingError as NanLossDuringTrainingError,
    NanTensorHook as NanTensorHook,
    Scaffold as Scaffold,
    SecondOrStepTimer as SecondOrStepTimer,
    SessionRunArgs as SessionRunArgs,
    SessionRunContext as SessionRunContext,
    SessionRunHook as SessionRunHook,
    SessionRunValues as SessionRunValues,
    SingularMonitoredSession as SingularMonitoredSession,
    StepCounterHook as StepCounterHook,
    StopAtStepHook as StopAtStepHook,
    SummarySaverHook as SummarySaverHook,
    WorkerSessionCreator as WorkerSessionCreator,
)
from .optimizers import (
    AdadeltaOptimizer as AdadeltaOptimizer,
    AdagradOptimizer as AdagradOptimizer,
    AdamOptimizer as AdamOptimizer,
    ExponentialMovingAverage as ExponentialMovingAverage,
    FtrlOptimizer as FtrlOptimizer,
    GradientDescentOptimizer as GradientDescentOptimizer,
    MomentumOptimizer as MomentumOptimizer,
    Optimizer as Optimizer,
    ProximalAdagradOptimizer as ProximalAdagradOptimizer,
    ProximalGradientDescentOptimizer as ProximalGradientDescentOptimizer,
    RMSPropOptimizer as RMSPropOptimizer,
)
from .queues import (
    Coordinator as Coordinator,
    QueueRunner as QueueRunner,
    add_queue_runner as add_queue_runner,
    batch as batch,
    input_producer as input_producer,
    range_input_producer as range_input_producer,
    shuffle_batch as shuffle_batch,
    slice_input_producer as slice_input_producer,
    start_queue_runners as start_queue_runners,
    string_input_producer as string_input_producer,
)
from .readers import match_filenames_once as match_filenames_once
from .records import (
    BytesList as BytesList,
    Example as Example,
    Feature as Feature,
    FeatureList as FeatureList,
    FeatureLists as FeatureLists,
    Features as Features,
    FloatList as FloatList,
    Int64List as Int64List,
    SequenceExample as SequenceExample,
)
from .saver import (
    CheckpointState as CheckpointState,
    NewCheckpointReader as NewCheckpointReader,
    Saver as Saver,
    checkpoint_exists as checkpoint_exists,
    get_checkpoint_state as get_checkpoint_state,
    init_from_checkpoint as init_from_checkpoint,
    latest_checkpoint as latest_checkpoint,
    list_variables as list_variables,
    load_variable as load_variable,
    remove_checkpoint as remove_checkpoint,
    update_checkpoint_state as update_checkpoint_state,
)
from .summary import FileWriter as SummaryWriter, summary_iterator as summary_iterator
from .supervisor import Supervisor as Supervisor
