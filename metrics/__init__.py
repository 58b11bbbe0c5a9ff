"""Customer Metrics: who comes, who buys, who books, who stopped coming."""
