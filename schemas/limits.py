"""The policy's section ``breaker``: how many alerts of one kind are a wave (docs/model.md section 8).

Each row: key, default, lowest, highest, what it does.
"""

BREAKER: tuple[tuple[str, int | float, float, float, str], ...] = (
    ("wait_minutes", 60, 0, 1440, "how long a value or gaming entry waits, so that a wave can be seen"),
    ("entries_per_hour", 25, 1, 10**6, "value or gaming entries an hour that trip nothing, over all partitions"),
    ("entries_per_day", 200, 1, 10**6, "value or gaming entries a day that trip nothing, over all partitions"),
    ("share_per_hour", 0.0005, 0.0, 1.0, "the same as a share of the partition's customers, an hour"),
    ("share_per_day", 0.005, 0.0, 1.0, "the same as a share of the partition's customers, a day"),
    ("times_usual", 8.0, 1.0, 1e6, "so many times a usual hour of the last 28 days trips nothing"),
    ("least_entries", 5, 1, 10**6, "value or gaming entries that no share and no usual hour trips at"),
    ("same_cause", 9, 1, 10**6, "churn and service entries of one cause an hour that trip nothing"),
    ("churn_share_per_hour", 0.01, 0.0, 1.0, "churn entries an hour, as a share of the customers"),
    ("churn_least_entries", 20, 1, 10**6, "churn entries an hour that this share does not trip at"),
    ("initial_days", 1, 0, 365, "history written so many days after it happened is a report; 0: never"),
)
