"""Measures: pure functions of spike trains and of voltage traces."""

from snnjax.measures.action_potential import (
    APFeatures,
    ap_features,
    crossing_times,
    latency,
)
from snnjax.measures.distances import (
    schreiber,
    spike_train_inner_product,
    van_rossum,
    victor_purpura,
)
from snnjax.measures.intervals import (
    ISIStatistics,
    RunningISI,
    cv,
    cv2,
    finish_isi,
    isi,
    isi_statistics,
    running_isi,
    update_isi,
)
from snnjax.measures.lif_rate import siegert
from snnjax.measures.population import (
    PopulationStatistics,
    cross_correlogram,
    event_counts,
    event_isi_statistics,
    pairwise_correlation,
    population_statistics,
    synchrony,
)
from snnjax.measures.spike_trains import (
    fano_factor,
    mean_rate,
    padded_spike_times,
    population_rate,
    power_spectrum,
    psth,
    spike_counts,
    spike_times,
)

__all__ = [
    "APFeatures",
    "ISIStatistics",
    "PopulationStatistics",
    "RunningISI",
    "ap_features",
    "cross_correlogram",
    "crossing_times",
    "cv",
    "cv2",
    "event_counts",
    "event_isi_statistics",
    "fano_factor",
    "finish_isi",
    "isi",
    "isi_statistics",
    "latency",
    "mean_rate",
    "padded_spike_times",
    "pairwise_correlation",
    "population_rate",
    "population_statistics",
    "power_spectrum",
    "psth",
    "running_isi",
    "schreiber",
    "siegert",
    "spike_counts",
    "spike_times",
    "spike_train_inner_product",
    "synchrony",
    "update_isi",
    "van_rossum",
    "victor_purpura",
]
