"""TensorBoard's event files; the records are written in ``rushlight.utils.event_file``."""

from ...utils.event_file import (
    graph_definition as graph_definition,
    graph_event as graph_event,
    histogram_summary as histogram_summary,
    masked_checksum as masked_checksum,
    record as record,
    scalar_summary as scalar_summary,
    summary_event as summary_event,
    version_event as version_event,
)
