"""Every 2 × 2 table."""


def possible(total, group):
    """(k, a, table) of all tables with these margins."""
    for k in range(total + 1):
        for a in range(max(0, k - (total - group)), min(k, group) + 1):
            yield k, a, [[a, group - a], [k - a, total - group - k + a]]
