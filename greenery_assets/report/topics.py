"""The parts of the page with figures, in the order they stand on it. Pure."""

from greenery_assets.report import browsing, buying
from greenery_assets.report.figures import Figures
from greenery_assets.report.sections import Section


def figure_sections(figures: Figures) -> list[Section]:
    """Every part: what came in, then what the marts say."""
    return [
        browsing.volumes(figures),
        buying.buying_again(figures),
        browsing.conversion(figures),
        browsing.funnel(figures),
        browsing.time_spent(figures),
        buying.deliveries(figures),
        buying.orders_by_day(figures),
        buying.revenue_by_day(figures),
    ]
