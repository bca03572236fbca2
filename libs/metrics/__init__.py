"""Every metric of the suite. Labels are bounded: methods, codes, collections, never tenants or
ids."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("aeterna_requests", "Calls that ended.", ["service", "method", "code"])
REQUEST_SECONDS = Histogram(
    "aeterna_request_seconds", "How long calls took.", ["service", "method"], buckets=_SECONDS
)
REQUESTS_LIMITED = Counter(
    "aeterna_requests_limited", "Calls refused because the tenant makes too many.", ["service"]
)
REQUESTS_OPEN = Gauge("aeterna_requests_open", "Calls under way.", ["service"])
WRITE_GROUP = Histogram(
    "aeterna_write_group_size",
    "Commands that shared one transaction.",
    ["service"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
PROJECTIONS = Counter(
    "aeterna_projections", "Entities put into the vector index.", ["collection", "by"]
)
PROJECTION_FAILURES = Counter(
    "aeterna_projection_failures", "Attempts that were left for later.", ["collection"]
)
OPERATIONS = Counter("aeterna_operations", "Long-running operations that ended.", ["kind", "state"])
OPERATION_FAILURES = Counter(
    "aeterna_operation_failures", "Steps of operations that are tried again.", ["kind"]
)
AUDIT_CHECKPOINTS = Counter("aeterna_audit_checkpoints", "Checkpoints of audit trails signed.")
AUDIT_BROKEN = Counter(
    "aeterna_audit_broken", "Times that an audit trail was found altered when it was to be signed."
)
DENIALS = Counter("aeterna_denials", "What policies denied.", ["action"])
SUBSCRIBERS = Gauge("aeterna_subscribers", "Open subscriptions to change logs.")
SOCKETS = Gauge("aeterna_sockets", "Open WebSockets.")
SOCKET_OPENINGS = Counter(
    "aeterna_socket_openings",
    "Requests for a WebSocket, by the HTTP status answered; 0: gone or too late before one.",
    ["status"],
)
SOCKET_ENDINGS = Counter(
    "aeterna_socket_endings", "WebSockets that ended, by the close code sent; 0: none.", ["code"]
)
CHANGES_SENT = Counter("aeterna_changes_sent", "Changes sent to subscribers.")
LIVE_CONNECTIONS = Gauge("aeterna_live_connections", "Live connections that are known.")
LIVE_WAITED = Counter(
    "aeterna_live_waited_seconds",
    "For which messages waited until the rate of their connection or tenant allowed for them.",
    ["whose"],
)
LIVE_EVENTS = Counter("aeterna_live_events", "Events sent to live connections.")
LIVE_ENDED = Counter("aeterna_live_ended", "Connections that the server ended.", ["reason"])
LIVE_MESSAGES = Counter(
    "aeterna_live_messages", "Messages of live connections, by what came of them.", ["kind", "code"]
)
WAKEUPS_CONNECTED = Gauge(
    "aeterna_wakeups_connected",
    "Whether this process hears of the changes of the others at once (1), or must look (0).",
)
PRESENCE_MEMBERS = Gauge("aeterna_presence_members", "Connections in rooms, each room counted.")
PRESENCE_CONNECTED = Gauge(
    "aeterna_presence_connected",
    "Whether who is present is known of all replicas (1), or of this one alone (0).",
)
PRESENCE_UPDATES = Counter("aeterna_presence_updates", "Updates that rooms were told.")
PRESENCE_REWRITTEN = Counter(
    "aeterna_presence_rewritten", "Times that a room's members had to be written anew."
)
EMBEDDING_CACHE_HITS = Counter(
    "aeterna_embedding_cache_hits", "Texts answered from the cache.", ["tier"]
)
EMBEDDING_CACHE_MISSES = Counter(
    "aeterna_embedding_cache_misses", "Texts that the provider was asked for."
)
EMBEDDING_CACHE_CHECKS = Counter(
    "aeterna_embedding_cache_checks",
    "Cached vectors compared with the provider's own, by kind of rewording and whether the call"
    " was made for that.",
    ["grade", "paid"],
)
EMBEDDING_CACHE_FALSE = Counter(
    "aeterna_embedding_cache_false",
    "Checks that found the cached vector wrong.",
    ["grade", "paid"],
)
EMBEDDING_CACHE_CONNECTED = Gauge(
    "aeterna_embedding_cache_connected",
    "Whether the Redis of the embedding cache answers (1), or everything is a miss (0).",
)
EMBEDDING_TOKENS = Counter(
    "aeterna_embedding_tokens", "Tokens sent to the provider, by who counted.", ["model", "counted"]
)
EMBEDDING_COST = Counter(
    "aeterna_embedding_cost", "Money spent on the provider.", ["model", "currency"]
)
EMBEDDING_SAVED_TOKENS = Counter(
    "aeterna_embedding_saved_tokens", "Tokens that the cache saved.", ["tier"]
)
EMBEDDING_SAVED_COST = Counter(
    "aeterna_embedding_saved_cost", "Money that the cache saved.", ["tier", "currency"]
)
EMBEDDING_LIMITED = Counter(
    "aeterna_embedding_limited", "Calls refused because the tenant asked for too much."
)
REASONING_HOPS = Histogram(
    "aeterna_reasoning_hops", "Hops of a reasoned search.", buckets=(1, 2, 3, 4, 5)
)
MODEL_CALLS = Counter(
    "aeterna_model_calls", "Calls of language models: OK, or why not.", ["model", "outcome"]
)
MODEL_TOKENS = Counter("aeterna_model_tokens", "Tokens read and written.", ["model", "kind"])
MODEL_COST = Counter(
    "aeterna_model_cost", "What they cost by the configured prices.", ["model", "currency"]
)
KMS_AVAILABLE = Gauge(
    "aeterna_kms_available",
    "Whether the key management service answers and its key may be used (1), or cached keys have to"
    " do (0).",
)
KMS_CALLS = Counter(
    "aeterna_kms_calls", "Calls of the key management service: OK, or why not.", ["call", "outcome"]
)
KMS_SECONDS = Histogram("aeterna_kms_seconds", "How long those took that went well.")
KMS_STALE = Counter(
    "aeterna_kms_stale", "Tenants' keys that were used for longer, since the service was away."
)
ALERTS = Counter("aeterna_alerts", "Alerts raised.", ["kind", "severity"])
DELIVERIES = Counter(
    "aeterna_webhook_deliveries", "Attempts to send alerts to webhooks.", ["outcome"]
)
USAGE_WRITTEN = Counter("aeterna_usage_written", "Lines of usage that were written down.")
USAGE_DROPPED = Counter(
    "aeterna_usage_dropped", "Lines of usage that could not be kept: must stay 0."
)
BUDGET_DECISIONS = Counter(
    "aeterna_budget_decisions", "Reservations: OK, or why not.", ["request", "outcome"]
)
BUDGET_SECONDS = Histogram(
    "aeterna_budget_seconds", "How long they took.", ["request"], buckets=_SECONDS
)
