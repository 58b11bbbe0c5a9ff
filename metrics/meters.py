"""What the endpoint counts about itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

BEACONS = Counter("metrics_beacons", "Beacons answered.", ("kind", "status"), registry=REGISTRY)
REFUSALS = Counter("metrics_refusals", "Beacons refused, by reason.", ("reason",), registry=REGISTRY)
TOKENS = Counter("metrics_tokens_not_believed", "Identity tokens not believed.", ("reason",), registry=REGISTRY)
BATCHES = Histogram("metrics_batch_beacons", "Beacons in one write.", buckets=(1, 4, 16, 64, 256), registry=REGISTRY)
QUEUE = Gauge("metrics_queue_beacons", "Beacons that wait for their write.", registry=REGISTRY)
SPOOL = Gauge("metrics_spool_beacons", "Beacons on disk that wait for the database.", registry=REGISTRY)
REPLAYED = Counter("metrics_replayed_beacons", "Beacons that waited on disk and were written.", registry=REGISTRY)
SPOOL_REFUSED = Counter("metrics_spool_refused_beacons", "Beacons kept that the database refused.", registry=REGISTRY)
DATABASE_UP = Gauge("metrics_database_up", "Whether the last write reached the database.", registry=REGISTRY)
SWEPT = Counter("metrics_swept_sessions", "Sessions whose end the sweeper stored.", registry=REGISTRY)
FOLDED_AT = Gauge("metrics_folded_timestamp_seconds", "When the folder last finished.", registry=REGISTRY)
SWEPT_AT = Gauge("metrics_swept_timestamp_seconds", "When the sweeper last finished.", registry=REGISTRY)
PRUNED = Counter("metrics_pruned_sessions", "Sessions that retention removed.", registry=REGISTRY)
