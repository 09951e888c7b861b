"""Counts and latencies of requests: plain integers on the hot path, Prometheus families when scraped."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from brokerbus_front.instances import Instance
from brokerbus_front.readiness import Standing

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BOUND_TEXTS = [*(str(bound) for bound in BOUNDS), "+Inf"]
_LABELS = ("instance", "broker", "method")


class Meter:
    """The requests of one method at one instance."""

    __slots__ = ("buckets", "codes", "instance", "method", "seconds")

    def __init__(self, instance: Instance, method: str) -> None:
        self.instance, self.method = instance, method
        self.codes: dict[str, int] = {}
        self.buckets = [0] * len(_BOUND_TEXTS)
        self.seconds = 0.0

    def record(self, code: str, seconds: float) -> None:
        """Counts one answer; ``code`` is ``ok`` or a code of the bus."""
        self.codes[code] = self.codes.get(code, 0) + 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus has them: each counts all below it."""
        total, found = 0, []
        for text, count in zip(_BOUND_TEXTS, self.buckets, strict=True):
            total += count
            found.append((text, float(total)))
        return found


class Metrics:
    """Every meter of this process, and the text that a scrape gets."""

    def __init__(self, instances: Sequence[Instance], connections: Callable[[], int] = lambda: 0) -> None:
        self._instances, self._connections = instances, connections
        self._meters: dict[tuple[str, str], Meter] = {}
        self.refused = 0

    def meter(self, instance: Instance, method: str) -> Meter:
        """The meter of one method at one instance: every surface counts into the same, so labels stay bounded."""
        return self._meters.setdefault((instance.id, method), Meter(instance, method))

    def count_connections(self, connections: Callable[[], int]) -> None:
        """Says where the number of open connections is found."""
        self._connections = connections

    def text(self, label: Callable[[Instance], str], standings: Sequence[Standing]) -> bytes:
        """The exposition; ``label`` gives the name that the caller may see of an instance."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(PLATFORM_COLLECTOR)
        registry.register(GC_COLLECTOR)
        registry.register(_Families([*self._families(label), *_trading(label, standings)]))
        return generate_latest(registry)

    def _families(self, label: Callable[[Instance], str]) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "brokerbus_requests", "Requests, by how they were answered.", labels=(*_LABELS, "code")
        )
        seconds = HistogramMetricFamily("brokerbus_request_seconds", "Time to answer a request.", labels=_LABELS)
        for meter in self._meters.values():
            labels = (label(meter.instance), meter.instance.broker, meter.method)
            for code, count in meter.codes.items():
                requests.add_metric((*labels, code), count)
            if meter.codes:
                seconds.add_metric(labels, meter.cumulative(), meter.seconds)
        connected = GaugeMetricFamily("brokerbus_worker_connected", "1: the worker is there.", labels=_LABELS[:2])
        for instance in self._instances:
            connected.add_metric((label(instance), instance.broker), float(instance.client.connected))
        yield from (requests, seconds, connected)
        yield CounterMetricFamily("brokerbus_refused", "httptrading requests answered 404.", value=self.refused)
        yield GaugeMetricFamily("brokerbus_connections", "Open HTTP connections.", value=self._connections())


def _trading(label: Callable[[Instance], str], standings: Sequence[Standing]) -> Iterator[Metric]:
    """What the workers say of their broker and their orders; nothing of a worker that does not answer."""
    session = GaugeMetricFamily("brokerbus_session_up", "1: the broker answers.", labels=_LABELS[:2])
    halted = GaugeMetricFamily("brokerbus_trading_halted", "1: trading is halted.", labels=_LABELS[:2])
    unknown = GaugeMetricFamily("brokerbus_orders_unknown", "Orders whose outcome is unknown.", labels=_LABELS[:2])
    for standing in standings:
        labels = (label(standing.instance), standing.instance.broker)
        session.add_metric(labels, float(standing.session == "up"))
        if standing.state != "stopped":
            halted.add_metric(labels, float(standing.halted is not None))
            unknown.add_metric(labels, float(standing.unknown))
    yield from (session, halted, unknown)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
